//! Timelines as JSON. Public API: fields are added, never changed.

use abi::Kind;
use serde::{Deserialize, Serialize};
use timeline::calls::{Call, Outcome};
use timeline::delivery::MemorySample;
use timeline::event::{Event, Marks};
use timeline::finding::{Finding, Subject, Window};
use timeline::timeline::{State, Timeline};
use utoipa::ToSchema;

use super::recording::RecordingView;
use crate::ui::hex;

/// A timeline in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// 32 hex digits.
    pub id: String,
    /// The VM: 32 hex digits.
    pub instance: String,
    /// Name of the plugin.
    pub plugin: String,
    /// Its root id.
    pub root: String,
    /// `stream`, or `root`: then it has no request, and `subject` says what it is.
    pub kind: &'static str,
    /// `METHOD PATH`; of a root: `root of PLUGIN (life)`, or with the callback that it began with in the
    /// place of `life`.
    pub subject: String,
    /// Context id of the stream, or of the root.
    pub context: u32,
    /// How often the context id had been used before; of a root 0 for its life, else the number of the
    /// invocation that it began with.
    pub generation: u32,
    /// `x-request-id`, empty if not known.
    pub request_id: String,
    /// `:method`
    pub method: String,
    /// `:path` without the query.
    pub path: String,
    /// `:authority`
    pub authority: String,
    /// Code of the response that the client got.
    pub code: Option<u32>,
    /// When it began, RFC 3339; absent if the host's clock is not known.
    pub started: Option<String>,
    /// From its first event to the end of its last.
    pub duration_micros: u64,
    /// `open` or `closed`.
    pub state: &'static str,
    /// Why it is closed.
    pub reason: Option<&'static str>,
    /// Counts up with each change.
    pub revision: u32,
    /// Of the headline: `note`, `race`, `failed`, `hung` or `lost`.
    pub severity: Option<&'static str>,
    /// What to say of it in one sentence.
    pub headline: Option<String>,
    /// Findings, the headline's first.
    pub findings: Vec<FindingView>,
    /// Number of events.
    pub event_count: usize,
}

/// A finding.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingView {
    /// Code of the diagnosis.
    pub code: String,
    /// How bad.
    pub severity: &'static str,
    /// `cause` or `fact`.
    pub kind: &'static str,
    /// What happened.
    pub headline: String,
    /// What proves it.
    pub details: Vec<String>,
    /// `call N`, `request`, `response` or `timeline`.
    pub subject: String,
    /// Of a call: the cluster that was called.
    pub cluster: Option<String>,
    /// What a claim can be recomputed from.
    pub evidence: EvidenceView,
    /// What to do.
    pub advice: Vec<AdviceView>,
    /// Codes of supporting facts.
    pub supported_by: Vec<String>,
}

/// What proves a finding.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Sequence numbers of events.
    pub events: Vec<u64>,
    /// Windows in which something did not happen.
    pub windows: Vec<WindowView>,
    /// Other timelines of the same request.
    pub timelines: Vec<String>,
    /// Samples of the VM's memory.
    pub memory: Vec<SampleView>,
}

/// The memory of a VM at one moment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SampleView {
    /// On the instance's clock.
    pub at_micros: u64,
    /// Pages of 64 KiB, without those of the recorder.
    pub pages: u32,
    /// Streams that all its roots had seen.
    pub streams: u64,
}

/// A window in which something did not happen.
#[derive(Debug, Serialize, ToSchema)]
pub struct WindowView {
    /// First sequence number.
    pub from: u64,
    /// Last one; absent: up to `known_until_micros`.
    pub to: Option<u64>,
    /// Up to here the events were known.
    pub known_until_micros: u64,
    /// No event of it was lost.
    pub complete: bool,
    /// What did not happen.
    pub none_of: Vec<String>,
}

/// What to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct AdviceView {
    /// `envoy` or `higress`; absent for any.
    pub host: Option<&'static str>,
    /// A sentence or two.
    pub text: String,
}

/// A timeline, whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct Detail {
    /// As in lists.
    #[serde(flatten)]
    pub summary: Summary,
    /// Events in the order in which they happened.
    pub events: Vec<EventView>,
    /// Calls in the order of their dispatch.
    pub calls: Vec<CallView>,
    /// The VM's memory as it went, a few samples; in the life of its eldest root, else empty.
    pub memory: Vec<SampleView>,
    /// Missing events.
    pub gaps: Vec<GapView>,
    /// Diagnoses that cannot answer yet.
    pub pending: Vec<PendingView>,
    /// Diagnoses that cannot answer because something is missing.
    pub unknown: Vec<UnknownView>,
    /// What else is needed to read the timeline back (`wasm-tracer show FILE`).
    pub recording: RecordingView,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// Its number in the instance.
    pub sequence: u64,
    /// Number of its invocation.
    pub entry: u64,
    /// On the instance's clock.
    pub at_micros: u64,
    /// From entry to return.
    pub took_micros: u64,
    /// Name in script notation.
    pub kind: String,
    /// Context argument.
    pub context: u32,
    /// Numbers that came with it.
    pub args: Vec<u32>,
    /// Number returned.
    pub result: u32,
    /// Call id.
    pub call: u32,
    /// Cluster, log line, …
    pub text: String,
    /// Its bytes, where `text` is not all of it: what is no UTF-8 is replaced there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_hex: Option<String>,
    /// Bits.
    pub marks: u32,
    /// It never returned: its VM trapped in it.
    pub unfinished: bool,
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallView {
    /// Sequence number of the dispatch.
    pub dispatch: u64,
    /// Number the host gave it.
    pub id: u32,
    /// The cluster named.
    pub cluster: String,
    /// On the instance's clock.
    pub dispatched_at_micros: u64,
    /// Absent: none.
    pub timeout_millis: Option<u64>,
    /// `pending`, `answered`, `failed`, `late`, `rejected` or `cancelled`.
    pub outcome: &'static str,
    /// Sequence number of the response callback.
    pub callback: Option<u64>,
    /// When it came.
    pub answered_at_micros: Option<u64>,
    /// Its status code, or that of a rejected dispatch.
    pub code: Option<u32>,
}

/// Missing events.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct GapView {
    /// First number.
    pub from: u64,
    /// Last number.
    pub to: u64,
    /// Why.
    pub reason: String,
}

/// A diagnosis that cannot answer yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingView {
    /// Its code.
    pub code: &'static str,
    /// When it can, on the instance's clock.
    pub until_micros: u64,
}

/// A diagnosis that cannot answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnknownView {
    /// Its code.
    pub code: &'static str,
    /// What is missing.
    pub gap: String,
}

/// A finding in the list of findings.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedFinding {
    /// Code of the diagnosis.
    pub code: String,
    /// How bad.
    pub severity: &'static str,
    /// `cause` or `fact`.
    pub kind: &'static str,
    /// What happened.
    pub headline: String,
    /// Whose.
    pub plugin: String,
    /// Of which request.
    pub request_id: String,
    /// Id of the timeline.
    pub timeline: String,
    /// `open` or `closed`.
    pub state: &'static str,
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Closed(_) => "closed",
    }
}

impl Summary {
    /// Of a timeline.
    pub fn of(timeline: &Timeline) -> Summary {
        Summary {
            id: timeline.id.to_string(),
            instance: timeline.instance.to_string(),
            plugin: timeline.root.plugin.clone(),
            root: timeline.root.root_id.clone(),
            kind: if timeline.is_root() { "root" } else { "stream" },
            subject: subject(timeline),
            context: timeline.context.0,
            generation: timeline.generation,
            request_id: timeline.stream.request_id.clone(),
            method: timeline.stream.method.clone(),
            path: timeline.stream.path.clone(),
            authority: timeline.stream.authority.clone(),
            code: timeline.stream.response_code,
            started: timeline.wall_nanos(timeline.started()).and_then(rfc3339),
            duration_micros: timeline.duration().0,
            state: state_name(timeline.state),
            reason: match timeline.state {
                State::Open => None,
                State::Closed(reason) => Some(reason.name()),
            },
            revision: timeline.revision,
            severity: timeline.severity().map(|severity| severity.name()),
            headline: timeline.headline().map(|finding| finding.headline.clone()),
            findings: timeline.findings.iter().map(|f| FindingView::of(timeline, f)).collect(),
            event_count: timeline.events.len(),
        }
    }
}

impl Detail {
    /// Of a timeline.
    pub fn of(timeline: &Timeline) -> Detail {
        Detail {
            summary: Summary::of(timeline),
            events: timeline.events.iter().map(EventView::of).collect(),
            calls: timeline.calls.iter().map(CallView::of).collect(),
            memory: timeline.memory.iter().map(SampleView::of).collect(),
            gaps: timeline.gaps.iter().map(GapView::of).collect(),
            pending: timeline
                .pending
                .iter()
                .map(|p| PendingView { code: p.code, until_micros: p.until.0 })
                .collect(),
            unknown: timeline
                .unknown
                .iter()
                .map(|u| UnknownView { code: u.code, gap: u.gap.clone() })
                .collect(),
            recording: RecordingView::of(timeline),
        }
    }
}

impl GapView {
    /// Of a gap.
    pub fn of(gap: &timeline::Gap) -> GapView {
        GapView { from: gap.from.0, to: gap.to.0, reason: gap.reason.clone() }
    }
}

impl FindingView {
    fn of(timeline: &Timeline, finding: &Finding) -> FindingView {
        FindingView {
            cluster: timeline.call_of(finding).map(|call| call.cluster.clone()),
            code: finding.code.clone(),
            severity: finding.severity.name(),
            kind: finding.kind(),
            headline: finding.headline.clone(),
            details: finding.details.clone(),
            subject: match finding.subject {
                Subject::Call(call) => format!("call {call}"),
                Subject::Direction(direction) => direction.name().to_owned(),
                Subject::Timeline => "timeline".to_owned(),
            },
            evidence: EvidenceView {
                events: finding.evidence.events.iter().map(|s| s.0).collect(),
                windows: finding.evidence.windows.iter().map(WindowView::of).collect(),
                timelines: finding.timelines.iter().map(ToString::to_string).collect(),
                memory: finding.memory.iter().map(SampleView::of).collect(),
            },
            advice: finding
                .advice
                .iter()
                .map(|a| AdviceView { host: a.host.map(|h| h.name()), text: a.text.to_owned() })
                .collect(),
            supported_by: finding.supported_by.clone(),
        }
    }
}

impl SampleView {
    fn of(sample: &MemorySample) -> SampleView {
        SampleView { at_micros: sample.at.0, pages: sample.pages, streams: sample.streams }
    }
}

impl WindowView {
    fn of(window: &Window) -> WindowView {
        WindowView {
            from: window.from.0,
            to: window.to.map(|s| s.0),
            known_until_micros: window.known_until.0,
            complete: window.complete,
            none_of: window.none_of.iter().map(|kind| kind_name(*kind)).collect(),
        }
    }
}

impl EventView {
    fn of(event: &Event) -> EventView {
        EventView {
            sequence: event.sequence.0,
            entry: event.entry.0,
            at_micros: event.at.0,
            took_micros: event.took.0,
            kind: kind_name(event.kind),
            context: event.context.0,
            args: event.args.clone(),
            result: event.result,
            call: event.call.0,
            text: event.text_lossy().into_owned(),
            text_hex: std::str::from_utf8(&event.text).is_err().then(|| hex(&event.text)),
            marks: event.marks.0,
            unfinished: event.marks.has(Marks::UNFINISHED),
        }
    }
}

impl CallView {
    fn of(call: &Call) -> CallView {
        let answer = call.outcome.answer();
        CallView {
            dispatch: call.dispatch.0,
            id: call.id.0,
            cluster: call.cluster.clone(),
            dispatched_at_micros: call.dispatched_at.0,
            timeout_millis: call.timeout.map(|t| t.0 / 1000),
            outcome: call.outcome.name(),
            callback: answer.map(|a| a.callback.0),
            answered_at_micros: answer.map(|a| a.at.0),
            code: match call.outcome {
                Outcome::Rejected(status) => Some(status),
                _ => answer.map(|a| a.code),
            },
        }
    }
}

impl ListedFinding {
    /// All findings of a timeline.
    pub fn all_of(timeline: &Timeline) -> impl Iterator<Item = ListedFinding> {
        timeline.findings.iter().map(|finding| ListedFinding::of(timeline, finding))
    }

    /// A finding of a timeline.
    pub fn of(timeline: &Timeline, finding: &Finding) -> ListedFinding {
        ListedFinding {
            code: finding.code.clone(),
            severity: finding.severity.name(),
            kind: finding.kind(),
            headline: finding.headline.clone(),
            plugin: timeline.root.plugin.clone(),
            request_id: timeline.stream.request_id.clone(),
            timeline: timeline.id.to_string(),
            state: state_name(timeline.state),
        }
    }
}

fn subject(timeline: &Timeline) -> String {
    let stream = &timeline.stream;
    let request = || format!("{} {}", stream.method, stream.path).trim().to_owned();
    timeline.root_phrase().unwrap_or_else(request)
}

/// Name in script notation; an unknown one by its number.
fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::Callback(callback) => callback.row().name.to_owned(),
        Kind::Hostcall(hostcall) => hostcall.row().name.to_owned(),
        Kind::Unknown(number) => format!("kind_{number}"),
    }
}

fn rfc3339(nanos: u64) -> Option<String> {
    jiff::Timestamp::from_nanosecond(nanos.into()).ok().map(|at| at.to_string())
}
