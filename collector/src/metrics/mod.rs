//! Every metric of the collector, its name, help and labels. Nothing else names one.

mod labels;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use labels::Bounded;

/// Media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label with a value from a fixed set.
type Label = [(&'static str, &'static str); 1];

/// Labels of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FindingLabels {
    /// Plugin, or `other`.
    pub plugin: String,
    /// Code of the diagnosis.
    pub code: String,
    /// Word of its severity.
    pub severity: &'static str,
}

/// All metrics.
pub struct Metrics {
    registry: Registry,
    batches: Family<Label, Counter>,
    /// Events taken for the first time.
    pub events: Counter,
    /// Events that had come before.
    pub duplicate_events: Counter,
    /// Events that recorders said they lost for good.
    pub events_lost_at_source: Counter,
    /// Shipments of recorders that their host refused to dispatch.
    pub dispatches_rejected_at_source: Counter,
    /// Gaps in the numbers of an instance.
    pub gaps: Counter,
    /// Findings of closed timelines.
    pub findings: Family<FindingLabels, Counter>,
    /// Timelines closed.
    pub closed: Counter,
    /// Timelines evicted for want of room.
    pub evicted: Counter,
    /// Timelines that grow.
    pub open: Gauge,
    /// Diagnoses that cannot answer yet.
    pub pending: Gauge,
    /// Instances known.
    pub instances: Gauge,
    stages: Family<Label, Histogram, fn() -> Histogram>,
    journal_bytes: Gauge<u64, AtomicU64>,
    slices_bytes: Gauge<u64, AtomicU64>,
    /// Times the store failed.
    pub store_failures: Counter,
    /// Clients of the live stream.
    pub live_clients: Gauge,
}

fn stage_histogram() -> Histogram {
    Histogram::new((0..16).map(|i| 0.000_05 * f64::from(1u32 << i)))
}

impl Metrics {
    /// All of them, at 0.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("wasm_tracer");
        let stages: Family<Label, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(stage_histogram);
        let r = &mut registry;
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            r.register(name, help, counter.clone());
            counter
        };
        let events = counter("events", "Events received for the first time");
        let duplicate_events = counter("events_duplicate", "Events received again, and dropped");
        let events_lost_at_source =
            counter("events_lost_at_source", "Events that recorders lost for good");
        let dispatches_rejected_at_source = counter(
            "shipments_rejected_at_source",
            "Shipments that the host of a recorder refused to dispatch",
        );
        let gaps = counter("gaps", "Gaps in the sequence numbers of an instance");
        let closed = counter("timelines_closed", "Timelines closed");
        let evicted = counter("timelines_evicted", "Timelines closed for want of room");
        let store_failures = counter("store_failures", "Writes that the store refused");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            r.register(name, help, gauge.clone());
            gauge
        };
        let open = gauge("timelines_open", "Timelines that still grow");
        let pending = gauge("verdicts_pending", "Diagnoses that cannot answer yet");
        let instances = gauge("instances", "Instances heard of lately");
        let live_clients = gauge("live_clients", "Clients of the live stream");
        let (batches, findings) = (Family::default(), Family::default());
        let (journal_bytes, slices_bytes) = (Gauge::default(), Gauge::default());
        r.register("batches", "Batches by what became of them", batches.clone());
        r.register("findings", "Findings of timelines, counted when these close", findings.clone());
        r.register_with_unit("stage", "Time per batch and stage", Unit::Seconds, stages.clone());
        r.register_with_unit(
            "journal_size",
            "Raw batches kept until their timelines are stored",
            Unit::Bytes,
            journal_bytes.clone(),
        );
        r.register_with_unit("slices_size", "Timelines kept", Unit::Bytes, slices_bytes.clone());
        Metrics {
            registry,
            batches,
            events,
            duplicate_events,
            events_lost_at_source,
            dispatches_rejected_at_source,
            gaps,
            findings,
            closed,
            evicted,
            open,
            pending,
            instances,
            stages,
            journal_bytes,
            slices_bytes,
            store_failures,
            live_clients,
        }
    }

    /// Counts a batch. `result`: `accepted`, `duplicate`, or the code of its refusal.
    pub fn batch(&self, result: &'static str) {
        self.batches.get_or_create(&[("result", result)]).inc();
    }

    /// Notes the time that a stage took.
    pub fn stage(&self, stage: &'static str, took: Duration) {
        self.stages.get_or_create(&[("stage", stage)]).observe(took.as_secs_f64());
    }

    /// Notes the bytes on disk.
    pub fn store_size(&self, size: crate::store::Size) {
        self.journal_bytes.set(size.journal);
        self.slices_bytes.set(size.slices);
    }

    /// Bytes of the journal when last looked at.
    pub fn journal_bytes(&self) -> u64 {
        self.journal_bytes.get()
    }

    /// In OpenMetrics' text form.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}
