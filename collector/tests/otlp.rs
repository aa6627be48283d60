//! Timelines sent to a trace backend by OTLP: what arrives, and that a backend that is slow, dead or
//! refuses costs nothing but counted drops.

mod backend;
mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use backend::{Backend, Mood};
use collector::{Protocol, Sample, Settings};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::{Collector, Recorder, bytes};

const LOST: &str = "headers-forwarded-before-body-call";

fn to(endpoint: String, protocol: Protocol) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.otlp_endpoint = Some(endpoint);
        settings.otlp_protocol = Some(protocol);
    }
}

fn counted(result: &str) -> String {
    format!("wasm_tracer_otlp_timelines_total{{result=\"{result}\"}}")
}

/// What arrives is what Jaeger's API shows.
fn arrives(backend: &Backend, protocol: Protocol) {
    let collector = Collector::with(to(backend.url(), protocol));
    let mut recorder = Recorder::named(1, "auth");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    recorder.use_traceparent(&format!("00-{trace}-00f067aa0ba902b7-01"));
    assert_eq!(collector.send(&bytes(&recorder.requests(2))).0, 200);
    assert_eq!(collector.send(&bytes(&Recorder::named(2, "quota").requests(1))).0, 200);
    collector.until_metric(&counted("sent"), |n| n == 3.0);
    collector.closed(3);
    let spans = backend.spans();
    let auth: Vec<_> = spans.iter().filter(|(service, _)| service == "auth").collect();
    assert!(spans.iter().any(|(service, _)| service == "quota"));
    let shown = collector.json(&format!("/api/traces/{trace}"));
    let shown = shown["data"][0]["spans"].as_array().expect("spans");
    let of_shown = |span: &serde_json::Value| {
        let text = |key: &str| span[key].as_str().expect("text").to_owned();
        let number = |key: &str| span[key].as_u64().expect("a number");
        (text("spanID"), text("operationName"), number("startTime"), number("duration"))
    };
    let of_sent = |span: &opentelemetry_proto::tonic::trace::v1::Span| {
        let took = span.end_time_unix_nano - span.start_time_unix_nano;
        let start = span.start_time_unix_nano / 1_000;
        (hex(&span.span_id), span.name.clone(), start, took / 1_000)
    };
    let shown: BTreeSet<_> = shown.iter().map(of_shown).collect();
    let sent: BTreeSet<_> = auth.iter().map(|(_, span)| of_sent(span)).collect();
    assert_eq!(sent, shown);
    let root = auth.iter().find(|(_, span)| span.name == "auth stream").expect("a stream");
    assert_eq!(hex(&root.1.trace_id), trace);
    assert_eq!(hex(&root.1.parent_span_id), "00f067aa0ba902b7");
    let call = auth.iter().find(|(_, span)| span.name == "http_call slow").expect("a call");
    assert_eq!(call.1.kind(), SpanKind::Client);
    assert_eq!(call.1.status.as_ref().map(|status| status.code()), Some(StatusCode::Error));
    assert_eq!(backend::text(&call.1.attributes, "error.type").as_deref(), Some(LOST));
    assert!(call.1.events.iter().any(|event| event.name == "proxy_wasm.callback.late"));
    assert_eq!(call.1.links.len(), 1);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn timelines_arrive_over_http_as_jaegers_api_shows_them() {
    arrives(&Backend::http(), Protocol::Http);
}

#[test]
fn timelines_arrive_over_grpc_as_jaegers_api_shows_them() {
    arrives(&Backend::grpc(), Protocol::Grpc);
}

#[test]
fn a_timeline_is_sent_once_and_a_later_revision_counted() {
    let backend = Backend::http();
    let collector = Collector::with(to(backend.url(), Protocol::Http));
    let (first, second) = Recorder::named(1, "auth").long_answered();
    assert_eq!(collector.send(&bytes(&first)).0, 200);
    collector.until_metric(&counted("sent"), |n| n == 1.0);
    assert_eq!(collector.send(&bytes(&second)).0, 200);
    collector.until_metric(&counted("later_revision"), |n| n == 1.0);
    let list = collector.closed(1);
    assert_eq!((list.len(), &list[0]["event_count"]), (1, &9.into()), "made whole");
    // The same again is no revision.
    assert_eq!(collector.send(&bytes(&second)).0, 200);
    assert_eq!(collector.send(&bytes(&Recorder::named(2, "quota").requests(1))).0, 200);
    collector.until_metric(&counted("sent"), |n| n == 2.0);
    let streams = backend.spans().iter().filter(|(_, span)| span.name == "auth stream").count();
    assert_eq!(streams, 1);
}

#[test]
fn only_what_is_chosen_is_sent() {
    let backend = Backend::http();
    let collector = Collector::with(|settings| {
        to(backend.url(), Protocol::Http)(settings);
        settings.otlp_sample = Some(Sample::Suspicious);
    });
    let mut fine = Recorder::named(1, "fine");
    let mut without_call = fine.requests(1);
    without_call.events.retain(|event| {
        event.kind != abi::Hostcall::HttpCall as u32
            && event.kind != abi::Callback::HttpCallResponse.number()
            && event.kind != abi::Callback::RequestBody.number()
    });
    assert_eq!(collector.send(&bytes(&without_call)).0, 200);
    collector.until_metric(&counted("not_sampled"), |n| n == 1.0);
    assert_eq!(collector.send(&bytes(&Recorder::named(2, "lost").requests(1))).0, 200);
    collector.until_metric(&counted("sent"), |n| n == 1.0);
    assert!(backend.spans().iter().all(|(service, _)| service == "lost"));
}

#[test]
fn a_dead_backend_costs_counted_drops() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let collector = Collector::with(to(format!("http://{address}"), protocol));
        assert_eq!(collector.send(&bytes(&Recorder::new(1).requests(3))).0, 200);
        collector.until_metric(&counted("failed"), |n| n == 3.0);
        assert_eq!(collector.closed(3).len(), 3);
    }
}

#[test]
fn a_backend_that_refuses_costs_counted_drops_and_may_recover() {
    for backend in [Backend::http(), Backend::grpc()] {
        backend.be(Mood::Refuses);
        let collector = Collector::with(to(backend.url(), backend.protocol));
        assert_eq!(collector.send(&bytes(&Recorder::new(1).requests(2))).0, 200);
        collector.until_metric(&counted("failed"), |n| n == 2.0);
        assert!(backend.spans().is_empty());
        backend.be(Mood::Takes);
        assert_eq!(collector.send(&bytes(&Recorder::new(2).requests(1))).0, 200);
        collector.until_metric(&counted("sent"), |n| n == 1.0);
    }
}

#[test]
fn a_backend_that_is_busy_for_a_moment_loses_nothing() {
    for backend in [Backend::http(), Backend::grpc()] {
        backend.be(Mood::BusyOnce);
        let collector = Collector::with(to(backend.url(), backend.protocol));
        assert_eq!(collector.send(&bytes(&Recorder::new(1).requests(2))).0, 200);
        collector.until_metric(&counted("sent"), |n| n == 2.0);
    }
}

#[test]
fn a_backend_that_never_answers_holds_up_nobody_and_its_queue_is_bounded() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("an address");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let collector = Collector::with(to(url, Protocol::Http));
    let mut recorder = Recorder::new(1);
    let batches: Vec<_> = (0..10).map(|_| bytes(&recorder.requests(500))).collect();
    for batch in &batches {
        let begun = Instant::now();
        assert_eq!(collector.send(batch).0, 200);
        assert!(begun.elapsed() < Duration::from_secs(5), "ingest waits for the backend");
    }
    collector.until_metric("wasm_tracer_timelines_closed_total", |n| n == 5000.0);
    // What is being sent, and the queue, are all that waits.
    collector.until_metric(&counted("queue_full"), |n| n >= 5000.0 - 4096.0 - 256.0);
    collector.until_metric("wasm_tracer_otlp_queue", |n| n <= 4096.0);
    let begun = Instant::now();
    drop(collector.stopped());
    assert!(begun.elapsed() < Duration::from_secs(9), "the stop waits for the backend");
}

#[test]
fn what_waits_is_sent_before_an_ordered_end() {
    let backend = Backend::http();
    let collector = Collector::with(to(backend.url(), Protocol::Http));
    assert_eq!(collector.send(&bytes(&Recorder::named(1, "auth").requests(5))).0, 200);
    collector.until_metric("wasm_tracer_timelines_closed_total", |n| n == 5.0);
    drop(collector.stopped());
    let streams = backend.spans().iter().filter(|(_, span)| span.name == "auth stream").count();
    assert_eq!(streams, 5);
}
