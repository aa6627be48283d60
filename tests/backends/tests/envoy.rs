//! A real Envoy that traces its requests itself, and the collector beside it: one trace has the spans
//! of both.

#[path = "../../../collector/tests/support/mod.rs"]
mod support;

use backends::Jaeger;
use collector::{Protocol, Settings};
use e2e::{Mode, Plugin, Request, Sdk, Stack, soon};
use serde_json::Value;
use support::Collector;

const LOST: &str = "headers-forwarded-before-body-call";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";

fn tag<'a>(span: &'a Value, key: &str) -> Option<&'a Value> {
    let tags = span["tags"].as_array()?;
    tags.iter().find(|tag| tag["key"] == key).map(|tag| &tag["value"])
}

fn service<'a>(trace: &'a Value, span: &Value) -> &'a Value {
    &trace["processes"][span["processID"].as_str().unwrap_or_default()]["serviceName"]
}

fn parent(span: &Value) -> &Value {
    &span["references"][0]["spanID"]
}

/// The trace of a plugin's request, once it has spans of Envoy and of the plugin; and both streams.
fn of_both(jaeger: &Jaeger, plugin: &str) -> (Value, Value, Value) {
    soon("a trace of both", || {
        let (_, found) = jaeger.get(&format!("/api/traces?service={plugin}"));
        found["data"].as_array()?.iter().find_map(|trace| {
            let spans = trace["spans"].as_array()?;
            let stream = format!("{plugin} stream");
            let ours = spans.iter().find(|span| span["operationName"] == stream.as_str())?;
            let envoys = spans.iter().find(|span| service(trace, span) == "envoy")?;
            Some((trace.clone(), ours.clone(), envoys.clone()))
        })
    })
}

#[test]
fn envoys_spans_and_ours_are_one_trace() {
    let jaeger = Jaeger::start().expect("Jaeger");
    let collector = Collector::with(|settings: &mut Settings| {
        settings.otlp_endpoint = Some(jaeger.http());
        settings.otlp_protocol = Some(Protocol::Http);
    });
    let address = collector.url("").trim_start_matches("http://").parse().expect("an address");
    let stack = Stack::builder()
        .plugin("early", Plugin::new(Sdk::Rust, Mode::Body).traced())
        .ships_to(address)
        .traces_to(jaeger.http_address())
        .start()
        .unwrap_or_else(|error| panic!("{error:#}"));

    // A plugin that may hold the request is named while it has the headers: they are the client's.
    let traceparent = format!("00-{TRACE}-{CLIENT}-01");
    let request = Request::post("/early-200?callee=after-300", "some text");
    stack.send("early", &request.header("traceparent", &traceparent));
    let (trace, ours, envoys) = of_both(&jaeger, "early");
    assert_eq!(trace["traceID"], TRACE);
    assert_eq!((parent(&ours), parent(&envoys)), (&CLIENT.into(), &CLIENT.into()));
    assert_eq!(tag(&envoys, "guid:x-request-id"), tag(&ours, "guid:x-request-id"));
    assert_eq!(tag(&ours, "proxy_wasm.diagnosis"), Some(&LOST.into()));
    let spans = trace["spans"].as_array().expect("spans");
    let lost = |span: &&Value| {
        tag(span, "span.kind") == Some(&"client".into()) && service(&trace, span) == "early"
    };
    let call = spans.iter().find(lost).expect("a call");
    assert_eq!(tag(call, "error.type"), Some(&LOST.into()));
    // Ours shows the same trace, as far as it knows it.
    let shown = collector.json(&format!("/api/traces/{TRACE}"));
    let shown = shown["data"][0]["spans"].as_array().expect("spans").len();
    assert_eq!(shown, spans.iter().filter(|span| service(&trace, span) == "early").count());
}
