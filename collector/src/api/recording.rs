//! A timeline's JSON, read back: what of it everything else follows from, and how.

use std::sync::Arc;

use abi::{AbiVersion, Callback, Dialect, HeadersStop, Host, Hostcall, Kind};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use timeline::delivery::{Clock, MemorySample, Module, Root, StreamInfo};
use timeline::event::{Event, Marks};
use timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence, TimelineId};
use timeline::timeline::{Reason, Silence, State, Unreached};
use timeline::{Gap, Instant, Timeline};
use utoipa::ToSchema;

use super::view::{Detail, GapView, SampleView};

/// What of a timeline the rest of its JSON does not carry: with it the timeline can be read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingView {
    /// Up to here the events are complete but for the gaps, on the instance's clock.
    pub known_until_micros: u64,
    /// Envoy's node id.
    pub node: String,
    /// The plugin.
    #[schema(value_type = Object)]
    pub root: Root,
    /// What names the stream, and what the host said of it.
    #[schema(value_type = Object)]
    pub stream: StreamInfo,
    /// What was instrumented.
    pub module: ModuleView,
    /// The rules that the VM runs under.
    pub dialect: DialectView,
    /// One reading of both clocks.
    pub clock: ClockView,
    /// Nothing is heard of the instance.
    pub silence: Option<SilenceView>,
    /// Plugins behind this one that the request never reached.
    pub unreached: Vec<UnreachedView>,
}

/// A plugin that a request never reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnreachedView {
    /// Its name.
    pub plugin: String,
    /// Its timeline of the same request.
    #[schema(value_type = String)]
    pub timeline: TimelineId,
}

/// What was instrumented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModuleView {
    /// Version of the recorder; `envoy-log` where there was none.
    pub tracer_version: String,
    /// ABI version of the original.
    pub abi: Option<String>,
    /// `envoy` or `higress`.
    pub host: Option<String>,
    /// Guess, empty if unknown.
    pub sdk: String,
    /// Bit n: the original exports the callback with number n.
    pub callbacks: u64,
    /// Numbers of the hostcalls that the original imports.
    pub hostcalls: Vec<u32>,
}

/// The rules that a VM runs under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DialectView {
    /// `envoy` or `higress`.
    pub host: Option<String>,
    /// ABI version.
    pub abi: Option<String>,
    /// What number 1 from a headers phase does: `iteration`, `all` or `unknown`.
    pub headers_stop: String,
    /// It was seen, not read in a table.
    pub calibrated: bool,
}

/// One reading of both clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockView {
    /// Nanoseconds since 1970.
    pub wall_nanos: u64,
    /// The instance's clock at the same moment.
    pub monotonic_micros: u64,
    /// There is no monotonic clock.
    pub wall_only: bool,
}

/// Nothing is heard of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilenceView {
    /// Since then, on its own clock.
    pub since_micros: u64,
    /// Timelines that were open then.
    pub open: u32,
}

impl RecordingView {
    /// Of a timeline.
    pub fn of(timeline: &Timeline) -> RecordingView {
        let module = &timeline.module;
        let host = |host: Option<Host>| host.map(|host| host.name().to_owned());
        let abi = |abi: Option<AbiVersion>| abi.map(|abi| abi.name().to_owned());
        RecordingView {
            known_until_micros: timeline.known_until.0,
            node: timeline.node.to_string(),
            root: Root::clone(&timeline.root),
            stream: timeline.stream.clone(),
            module: ModuleView {
                tracer_version: module.tracer_version.clone(),
                abi: abi(module.abi),
                host: host(module.host),
                sdk: module.sdk.clone(),
                callbacks: module.callbacks,
                hostcalls: module.hostcalls.iter().map(|hostcall| hostcall.number()).collect(),
            },
            dialect: DialectView {
                host: host(timeline.dialect.host),
                abi: abi(timeline.dialect.abi),
                headers_stop: timeline.dialect.headers_stop.name().to_owned(),
                calibrated: timeline.dialect.calibrated,
            },
            clock: ClockView {
                wall_nanos: timeline.clock.wall_nanos,
                monotonic_micros: timeline.clock.monotonic.0,
                wall_only: timeline.clock.wall_only,
            },
            silence: timeline
                .silence
                .map(|silence| SilenceView { since_micros: silence.since.0, open: silence.open }),
            unreached: timeline
                .unreached
                .iter()
                .map(|u| UnreachedView { plugin: u.plugin.clone(), timeline: u.timeline })
                .collect(),
        }
    }
}

/// A text that is no timeline in JSON.
#[derive(Debug, thiserror::Error)]
pub enum BadJson {
    /// No JSON, or of something else. The cause ends with line and column.
    #[error("a timeline as the API and `show --json` give it is expected")]
    Json(#[from] serde_json::Error),
    /// Nothing at all.
    #[error("no timeline stands here; one as the API and `show --json` give it is expected")]
    Nothing,
}

/// A timeline as the API gives it.
pub fn print(timeline: &Timeline) -> String {
    // Numbers, strings and lists always become JSON.
    serde_json::to_string(&Detail::of(timeline)).unwrap_or_default()
}

/// Reads timelines as the API gives them: one, a list, or one behind the other. Each is assessed anew at
/// its `known_until`; what the text says of findings is not read.
///
/// # Errors
/// With line and column.
pub fn read(text: &str) -> Result<Vec<Timeline>, BadJson> {
    let read: Vec<Written> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text)?,
        false => {
            let values = serde_json::Deserializer::from_str(text).into_iter();
            values.collect::<Result<_, _>>()?
        }
    };
    if read.is_empty() { Err(BadJson::Nothing) } else { Ok(read.into_iter().map(built).collect()) }
}

#[derive(Deserialize)]
struct Written {
    instance: InstanceId,
    context: u32,
    generation: u32,
    revision: u32,
    #[serde(default, deserialize_with = "reason")]
    reason: Option<Reason>,
    events: Vec<WrittenEvent>,
    gaps: Vec<GapView>,
    #[serde(default)]
    memory: Vec<SampleView>,
    recording: WrittenRecording,
}

/// As [`RecordingView`], with words that must be known.
#[derive(Deserialize)]
struct WrittenRecording {
    known_until_micros: u64,
    node: String,
    root: Root,
    stream: StreamInfo,
    #[serde(deserialize_with = "module")]
    module: Module,
    #[serde(deserialize_with = "dialect")]
    dialect: Dialect,
    clock: ClockView,
    silence: Option<SilenceView>,
    #[serde(default)]
    unreached: Vec<UnreachedView>,
}

#[derive(Deserialize)]
struct WrittenEvent {
    sequence: u64,
    entry: u64,
    at_micros: u64,
    took_micros: u64,
    #[serde(deserialize_with = "kind")]
    kind: Kind,
    context: u32,
    args: Vec<u32>,
    result: u32,
    call: u32,
    text: String,
    #[serde(default, deserialize_with = "hex")]
    text_hex: Option<Vec<u8>>,
    marks: u32,
}

fn built(written: Written) -> Timeline {
    let recording = written.recording;
    let context = ContextId(written.context);
    let mut timeline = Timeline::new(written.instance, context, written.generation);
    timeline.revision = written.revision;
    timeline.state = written.reason.map_or(State::Open, State::Closed);
    timeline.root = Arc::new(recording.root);
    timeline.stream = recording.stream;
    timeline.node = Arc::from(recording.node);
    timeline.module = Arc::new(recording.module);
    timeline.dialect = recording.dialect;
    timeline.clock = Clock {
        wall_nanos: recording.clock.wall_nanos,
        monotonic: Micros(recording.clock.monotonic_micros),
        wall_only: recording.clock.wall_only,
    };
    timeline.known_until = Micros(recording.known_until_micros);
    timeline.silence =
        recording.silence.map(|s| Silence { since: Micros(s.since_micros), open: s.open });
    let gap =
        |gap: GapView| Gap { from: Sequence(gap.from), to: Sequence(gap.to), reason: gap.reason };
    timeline.gaps = written.gaps.into_iter().map(gap).collect();
    let unreached = |u: UnreachedView| Unreached { plugin: u.plugin, timeline: u.timeline };
    timeline.unreached = recording.unreached.into_iter().map(unreached).collect();
    let sample = |m: SampleView| MemorySample {
        at: Micros(m.at_micros),
        pages: m.pages,
        streams: m.streams,
    };
    timeline.memory = written.memory.into_iter().map(sample).collect();
    timeline.events = written.events.into_iter().map(event).collect();
    timeline.events.sort_by_key(Event::order);
    timeline.assess(Instant::at(timeline.known_until));
    timeline
}

fn event(written: WrittenEvent) -> Event {
    Event {
        sequence: Sequence(written.sequence),
        entry: Entry(written.entry),
        at: Micros(written.at_micros),
        context: ContextId(written.context),
        kind: written.kind,
        took: Micros(written.took_micros),
        args: written.args,
        result: written.result,
        call: CallId(written.call),
        text: written.text_hex.unwrap_or_else(|| written.text.into_bytes()),
        marks: Marks(written.marks),
    }
}

/// Reads a word that must be known.
fn known<T, E: Error>(what: &str, word: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, E> {
    read(word).ok_or_else(|| E::custom(format!("{word:?} is no {what}")))
}

fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Reason>, D::Error> {
    let word = Option::<String>::deserialize(from)?;
    word.map(|word| known("reason for being closed", &word, Reason::from_name)).transpose()
}

fn kind<'de, D: Deserializer<'de>>(from: D) -> Result<Kind, D::Error> {
    let word = String::deserialize(from)?;
    known("callback or hostcall", &word, |word| {
        let callback = Callback::from_name(word).map(Kind::Callback);
        let hostcall = || Hostcall::from_name(word).map(Kind::Hostcall);
        let number = || word.strip_prefix("kind_")?.parse().ok().map(Kind::from_number);
        callback.or_else(hostcall).or_else(number)
    })
}

fn hex<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
    let Some(digits) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    known("run of hex digits", &digits, |digits| (0..digits.len()).step_by(2).map(byte).collect())
        .map(Some)
}

fn host<E: Error>(word: Option<String>) -> Result<Option<Host>, E> {
    word.map(|word| known("host", &word, Host::from_name)).transpose()
}

fn abi<E: Error>(word: Option<String>) -> Result<Option<AbiVersion>, E> {
    word.map(|word| known("ABI version", &word, AbiVersion::from_name)).transpose()
}

fn module<'de, D: Deserializer<'de>>(from: D) -> Result<Module, D::Error> {
    let view = ModuleView::deserialize(from)?;
    let number = |number: u32| {
        let unknown = || D::Error::custom(format!("{number} is no hostcall's number"));
        Hostcall::from_number(number).ok_or_else(unknown)
    };
    Ok(Module {
        tracer_version: view.tracer_version,
        abi: abi(view.abi)?,
        host: host(view.host)?,
        sdk: view.sdk,
        callbacks: view.callbacks,
        hostcalls: view.hostcalls.into_iter().map(number).collect::<Result<_, _>>()?,
    })
}

fn dialect<'de, D: Deserializer<'de>>(from: D) -> Result<Dialect, D::Error> {
    let view = DialectView::deserialize(from)?;
    Ok(Dialect {
        host: host(view.host)?,
        abi: abi(view.abi)?,
        headers_stop: known("way to stop at headers", &view.headers_stop, HeadersStop::from_name)?,
        calibrated: view.calibrated,
    })
}
