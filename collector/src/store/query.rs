//! What to list, and where a list goes on.

use std::fmt;
use std::str::FromStr;

use timeline::delivery::StreamInfo;
use timeline::finding::Severity;
use timeline::ids::TimelineId;
use timeline::timeline::Timeline;
use timeline::trace::{TraceId, Traceparent};

/// Which timelines; what is not set does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Of this plugin.
    pub plugin: Option<String>,
    /// With this finding.
    pub finding: Option<String>,
    /// With a headline of this severity.
    pub severity: Option<Severity>,
    /// With any finding.
    pub found: bool,
    /// Closed at or after this time, or open; milliseconds since 1970.
    pub since_millis: Option<i64>,
    /// Of this request.
    pub request_id: Option<String>,
    /// Of a request of this trace.
    pub trace: Option<TraceId>,
    /// Of a plugin that did this in the same stretch of time: a callback by its name, or a call by its
    /// ([`timeline::calls::Call::name`]). No timeline is judged by it.
    pub deed: Option<String>,
    /// With something that took at least so long, in microseconds. Those not stored yet are not judged by it.
    pub longest_micros: Option<u64>,
    /// Begun at or after this time; nanoseconds since 1970.
    pub begun_nanos: Option<i64>,
}

impl Query {
    /// May a timeline with this place in lists match?
    pub fn covers(&self, place: &Cursor) -> bool {
        self.begun_nanos.is_none_or(|begun| place.started >= begun)
    }

    /// May a timeline of this plugin, and this bad, match?
    pub fn may_match(&self, plugin: &str, severity: Option<Severity>) -> bool {
        self.plugin.as_ref().is_none_or(|of| of == plugin)
            && (!self.found && self.finding.is_none() || severity.is_some())
            && self.severity.is_none_or(|of| severity == Some(of))
    }

    /// Does it ask for one request, or those of one trace?
    pub fn names_streams(&self) -> bool {
        self.request_id.is_some() || self.trace.is_some()
    }

    /// Does it ask for what only a timeline itself says?
    pub fn looks_inside(&self) -> bool {
        self.finding.is_some() || self.names_streams()
    }

    /// Is a stream of the request and the trace asked for?
    pub fn is_of(&self, stream: &StreamInfo) -> bool {
        self.request_id.as_ref().is_none_or(|id| *id == stream.request_id)
            && self.trace.is_none_or(|trace| trace_of(stream) == Some(trace))
    }

    /// Does a timeline match, its time apart?
    pub fn matches(&self, timeline: &Timeline) -> bool {
        self.may_match(&timeline.root.plugin, timeline.severity())
            && self.is_of(&timeline.stream)
            && self
                .finding
                .as_ref()
                .is_none_or(|code| timeline.findings.iter().any(|f| f.code == *code))
    }
}

/// A timeline's place in lists, which go from the latest begun to the first: after it a list goes on.
///
/// Fixed when a timeline is first seen, so that it is on one page whether it is stored meanwhile or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When it began: nanoseconds since 1970.
    pub started: i64,
    /// Which it is.
    pub id: TimelineId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.started, self.id)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Cursor, ()> {
        let (started, id) = text.split_once('.').ok_or(())?;
        Ok(Cursor { started: started.parse().map_err(|_| ())?, id: id.parse().map_err(|_| ())? })
    }
}

/// A stored timeline in a list.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its place in lists.
    pub place: Cursor,
    /// The timeline.
    pub timeline: Timeline,
    /// When it was closed; milliseconds since 1970.
    pub closed_millis: i64,
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Latest begun first.
    pub found: Vec<Found>,
    /// All up to here were looked at, and it goes on after it; None at its end.
    pub next: Option<Cursor>,
}

/// The trace of a timeline's request.
fn trace_of(stream: &StreamInfo) -> Option<TraceId> {
    Traceparent::read(&stream.traceparent).map(|parent| parent.trace)
}

/// A request id as a number, for the index; 0 for none.
pub(super) fn request_hash(request_id: &str) -> i64 {
    if request_id.is_empty() {
        return 0;
    }
    let hash = request_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash as i64
}
