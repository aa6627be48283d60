//! The collector's own spans in a real OpenTelemetry Collector: one for each stage of a batch, none unless
//! they are asked for, and none of what sends them.

#[path = "../../../collector/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use backends::OpenTelemetryCollector;
use e2e::{Collector, soon};
use serde_json::Value;
use support::{Recorder, bytes};

const SERVICE: &str = "wasm-tracer-collector";
const OF_A_BATCH: [&str; 4] = ["decode", "journal", "correlate", "diagnose"];

/// A value of an attribute.
fn attribute<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    let found = of["attributes"].as_array()?.iter().find(|one| one["key"] == key)?;
    found["value"]["stringValue"].as_str()
}

/// The spans of a service that have come so far.
fn spans(backend: &OpenTelemetryCollector, service: &str) -> Vec<Value> {
    let of_service = backend.taken().into_iter();
    let of_service =
        of_service.filter(|r| attribute(&r["resource"], "service.name") == Some(service));
    let scopes = of_service.flat_map(|r| r["scopeSpans"].as_array().cloned().unwrap_or_default());
    scopes.flat_map(|scope| scope["spans"].as_array().cloned().unwrap_or_default()).collect()
}

fn name(span: &Value) -> &str {
    span["name"].as_str().unwrap_or_default()
}

fn counts(spans: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for span in spans {
        *counts.entry(name(span)).or_default() += 1;
    }
    counts
}

fn send(collector: &Collector, instance: u8) {
    let url = format!("http://{}/v1/batches", collector.address());
    let body = bytes(&Recorder::named(instance, "auth").requests(1));
    let answer = ureq::post(url).header("content-type", "application/x-protobuf").send(&body[..]);
    assert_eq!(answer.expect("an answer").status(), 200);
}

fn started(variables: &[(&str, &str)]) -> Collector {
    Collector::start_with(0, variables).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn every_stage_of_a_batch_is_a_span_and_what_sends_them_is_none() {
    for protocol in ["http/protobuf", "grpc"] {
        let backend = OpenTelemetryCollector::start().expect("an OpenTelemetry Collector");
        let endpoint = if protocol == "grpc" { backend.grpc() } else { backend.http() };
        let collector = started(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_SERVICE_NAME", "plugins"),
            ("WASM_TRACER_COLLECTOR_OTLP_OWN_SPANS", "true"),
            ("WASM_TRACER_COLLECTOR_OTLP_SAMPLE", "off"),
            // The libraries that send make spans of their own then.
            ("WASM_TRACER_COLLECTOR_LOG", "trace"),
        ]);
        for batch in 1..=2 {
            send(&collector, batch);
            // The second group can only come when the first was sent: were sending told, it would be in it.
            soon("all stages of the batch", || {
                let came = spans(&backend, SERVICE);
                let counts = counts(&came);
                let all = OF_A_BATCH.iter().chain(&["ingest", "store"]);
                all.copied().all(|name| counts.get(name) >= Some(&batch.into())).then_some(())
            });
        }
        let came = spans(&backend, SERVICE);
        let mut all = counts(&came);
        assert!(all.remove("store") >= Some(2), "{all:?}");
        let each = OF_A_BATCH.into_iter().chain(["ingest"]).map(|name| (name, 2));
        assert_eq!(all, each.collect::<BTreeMap<_, _>>(), "nothing else");
        for ingest in came.iter().filter(|span| name(span) == "ingest") {
            assert_eq!(attribute(ingest, "result"), Some("accepted"), "{ingest:#}");
            let parts = came.iter().filter(|span| span["parentSpanId"] == ingest["spanId"]);
            let mut parts: Vec<_> = parts.map(|span| (name(span), &span["traceId"])).collect();
            parts.sort_unstable_by_key(|(name, _)| *name);
            let mut names = OF_A_BATCH.map(|name| (name, &ingest["traceId"]));
            names.sort_unstable_by_key(|(name, _)| *name);
            assert_eq!(parts, names, "the stages are parts of it");
        }
        assert!(spans(&backend, "plugins").is_empty(), "no timelines were asked for");
    }
}

#[test]
fn none_are_sent_unless_they_are_asked_for() {
    let backend = OpenTelemetryCollector::start().expect("an OpenTelemetry Collector");
    let collector = started(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &backend.http()),
        ("WASM_TRACER_COLLECTOR_LOG", "trace"),
    ]);
    send(&collector, 1);
    soon("the timeline", || (!spans(&backend, "auth").is_empty()).then_some(()));
    assert!(spans(&backend, SERVICE).is_empty());
}
