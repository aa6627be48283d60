//! Timelines for trace backends, in OpenTelemetry's words: one model, from which both OTLP and the
//! Jaeger query API are written, so that they cannot differ.

mod calls;
mod connection;
mod ids;
mod invocations;
mod names;
mod otlp;
pub mod own;
mod resource;
mod sender;
mod span;
mod stream;

pub use names::Named;
pub use resource::{Naming, Resource};
pub use sender::{Outbox, open};
pub use span::{Attributes, Link, Span, SpanEvent, SpanKind, Status, Value};

use timeline::timeline::Timeline;
use timeline::trace::{TraceId, Traceparent};

/// Name of what makes the spans, and its version.
pub const SCOPE: (&str, &str) = ("wasm-tracer", env!("CARGO_PKG_VERSION"));

/// A timeline as spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Spans {
    /// The trace that they are a part of.
    pub trace: TraceId,
    /// Whose spans these are.
    pub resource: Resource,
    /// The stream's span first, then by time. Never empty.
    pub spans: Vec<Span>,
    /// The trace is the request's own, and that was sampled by who began it.
    pub is_sampled: bool,
}

impl Spans {
    /// Of a timeline. Pure: the same timeline gives the same spans, ids included.
    pub fn of(timeline: &Timeline, naming: &Naming) -> Spans {
        let parent = Traceparent::of(timeline);
        let trace = TraceId::of(timeline);
        let mut stream = stream::span(timeline, parent.as_ref().map(|parent| parent.span));
        let mut calls = calls::spans(timeline, stream.id);
        let mut spans = invocations::spans(timeline, &mut stream, &mut calls);
        spans.append(&mut calls);
        spans.sort_by_key(|span| (span.begin_nanos, std::cmp::Reverse(span.end_nanos)));
        spans.insert(0, stream);
        for span in &mut spans {
            span.events.sort_by_key(|event| event.at_nanos);
        }
        let is_sampled = parent.is_some_and(|parent| parent.is_sampled);
        Spans { trace, resource: Resource::of(timeline, naming), spans, is_sampled }
    }
}

#[cfg(test)]
mod tests;
