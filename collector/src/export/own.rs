//! The collector's own spans, one for each stage of a batch, on their way to the trace backend. Only spans
//! of [`TARGET`] are taken: what sends them is made of none, so that sending is never told of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData, SpanProcessor};
use tokio::sync::{mpsc, oneshot};

use super::connection::Backend;
use super::{Naming, SCOPE};
use crate::config::Otlp;
use crate::metrics::Metrics;

/// Target of the spans of stages.
pub const TARGET: &str = "collector::stage";
/// Whose spans these are: never a plugin's name, whatever `OTEL_SERVICE_NAME` says of those.
const SERVICE: &str = "wasm-tracer-collector";

/// What these are called, and what none of them.
const WHAT: (&str, &str) = ("the collector's own spans", "none of the collector's own spans");

/// Spans that may wait, those sent together at most, and how often.
const QUEUE: usize = 8_192;
const GROUP: usize = 2_048;
const EVERY: Duration = Duration::from_secs(1);

/// Takes spans that have ended, and never waits.
#[derive(Debug)]
struct Tap {
    queue: mpsc::Sender<SpanData>,
    without_room: Arc<AtomicU64>,
}

/// The task that sends.
pub struct OwnSpans {
    backend: Backend,
    queue: mpsc::Receiver<SpanData>,
    without_room: Arc<AtomicU64>,
}

/// What makes spans, and what sends them. To be called on a runtime; nothing is connected yet.
pub fn open(backend: &Otlp, naming: &Naming) -> Result<(SdkTracer, OwnSpans), ExporterBuildError> {
    let mut backend = Backend::new(backend)?;
    let others =
        naming.attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let service = KeyValue::new("service.name", SERVICE);
    let version = KeyValue::new("service.version", SCOPE.1);
    let resource =
        Resource::builder_empty().with_attributes(others.chain([service, version])).build();
    backend.set_resource(&resource);
    let (queue, queue_end) = mpsc::channel(QUEUE);
    let without_room = Arc::new(AtomicU64::new(0));
    let tap = Tap { queue, without_room: without_room.clone() };
    let provider =
        SdkTracerProvider::builder().with_resource(resource).with_span_processor(tap).build();
    let spans = OwnSpans { backend, queue: queue_end, without_room };
    Ok((provider.tracer(SCOPE.0), spans))
}

impl SpanProcessor for Tap {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.queue.try_send(span).is_err() {
            self.without_room.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl OwnSpans {
    /// Sends until it is told to end; then once more.
    pub async fn run(mut self, metrics: Arc<Metrics>, mut end: oneshot::Receiver<()>) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                _ = every.tick() => false,
                // An error means that who would tell it is gone.
                _ = &mut end => true,
            };
            while let Some(group) = self.group() {
                self.send(group, &metrics).await;
            }
            metrics.own_spans("queue_full", self.without_room.swap(0, Ordering::Relaxed));
            if is_last {
                return;
            }
        }
    }

    /// What waits.
    fn group(&mut self) -> Option<Vec<SpanData>> {
        let mut group = Vec::new();
        while group.len() < GROUP
            && let Ok(span) = self.queue.try_recv()
        {
            group.push(span);
        }
        Some(group).filter(|group| !group.is_empty())
    }

    async fn send(&mut self, group: Vec<SpanData>, metrics: &Metrics) {
        let count = group.len() as u64;
        let is_taken = self.backend.export(group, WHAT).await;
        metrics.own_spans(if is_taken { "sent" } else { "failed" }, count);
    }
}
