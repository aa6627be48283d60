//! Spans, as far as timelines need them.

use std::borrow::Cow;

use timeline::finding::Finding;
use timeline::ids::Micros;
use timeline::timeline::Timeline;
use timeline::trace::SpanId;

/// Names and values, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attributes(pub Vec<(Cow<'static, str>, Value)>);

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// A string.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
}

/// A span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its id.
    pub id: SpanId,
    /// The span it is a part of; one of another service's for the stream's span.
    pub parent: Option<SpanId>,
    /// Few of them: clusters and plugins, never paths.
    pub name: String,
    /// What kind.
    pub kind: SpanKind,
    /// Nanoseconds since 1970.
    pub begin_nanos: u64,
    /// Nanoseconds since 1970, never before its begin.
    pub end_nanos: u64,
    /// What is known of it.
    pub attributes: Attributes,
    /// What happened in it, by time.
    pub events: Vec<SpanEvent>,
    /// Spans of the same trace that it has to do with.
    pub links: Vec<Link>,
    /// Whether it failed.
    pub status: Status,
}

/// What kind of span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside.
    Internal,
    /// A call to somebody else.
    Client,
}

/// Whether a span failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It did not, or it cannot be said.
    Unset,
    /// It did; a sentence.
    Error(String),
}

/// Something that happened in a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// What.
    pub name: &'static str,
    /// Nanoseconds since 1970.
    pub at_nanos: u64,
    /// What is known of it.
    pub attributes: Attributes,
}

/// A span that another has to do with.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Which.
    pub span: SpanId,
    /// Why.
    pub attributes: Attributes,
}

impl SpanKind {
    /// Its word in Jaeger's answers.
    pub fn name(self) -> &'static str {
        match self {
            SpanKind::Internal => "internal",
            SpanKind::Client => "client",
        }
    }
}

impl Attributes {
    /// Adds one; a later one of the same name takes its place.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// Adds one unless it says nothing.
    pub fn set_text(&mut self, name: &'static str, text: &str) {
        if !text.is_empty() {
            self.set(name, text);
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Value {
        Value::Bool(yes)
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => number.fmt(f),
            Value::Bool(yes) => yes.fmt(f),
        }
    }
}

/// Name of the event that says what was found.
pub const FINDING: &str = "proxy_wasm.finding";
/// The attribute of a finding that says what happened.
pub const HEADLINE: &str = "proxy_wasm.finding.headline";
/// The attribute that names a diagnosis.
pub const DIAGNOSIS: &str = "proxy_wasm.diagnosis";

impl SpanEvent {
    /// What was found.
    pub fn finding(timeline: &Timeline, finding: &Finding) -> SpanEvent {
        let proof = finding.evidence.events.iter().filter_map(|s| timeline.event(*s));
        let at = proof.map(|event| event.at).max().unwrap_or_else(|| timeline.started());
        let mut attributes = Attributes::default();
        attributes.set(DIAGNOSIS, finding.code.as_str());
        attributes.set("proxy_wasm.severity", finding.severity.name());
        attributes.set("proxy_wasm.finding.kind", finding.kind());
        attributes.set(HEADLINE, finding.headline.as_str());
        SpanEvent { name: FINDING, at_nanos: wall_nanos(timeline, at), attributes }
    }

    /// What was found, as a sentence; None for other events.
    pub fn warning(&self) -> Option<String> {
        if self.name != FINDING {
            return None;
        }
        Some(format!("{}: {}", self.attributes.get(DIAGNOSIS)?, self.attributes.get(HEADLINE)?))
    }
}

/// A time as nanoseconds since 1970. Where no clock of the host was read, its own clock begins in 1970.
pub fn wall_nanos(timeline: &Timeline, at: Micros) -> u64 {
    timeline.wall_nanos(at).unwrap_or_else(|| at.0.saturating_mul(1_000))
}

impl<V: Into<Value>, const N: usize> From<[(&'static str, V); N]> for Attributes {
    fn from(pairs: [(&'static str, V); N]) -> Attributes {
        Attributes(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
