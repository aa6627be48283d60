//! Spans as OpenTelemetry's SDK has them.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{Attributes, SCOPE, Span, Spans, Value};

/// The spans of a timeline.
pub fn spans(spans: &Spans) -> impl Iterator<Item = SpanData> {
    let trace = TraceId::from_bytes(spans.trace.0);
    spans.spans.iter().enumerate().map(move |(at, span)| data(trace, span, at == 0))
}

/// Whose spans these are.
pub fn resource(resource: &super::Resource) -> Resource {
    let service = KeyValue::new("service.name", resource.service.clone());
    let others = key_values(&resource.attributes);
    Resource::builder_empty().with_attributes([service].into_iter().chain(others)).build()
}

fn data(trace: TraceId, span: &Span, is_stream: bool) -> SpanData {
    let parent = span.parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.0));
    let mut events = SpanEvents::default();
    events.events = span
        .events
        .iter()
        .map(|event| Event::new(event.name, time(event.at_nanos), key_values(&event.attributes), 0))
        .collect();
    let mut links = SpanLinks::default();
    links.links = span
        .links
        .iter()
        .map(|l| Link::new(context(trace, l.span.0), key_values(&l.attributes), 0))
        .collect();
    SpanData {
        span_context: context(trace, span.id.0),
        parent_span_id: parent,
        // The stream's parent is a span of the proxy, or of its client.
        parent_span_is_remote: is_stream && span.parent.is_some(),
        span_kind: match span.kind {
            super::SpanKind::Internal => SpanKind::Internal,
            super::SpanKind::Client => SpanKind::Client,
        },
        name: span.name.clone().into(),
        start_time: time(span.begin_nanos),
        end_time: time(span.end_nanos),
        attributes: key_values(&span.attributes),
        dropped_attributes_count: 0,
        events,
        links,
        status: match &span.status {
            super::Status::Unset => Status::Unset,
            super::Status::Error(sentence) => Status::error(sentence.clone()),
        },
        instrumentation_scope: InstrumentationScope::builder(SCOPE.0).with_version(SCOPE.1).build(),
    }
}

fn context(trace: TraceId, span: [u8; 8]) -> SpanContext {
    let (span, flags) = (SpanId::from_bytes(span), TraceFlags::SAMPLED);
    SpanContext::new(trace, span, flags, false, TraceState::default())
}

fn time(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn key_values(attributes: &Attributes) -> Vec<KeyValue> {
    let value = |value: &Value| match value {
        Value::Text(text) => opentelemetry::Value::from(text.clone()),
        Value::Number(number) => opentelemetry::Value::from(*number),
        Value::Bool(yes) => opentelemetry::Value::from(*yes),
    };
    let pair = |(name, v): &(std::borrow::Cow<'static, str>, Value)| {
        KeyValue::new(name.clone().into_owned(), value(v))
    };
    attributes.0.iter().map(pair).collect()
}
