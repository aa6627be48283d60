//! Every metric of the collector, its name, help and labels. Nothing else names one.

mod durations;
mod labels;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::{CounterWithExemplar, HistogramWithExemplars};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use durations::{Buckets, Durations};
pub use labels::{Names, OTHER};

/// Media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label with a value from a fixed set.
type Label = [(&'static str, &'static str); 1];

/// Labels of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FindingLabels {
    /// Plugin, or `other`.
    pub plugin: String,
    /// Cluster of the call that it is about, or `other`; empty if it is about none.
    pub cluster: String,
    /// Code of the diagnosis.
    pub code: String,
    /// Word of its severity.
    pub severity: &'static str,
}

/// Labels of calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// Plugin, or `other`.
    pub plugin: String,
    /// Cluster, or `other`.
    pub cluster: String,
    /// What became of them: `answered`, `failed`, `late` or `rejected`.
    pub outcome: &'static str,
}

/// Labels of durations of calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallTimeLabels {
    /// Plugin, or `other`.
    pub plugin: String,
    /// Cluster, or `other`.
    pub cluster: String,
}

/// Labels of durations of pauses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PauseLabels {
    /// Plugin, or `other`.
    pub plugin: String,
    /// `request` or `response`.
    pub direction: &'static str,
}

/// The label of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PluginLabel {
    /// Plugin, or `other`.
    pub plugin: String,
}

/// What an exemplar names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Exemplar {
    /// Id of a timeline, which the trace API takes as the id of a trace.
    pub trace_id: String,
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
    /// Streams that recorders did not record because their buffer was nearly full.
    pub streams_refused_at_source: Counter,
    /// Streams that recorders had no place for.
    pub streams_not_watched_at_source: Counter,
    /// Shipments of recorders that their host refused to dispatch.
    pub dispatches_rejected_at_source: Counter,
    /// Log lines of plugins that recorders did not keep.
    pub log_lines_dropped_at_source: Counter,
    /// Times that recorders turned themselves down.
    pub fuse_trips_at_source: Counter,
    /// Gaps in the numbers of an instance.
    pub gaps: Counter,
    /// Calls of plugins, recorded or not.
    pub calls: Family<CallLabels, Counter>,
    /// How long calls took, recorded or not.
    pub call_times: Family<CallTimeLabels, Durations>,
    /// How long streams were held, recorded or not.
    pub pause_times: Family<PauseLabels, Durations>,
    /// Time in the plugin per recorded stream.
    pub plugin_times: Family<PluginLabel, HistogramWithExemplars<Exemplar>, PluginTimes>,
    /// Memory of the VMs of a plugin.
    pub memory: Family<PluginLabel, Gauge>,
    /// Memory of the largest VM of a plugin.
    pub memory_largest: Family<PluginLabel, Gauge>,
    /// Findings of closed timelines.
    pub findings: Family<FindingLabels, CounterWithExemplar<Exemplar>>,
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
    /// Instances that left a black box.
    pub trapped: Gauge,
    /// Instances that fell silent while streams were open.
    pub silent: Gauge,
    /// Recorders that are turned down, by reason.
    pub turned_down: Family<Label, Gauge>,
    stages: Family<Label, Histogram, fn() -> Histogram>,
    journal_bytes: Gauge<u64, AtomicU64>,
    slices_bytes: Gauge<u64, AtomicU64>,
    /// Kept batches that a start could not read.
    pub batches_set_aside: Counter,
    /// Times the store failed.
    pub store_failures: Counter,
    /// Clients of the live stream.
    pub live_clients: Gauge,
    otlp: Family<Label, Counter>,
    own_spans: Family<Label, Counter>,
    /// Timelines that wait to be sent to the trace backend.
    pub otlp_queue: Gauge,
}

/// Makes a histogram of the time that plugins take.
type PluginTimes = fn() -> HistogramWithExemplars<Exemplar>;

fn plugin_histogram() -> HistogramWithExemplars<Exemplar> {
    HistogramWithExemplars::new((0..12).map(|i| 64e-6 * f64::from(1u32 << (2 * i))))
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
        let streams_refused_at_source = counter(
            "streams_refused_at_source",
            "Streams that were not recorded because the recorder's buffer was nearly full",
        );
        let streams_not_watched_at_source = counter(
            "streams_not_watched_at_source",
            "Streams that the recorder had no place for, and streams not sampled that it had no memory to keep aside",
        );
        let dispatches_rejected_at_source = counter(
            "shipments_rejected_at_source",
            "Shipments that the host of a recorder refused to dispatch",
        );
        let log_lines_dropped_at_source = counter(
            "log_lines_dropped_at_source",
            "Log lines of plugins that recorders had no room for",
        );
        let fuse_trips_at_source = counter(
            "fuse_trips_at_source",
            "Times that recorders turned themselves down to heartbeats",
        );
        let gaps = counter("gaps", "Gaps in the sequence numbers of an instance");
        let closed = counter("timelines_closed", "Timelines closed");
        let evicted = counter("timelines_evicted", "Timelines closed for want of room");
        let batches_set_aside =
            counter("batches_set_aside", "Kept batches that a start could not read, set aside");
        let store_failures = counter("store_failures", "Writes that the store refused");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            r.register(name, help, gauge.clone());
            gauge
        };
        let open = gauge("timelines_open", "Timelines that still grow");
        let pending = gauge("verdicts_pending", "Diagnoses that cannot answer yet");
        let instances = gauge("instances", "Instances heard of lately");
        let trapped = gauge(
            "instances_trapped",
            "Instances heard of lately that trapped and left a black box",
        );
        let silent = gauge(
            "instances_silent",
            "Instances of which nothing is heard though streams are open in them",
        );
        let live_clients = gauge("live_clients", "Clients of the live stream");
        let otlp_queue = gauge("otlp_queue", "Timelines that wait to be sent to the trace backend");
        let turned_down = Family::default();
        let help = "Recorders that turned themselves down to heartbeats, by reason, now";
        r.register("recorders_turned_down", help, turned_down.clone());
        let otlp = Family::default();
        let help = "Closed timelines by what became of them on the way to the trace backend";
        r.register("otlp_timelines", help, otlp.clone());
        let own_spans = Family::default();
        let help = "Spans of the collector's own stages by what became of them";
        r.register("otlp_own_spans", help, own_spans.clone());
        let (batches, findings, calls) = (Family::default(), Family::default(), Family::default());
        let (journal_bytes, slices_bytes) = (Gauge::default(), Gauge::default());
        r.register("batches", "Batches by what became of them", batches.clone());
        let help = "Calls that plugins dispatched, by what became of them, at any sampling rate";
        r.register("calls", help, calls.clone());
        let help = "Findings of timelines, counted when these close; the cluster is that of the call they are about";
        r.register("findings", help, findings.clone());
        let (call_times, pause_times) = (Family::default(), Family::default());
        let help = "From dispatch to response callback, at any sampling rate";
        r.register_with_unit("call_duration", help, Unit::Seconds, call_times.clone());
        let help = "How long plugins held streams, at any sampling rate";
        r.register_with_unit("pause_duration", help, Unit::Seconds, pause_times.clone());
        let plugin_times: Family<PluginLabel, HistogramWithExemplars<Exemplar>, PluginTimes> =
            Family::new_with_constructor(plugin_histogram);
        let help = "Time in the plugin's callbacks per stream, of those only that were recorded from the start: of one kept aside and recorded after all it is not known";
        r.register_with_unit("plugin_time", help, Unit::Seconds, plugin_times.clone());
        let (memory, memory_largest) = (Family::default(), Family::default());
        let help = "Memory of all VMs with the plugin that were heard of lately";
        r.register_with_unit("vm_memory", help, Unit::Bytes, memory.clone());
        let help = "Memory of the largest VM with the plugin that was heard of lately";
        r.register_with_unit("vm_memory_largest", help, Unit::Bytes, memory_largest.clone());
        r.register_with_unit("stage", "Time per batch and stage", Unit::Seconds, stages.clone());
        r.register_with_unit(
            "journal_size",
            "Raw batches kept until their timelines are stored",
            Unit::Bytes,
            journal_bytes.clone(),
        );
        r.register_with_unit("slices_size", "Timelines kept", Unit::Bytes, slices_bytes.clone());
        // A series that begins at 0 shows its first increase.
        for result in ["sent", "failed", "queue_full", "not_sampled", "later_revision"] {
            drop(otlp.get_or_create(&[("result", result)]));
        }
        for result in ["sent", "failed", "queue_full"] {
            drop(own_spans.get_or_create(&[("result", result)]));
        }
        Metrics {
            registry,
            batches,
            events,
            duplicate_events,
            events_lost_at_source,
            streams_refused_at_source,
            streams_not_watched_at_source,
            dispatches_rejected_at_source,
            log_lines_dropped_at_source,
            fuse_trips_at_source,
            gaps,
            calls,
            call_times,
            pause_times,
            plugin_times,
            memory,
            memory_largest,
            findings,
            closed,
            evicted,
            open,
            pending,
            instances,
            trapped,
            silent,
            turned_down,
            stages,
            journal_bytes,
            slices_bytes,
            batches_set_aside,
            store_failures,
            live_clients,
            otlp,
            own_spans,
            otlp_queue,
        }
    }

    /// Counts timelines on their way to the trace backend. `result`: `sent`, `failed`, `queue_full`,
    /// `not_sampled` or `later_revision`.
    pub fn otlp(&self, result: &'static str, timelines: u64) {
        self.otlp.get_or_create(&[("result", result)]).inc_by(timelines);
    }

    /// Counts the collector's own spans. `result`: `sent`, `failed` or `queue_full`.
    pub fn own_spans(&self, result: &'static str, spans: u64) {
        self.own_spans.get_or_create(&[("result", result)]).inc_by(spans);
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");

    /// A table of all metrics, from their own text.
    fn page() -> String {
        let text = with_one_of_each().text();
        let mut page = "# Metrics of the collector\n\nServed at `/metrics`.\n\n\
            | name | type | labels | what |\n|---|---|---|---|\n"
            .to_owned();
        let described = |kind: &str| {
            let lines = text.lines().filter_map(move |l| l.strip_prefix(kind)?.split_once(' '));
            lines.map(|(name, what)| (name.to_owned(), what.to_owned())).collect::<Vec<_>>()
        };
        let kinds = described("# TYPE ");
        let mut helps = described("# HELP ");
        helps.sort();
        for (name, help) in helps {
            let kind = kinds.iter().find(|(typed, _)| *typed == name).map_or("", |(_, kind)| kind);
            let ending = if kind == "counter" { "_total" } else { "" };
            let labels = labels(&text, &name);
            page.push_str(&format!("| `{name}{ending}` | {kind} | {labels} | {help} |\n"));
        }
        page
    }

    /// Families show nothing before their first series.
    fn with_one_of_each() -> Metrics {
        let metrics = Metrics::new();
        metrics.batch("accepted");
        metrics.stage("decode", Duration::ZERO);
        metrics.otlp("sent", 0);
        metrics.turned_down.get_or_create(&[("reason", "loss")]).set(0);
        let (plugin, cluster, code) = (String::new(), String::new(), String::new());
        let none = PluginLabel { plugin: plugin.clone() };
        metrics.memory.get_or_create(&none).set(0);
        metrics.memory_largest.get_or_create(&none).set(0);
        drop(metrics.plugin_times.get_or_create(&none));
        let pauses = PauseLabels { plugin: plugin.clone(), direction: "request" };
        drop(metrics.pause_times.get_or_create(&pauses));
        let times = CallTimeLabels { plugin: plugin.clone(), cluster: cluster.clone() };
        drop(metrics.call_times.get_or_create(&times));
        let calls =
            CallLabels { plugin: plugin.clone(), cluster: cluster.clone(), outcome: "late" };
        metrics.calls.get_or_create(&calls).inc();
        let finding = FindingLabels { plugin, cluster, code, severity: "lost" };
        metrics.findings.get_or_create(&finding).inc_by(1, None, None);
        metrics
    }

    /// Names of the labels of the first series with some.
    fn labels(text: &str, name: &str) -> String {
        let series = text.lines().find_map(|l| l.strip_prefix(name)?.split_once('{'));
        let Some((_, labels)) =
            series.filter(|(suffix, _)| suffix.is_empty() || suffix.starts_with('_'))
        else {
            return String::new();
        };
        let names = labels.split(',').filter_map(|label| label.split_once('='));
        names.map(|(name, _)| name).filter(|name| *name != "le").collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_metric_is_in_the_documents() {
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(PAGE, page()).expect("written");
        }
        let written = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert_eq!(written, page(), "run the test with BLESS=1");
    }

    #[test]
    fn no_other_file_names_a_metric() {
        let mut folders =
            vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(&folder).expect("a folder") {
                let path = file.expect("a file").path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("metrics/mod.rs") {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    let names = ["Counter::default()", "Registry::", "Gauge::default()"];
                    let named = names.iter().find(|name| text.contains(**name));
                    assert!(named.is_none(), "{} makes a metric", path.display());
                }
            }
        }
    }
}
