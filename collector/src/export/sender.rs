//! Closed timelines on their way to a trace backend: a bounded queue, and one task that sends. Whoever
//! closes timelines never waits: what finds no room is counted and gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SpanData;
use timeline::finding::Severity;
use timeline::timeline::Timeline;
use timeline::trace::Traceparent;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connection::Backend;
use super::{Naming, Resource, Spans, otlp};
use crate::config::{Otlp, Sample};
use crate::metrics::Metrics;

/// Timelines that may wait.
const QUEUE: usize = 4_096;
/// Timelines sent together, at most, and how long the first of them waits for others.
const GROUP: usize = 256;
const GATHER: Duration = Duration::from_secs(1);

/// Where closed timelines are handed over.
pub struct Outbox {
    sample: Sample,
    queue: mpsc::Sender<Arc<Timeline>>,
    metrics: Arc<Metrics>,
}

/// The task that sends.
pub struct Sender {
    backend: Backend,
    queue: mpsc::Receiver<Arc<Timeline>>,
    naming: Naming,
    metrics: Arc<Metrics>,
}

/// Both ends of the queue. To be called on a runtime; nothing is connected yet.
pub fn open(
    backend: &Otlp,
    naming: Naming,
    metrics: Arc<Metrics>,
) -> Result<(Outbox, Sender), ExporterBuildError> {
    let (queue, queue_end) = mpsc::channel(QUEUE);
    let outbox = Outbox { sample: backend.sample, queue, metrics: metrics.clone() };
    Ok((outbox, Sender { backend: Backend::new(backend)?, queue: queue_end, naming, metrics }))
}

impl Outbox {
    /// Takes a timeline that was closed for the first time.
    pub fn offer(&self, timeline: &Arc<Timeline>) {
        if !is_chosen(self.sample, timeline) {
            return self.metrics.otlp("not_sampled", 1);
        }
        match self.queue.try_send(timeline.clone()) {
            Ok(()) => {
                self.metrics.otlp_queue.inc();
            }
            Err(_) => self.metrics.otlp("queue_full", 1),
        }
    }

    /// Notes that a timeline changed that was closed before: it is not sent again.
    pub fn changed_again(&self) {
        self.metrics.otlp("later_revision", 1);
    }
}

fn is_chosen(sample: Sample, timeline: &Timeline) -> bool {
    let is_suspicious = || timeline.severity().is_some_and(|worst| worst > Severity::Note);
    let is_sampled = || Traceparent::of(timeline).is_some_and(|parent| parent.is_sampled);
    match sample {
        Sample::Off => false,
        Sample::Suspicious => is_suspicious(),
        Sample::Sampled => is_sampled() || is_suspicious(),
        Sample::All => true,
    }
}

impl Sender {
    /// Sends until the outbox is gone and what waited was sent, or was not taken.
    pub async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        while self.gather(&mut group).await {
            self.metrics.otlp_queue.dec_by(group.len() as i64);
            self.send(group.drain(..)).await;
        }
    }

    /// What comes within a moment. False: nothing comes any more.
    async fn gather(&mut self, group: &mut Vec<Arc<Timeline>>) -> bool {
        if self.queue.recv_many(group, GROUP).await == 0 {
            return false;
        }
        let until = Instant::now() + GATHER;
        while group.len() < GROUP {
            let room = GROUP - group.len();
            match tokio::time::timeout_at(until, self.queue.recv_many(group, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        true
    }

    /// One request for each resource: an exporter has one at a time.
    async fn send(&mut self, timelines: impl Iterator<Item = Arc<Timeline>>) {
        let mut of_resource = BTreeMap::<Resource, (u64, Vec<SpanData>)>::new();
        for timeline in timelines {
            let spans = Spans::of(&timeline, &self.naming);
            let (count, data) = of_resource.entry(spans.resource.clone()).or_default();
            *count += 1;
            data.extend(otlp::spans(&spans));
        }
        for (resource, (count, data)) in of_resource {
            self.backend.set_resource(&otlp::resource(&resource));
            let is_taken = self.backend.export(data, ("timelines", "no timelines")).await;
            self.metrics.otlp(if is_taken { "sent" } else { "failed" }, count);
        }
    }
}
