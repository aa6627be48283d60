//! Our Jaeger answers beside those of a real Jaeger that was sent the same timelines by OTLP.

#[path = "../../../collector/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use backends::{Jaeger, OpenTelemetryCollector};
use collector::{Protocol, Settings};
use e2e::soon;
use serde_json::{Value, json};
use support::{Collector, Recorder, bytes};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn sending(endpoint: String, protocol: Protocol) -> Collector {
    let collector = Collector::with(|settings: &mut Settings| {
        settings.otlp_endpoint = Some(endpoint);
        settings.otlp_protocol = Some(protocol);
    });
    assert_eq!(collector.send(&bytes(&Recorder::named(1, "auth").requests(1))).0, 200);
    assert_eq!(collector.send(&bytes(&Recorder::named(2, "quota").requests(2))).0, 200);
    let mut recorder = Recorder::named(3, "joined");
    recorder.use_context(10);
    recorder.use_traceparent(&format!("00-{TRACE}-00f067aa0ba902b7-01"));
    assert_eq!(collector.send(&bytes(&recorder.requests(2))).0, 200);
    collector.until_metric("wasm_tracer_otlp_timelines_total{result=\"sent\"}", |n| n == 5.0);
    collector.closed(5);
    collector
}

fn sorted(list: &Value) -> Vec<Value> {
    let mut list = list.as_array().cloned().unwrap_or_else(|| panic!("no list: {list}"));
    list.sort_by_key(Value::to_string);
    list
}

/// A trace without what order and names of processes are free in. Warnings are ours, or Jaeger's.
fn normal(trace: &Value) -> Value {
    let span = |span: &Value| {
        let mut normal = span.as_object().expect("a span").clone();
        let process = &trace["processes"][span["processID"].as_str().expect("a key")];
        normal.insert("processID".to_owned(), process["serviceName"].clone());
        normal.insert("warnings".to_owned(), Value::Null);
        let mut tags = sorted(&span["tags"]);
        // Which way a span came to Jaeger.
        tags.retain(|tag| tag["key"] != "internal.span.format");
        normal.insert("tags".to_owned(), tags.into());
        normal.insert("references".to_owned(), sorted(&span["references"]).into());
        let log = |log: &Value| json!({ "timestamp": log["timestamp"], "fields": sorted(&log["fields"]) });
        let logs: Vec<_> = span["logs"].as_array().expect("logs").iter().map(log).collect();
        normal.insert("logs".to_owned(), sorted(&logs.into()).into());
        Value::Object(normal)
    };
    let spans: Vec<_> = trace["spans"].as_array().expect("spans").iter().map(span).collect();
    let processes = trace["processes"].as_object().expect("processes").values();
    let processes = processes
        .map(|p| json!({ "serviceName": p["serviceName"], "tags": sorted(&p["tags"]) }))
        .collect::<Vec<_>>();
    let keys: BTreeSet<_> = trace.as_object().expect("a trace").keys().collect();
    json!({
        "keys": keys,
        "traceID": trace["traceID"],
        "spans": sorted(&spans.into()),
        "processes": sorted(&processes.into()),
    })
}

/// The first place where two values differ.
fn difference(ours: &Value, theirs: &Value, place: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| match (a.get(key), b.get(key)) {
                (Some(a), Some(b)) => difference(a, b, &format!("{place}.{key}")),
                (a, b) => Some(format!("{place}.{key}: ours {a:?}, Jaeger's {b:?}")),
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(at, (a, b))| difference(a, b, &format!("{place}[{at}]"))),
        (Value::Array(a), Value::Array(b)) => {
            let only = a.iter().find(|value| !b.contains(value));
            let other = b.iter().find(|value| !a.contains(value));
            Some(format!("{place}: only ours {only:?}, only Jaeger's {other:?}"))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{place}: ours {a:#}, Jaeger's {b:#}")),
    }
}

fn names(answer: &Value) -> BTreeSet<String> {
    let list = answer["data"].as_array().unwrap_or_else(|| panic!("no data in {answer}"));
    list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn found(answer: &Value) -> BTreeSet<String> {
    let traces = answer["data"].as_array().unwrap_or_else(|| panic!("no data in {answer}"));
    traces.iter().map(|t| t["traceID"].as_str().expect("an id").to_owned()).collect()
}

/// All that clients ask, of both.
fn compare(jaeger: &Jaeger, collector: &Collector) {
    soon("Jaeger has all services", || {
        let (_, answer) = jaeger.get("/api/services");
        (answer["data"].is_array() && names(&answer) == names(&collector.json("/api/services")))
            .then_some(())
    });
    let path = "/api/v3/services";
    let (ours, theirs) = (collector.json(path), jaeger.get(path).1);
    assert_eq!(sorted(&ours["services"]), sorted(&theirs["services"]));
    for service in ["auth", "quota", "joined"] {
        let path = format!("/api/services/{service}/operations");
        assert_eq!(names(&collector.json(&path)), names(&jaeger.get(&path).1), "{service}");
        let path = format!("/api/operations?service={service}");
        let (ours, theirs) = (collector.json(&path), jaeger.get(&path).1);
        assert_eq!(sorted(&ours["data"]), sorted(&theirs["data"]), "{service}");
        for kind in ["", "&span_kind=client"] {
            let path = format!("/api/v3/operations?service={service}{kind}");
            let (ours, theirs) = (collector.json(&path), jaeger.get(&path).1);
            assert!(!sorted(&ours["operations"]).is_empty(), "{path}: {ours}");
            assert_eq!(sorted(&ours["operations"]), sorted(&theirs["operations"]), "{path}");
        }
    }
    let tags = |json: &str| {
        let encoded: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("tags={encoded}")
    };
    let queries = [
        String::new(),
        "operation=on_request_body".to_owned(),
        "operation=nothing".to_owned(),
        "minDuration=1s".to_owned(),
        "minDuration=1h".to_owned(),
        "maxDuration=1us".to_owned(),
        "operation=http_call%20slow&maxDuration=1s".to_owned(),
        tags(r#"{"error":"true"}"#),
        tags(r#"{"error":"true","span.kind":"client"}"#),
        tags(r#"{"error.type":"headers-forwarded-before-body-call"}"#),
        tags(r#"{"proxy_wasm.diagnosis":"late-callback"}"#),
        tags(r#"{"event":"proxy_wasm.callback.late"}"#),
        tags(r#"{"http.request.method":"POST","url.path":"/orders"}"#),
        tags(r#"{"proxy_wasm.plugin.name":"auth"}"#),
        tags(r#"{"otel.status_code":"ERROR"}"#),
        tags(r#"{"proxy_wasm.arg.size":"14"}"#),
        "tag=error:true".to_owned(),
        "start=1000&end=2000".to_owned(),
    ];
    for service in ["auth", "quota", "joined", "nobody"] {
        for query in &queries {
            let path = format!("/api/traces?service={service}&{query}");
            let (ours, theirs) = (collector.json(&path), jaeger.get(&path).1);
            assert_eq!(found(&ours), found(&theirs), "{path}");
            let ids = |answer: &Value| answer["data"].as_array().cloned().unwrap_or_default();
            for ours in ids(&ours) {
                let of_id = |theirs: &&Value| theirs["traceID"] == ours["traceID"];
                let list = ids(&theirs);
                let theirs = list.iter().find(of_id).expect("found by both");
                let differs = difference(&normal(&ours), &normal(theirs), "trace");
                assert_eq!(differs, None, "{path}");
            }
        }
    }
    let path = format!("/api/traces/{TRACE}");
    let (ours, (status, theirs)) = (collector.json(&path), jaeger.get(&path));
    assert_eq!(status, 200);
    let envelope = |answer: &Value| {
        let mut answer = answer.clone();
        answer["data"] = Value::Null;
        answer
    };
    assert_eq!(envelope(&ours), envelope(&theirs));
    assert_eq!(difference(&normal(&ours["data"][0]), &normal(&theirs["data"][0]), "trace"), None);
    for (path, status) in [("/api/traces/1234", 404), ("/api/traces/xyz", 400)] {
        let (theirs, body) = jaeger.get(path);
        let (ours, text) = collector.get(path, &[]);
        assert_eq!((theirs, ours), (status, status), "{path}: {body}");
        let ours: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(ours["data"], body["data"], "{path}");
        let keys = |error: &Value| {
            error.as_object().expect("an error").keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&ours["errors"][0]), keys(&body["errors"][0]), "{path}");
        assert_eq!(ours["errors"][0]["code"], body["errors"][0]["code"], "{path}");
    }
    for path in
        ["/api/traces?service=auth&tags=x", "/api/traces?service=auth&limit=x", "/api/operations"]
    {
        assert_eq!(collector.get(path, &[]).0, jaeger.get(path).0, "{path}");
    }
}

#[test]
fn our_answers_are_those_of_a_real_jaeger_fed_over_http() {
    let jaeger = Jaeger::start().expect("Jaeger");
    compare(&jaeger, &sending(jaeger.http(), Protocol::Http));
}

#[test]
fn our_answers_are_those_of_a_real_jaeger_fed_over_grpc() {
    let jaeger = Jaeger::start().expect("Jaeger");
    compare(&jaeger, &sending(jaeger.grpc(), Protocol::Grpc));
}

#[test]
fn a_real_opentelemetry_collector_takes_what_is_sent() {
    let backend = OpenTelemetryCollector::start().expect("an OpenTelemetry Collector");
    for (endpoint, protocol) in [(backend.http(), Protocol::Http), (backend.grpc(), Protocol::Grpc)]
    {
        let before = backend.taken().len();
        drop(sending(endpoint, protocol));
        let taken = soon("all three services", || {
            let taken = backend.taken().split_off(before);
            (taken.len() >= 3).then_some(taken)
        });
        let resource = |resource: &Value| {
            let attributes = resource["resource"]["attributes"].as_array().expect("attributes");
            let name = attributes.iter().find(|a| a["key"] == "service.name").expect("a name");
            name["value"]["stringValue"].as_str().expect("text").to_owned()
        };
        let services: BTreeSet<_> = taken.iter().map(resource).collect();
        assert_eq!(services.into_iter().collect::<Vec<_>>(), ["auth", "joined", "quota"]);
        let scopes = taken.iter().flat_map(|r| r["scopeSpans"].as_array().expect("scopes"));
        let spans: Vec<&Value> =
            scopes.flat_map(|scope| scope["spans"].as_array().expect("spans")).collect();
        assert_eq!(spans.iter().filter(|s| s["name"] == "http_call slow").count(), 5);
        let root = |s: &&&Value| s["name"] == "joined stream";
        let joined: Vec<_> = spans.iter().filter(root).collect();
        assert_eq!(joined.len(), 2);
        for span in joined {
            assert_eq!(span["traceId"], TRACE);
            assert_eq!(span["parentSpanId"], "00f067aa0ba902b7");
            assert_eq!(span["status"]["code"], 2, "{span:#}");
        }
    }
}
