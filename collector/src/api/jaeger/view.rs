//! The JSON of Jaeger's query API, as Jaeger itself and Grafana's data source read it. All keys are
//! there, always: both read some of them unguarded.

use std::collections::BTreeMap;

use serde::Serialize;
use timeline::trace::{SpanId, TraceId};
use utoipa::ToSchema;

use crate::export::{Attributes, Resource, SCOPE, Span, SpanEvent, Spans, Status, Value};

/// Integers beyond it are no numbers in JavaScript: they are written as text.
const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What every answer is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer<T> {
    /// What was asked for; null with an error.
    pub data: Option<Vec<T>>,
    /// Number of names, where these were asked for.
    pub total: usize,
    /// Always 0.
    pub limit: usize,
    /// Always 0.
    pub offset: usize,
    /// What was wrong, or null.
    pub errors: Option<Vec<ErrorView>>,
}

/// What was wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorView {
    /// Of HTTP.
    pub code: u16,
    /// A sentence.
    pub msg: String,
}

/// A trace. It has a span at least: Grafana's data source panics on one without.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(rename_all = "camelCase")]
pub struct TraceView {
    /// 32 hex digits, or 16.
    #[serde(rename = "traceID")]
    #[schema(rename = "traceID")]
    pub trace_id: String,
    /// Streams first, each with its parts after it.
    pub spans: Vec<SpanView>,
    /// Whose spans these are, by the spans' `processID`.
    pub processes: BTreeMap<String, ProcessView>,
    /// Always null.
    pub warnings: Option<Vec<String>>,
}

/// A span.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(rename_all = "camelCase")]
pub struct SpanView {
    /// As of its trace.
    #[serde(rename = "traceID")]
    #[schema(rename = "traceID")]
    pub trace_id: String,
    /// 16 hex digits.
    #[serde(rename = "spanID")]
    #[schema(rename = "spanID")]
    pub span_id: String,
    /// Name of the phase, of the call.
    pub operation_name: String,
    /// Its parent, and what it has to do with.
    pub references: Vec<ReferenceView>,
    /// Microseconds since 1970.
    pub start_time: u64,
    /// Microseconds.
    pub duration: u64,
    /// What is known of it.
    pub tags: Vec<TagView>,
    /// What happened in it.
    pub logs: Vec<LogView>,
    /// Key of its process.
    #[serde(rename = "processID")]
    #[schema(rename = "processID")]
    pub process_id: String,
    /// What was found, or null.
    pub warnings: Option<Vec<String>>,
}

/// Another span.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(rename_all = "camelCase")]
pub struct ReferenceView {
    /// `CHILD_OF` or `FOLLOWS_FROM`
    pub ref_type: &'static str,
    /// Its trace.
    #[serde(rename = "traceID")]
    #[schema(rename = "traceID")]
    pub trace_id: String,
    /// The span.
    #[serde(rename = "spanID")]
    #[schema(rename = "spanID")]
    pub span_id: String,
}

/// Whose spans these are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(rename_all = "camelCase")]
pub struct ProcessView {
    /// The plugin, unless told otherwise.
    pub service_name: String,
    /// Its node.
    pub tags: Vec<TagView>,
}

/// A name and a value.
#[derive(Debug, Serialize, ToSchema)]
pub struct TagView {
    /// Its name.
    pub key: String,
    /// `string`, `int64` or `bool`
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub kind: &'static str,
    /// Its value.
    pub value: TagValue,
}

/// A value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum TagValue {
    /// A string, or a number too large for JavaScript.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
}

/// Something that happened in a span.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogView {
    /// Microseconds since 1970.
    pub timestamp: u64,
    /// `event`, and what is known of it.
    pub fields: Vec<TagView>,
}

/// An operation.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(rename_all = "camelCase")]
pub struct OperationView {
    /// Name of spans.
    pub name: String,
    /// `internal` or `client`
    pub span_kind: &'static str,
}

/// Who calls whom.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(rename_all = "camelCase")]
pub struct DependencyView {
    /// Service of the plugin.
    pub parent: String,
    /// The cluster it calls.
    pub child: String,
    /// Recorded calls in the time asked for.
    pub call_count: u64,
}

impl<T> Answer<T> {
    /// Traces, dependencies, …
    pub fn of(data: Vec<T>) -> Answer<T> {
        Answer { data: Some(data), total: 0, limit: 0, offset: 0, errors: None }
    }

    /// Names, counted.
    pub fn counted(data: Vec<T>) -> Answer<T> {
        Answer { total: data.len(), ..Answer::of(data) }
    }
}

impl TraceView {
    /// All spans of one trace; None without any.
    pub fn of(parts: &[Spans]) -> Option<TraceView> {
        let trace = parts.first()?.trace;
        let mut resources: Vec<&Resource> = Vec::new();
        let mut spans = Vec::new();
        for part in parts {
            let known = resources.iter().position(|known| **known == part.resource);
            let at = known.unwrap_or_else(|| {
                resources.push(&part.resource);
                resources.len() - 1
            });
            spans.extend(part.spans.iter().map(|span| SpanView::of(span, trace, key(at))));
        }
        let process = |resource: &&Resource| ProcessView {
            service_name: resource.service.clone(),
            tags: tags(&resource.attributes).collect(),
        };
        let processes = resources.iter().enumerate().map(|(at, r)| (key(at), process(r))).collect();
        Some(TraceView { trace_id: trace.to_string(), spans, processes, warnings: None })
    }
}

fn key(at: usize) -> String {
    format!("p{}", at + 1)
}

impl SpanView {
    fn of(span: &Span, trace: TraceId, process_id: String) -> SpanView {
        let references = span.parent.map(|parent| ReferenceView::of("CHILD_OF", trace, parent));
        let links = span.links.iter().map(|l| ReferenceView::of("FOLLOWS_FROM", trace, l.span));
        let warnings: Vec<_> = span.events.iter().filter_map(SpanEvent::warning).collect();
        SpanView {
            trace_id: trace.to_string(),
            span_id: span.id.to_string(),
            operation_name: span.name.clone(),
            references: references.into_iter().chain(links).collect(),
            start_time: span.begin_nanos / 1_000,
            duration: span.end_nanos.saturating_sub(span.begin_nanos) / 1_000,
            tags: tags(&span.attributes).chain(tags(&implied(span))).collect(),
            logs: span.events.iter().map(LogView::of).collect(),
            process_id,
            warnings: Some(warnings).filter(|warnings| !warnings.is_empty()),
        }
    }
}

/// What OTLP has fields for and Jaeger has tags.
pub fn implied(span: &Span) -> Attributes {
    let mut implied = Attributes::default();
    implied.set("otel.scope.name", SCOPE.0);
    implied.set("otel.scope.version", SCOPE.1);
    implied.set("span.kind", span.kind.name());
    if let Status::Error(sentence) = &span.status {
        implied.set("error", true);
        implied.set("otel.status_code", "ERROR");
        implied.set("otel.status_description", sentence.as_str());
    }
    implied
}

impl ReferenceView {
    fn of(ref_type: &'static str, trace: TraceId, span: SpanId) -> ReferenceView {
        ReferenceView { ref_type, trace_id: trace.to_string(), span_id: span.to_string() }
    }
}

impl LogView {
    fn of(event: &SpanEvent) -> LogView {
        let name = Attributes::from([("event", event.name)]);
        LogView {
            timestamp: event.at_nanos / 1_000,
            fields: tags(&name).chain(tags(&event.attributes)).collect(),
        }
    }
}

fn tags(attributes: &Attributes) -> impl Iterator<Item = TagView> {
    let tags: Vec<_> = attributes.0.iter().map(|(key, value)| tag(key, value)).collect();
    tags.into_iter()
}

fn tag(key: &str, value: &Value) -> TagView {
    let (kind, value) = match value {
        Value::Text(text) => ("string", TagValue::Text(text.clone())),
        Value::Bool(yes) => ("bool", TagValue::Bool(*yes)),
        Value::Number(number) if number.unsigned_abs() > SAFE_INTEGER => {
            ("int64", TagValue::Text(number.to_string()))
        }
        Value::Number(number) => ("int64", TagValue::Number(*number)),
    };
    TagView { key: key.to_owned(), kind, value }
}
