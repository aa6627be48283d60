//! Jaeger's query API: what Grafana's data source and Jaeger's UI ask, and what they rely on.

mod support;

use serde_json::Value;
use support::{Collector, Recorder, bytes, now_nanos};

const LOST: &str = "headers-forwarded-before-body-call";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What a real backend with this API answered.
const SAMPLE: &str = include_str!("samples/jaeger_trace.json");

/// Two plugins with a request each, and one plugin with two requests of one trace.
fn collector() -> Collector {
    let collector = Collector::start();
    assert_eq!(collector.send(&bytes(&Recorder::named(1, "auth").requests(1))).0, 200);
    assert_eq!(collector.send(&bytes(&Recorder::named(2, "quota").requests(1))).0, 200);
    let mut recorder = Recorder::named(3, "joined");
    recorder.use_context(10);
    recorder.use_traceparent(&format!("00-{TRACE}-00f067aa0ba902b7-01"));
    assert_eq!(collector.send(&bytes(&recorder.requests(2))).0, 200);
    collector.closed(4);
    collector
}

fn data(answer: &Value) -> &Vec<Value> {
    assert_eq!(answer["errors"], Value::Null, "{answer:#}");
    for (key, kind) in [("total", 0), ("limit", 0), ("offset", 0)] {
        assert!(answer[key].as_i64().is_some_and(|n| n >= kind), "{key} of {answer:#}");
    }
    answer["data"].as_array().unwrap_or_else(|| panic!("no data in {answer:#}"))
}

/// Services of the traces that a search finds, sorted.
fn found(collector: &Collector, query: &str) -> Vec<String> {
    let answer = collector.json(&format!("/api/traces?{query}"));
    let mut services: Vec<_> = data(&answer)
        .iter()
        .map(|trace| {
            assert!(!trace["spans"].as_array().expect("spans").is_empty(), "panics Grafana");
            trace["processes"]["p1"]["serviceName"].as_str().expect("a name").to_owned()
        })
        .collect();
    services.sort();
    services
}

fn encoded(json: &str) -> String {
    json.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Every key of the sample is in ours with a value of the same type; a list is as its elements.
fn has_shape(ours: &Value, sample: &Value, place: &str) {
    match (ours, sample) {
        (_, Value::Null) => {}
        (Value::Object(ours), Value::Object(sample)) => {
            for (key, value) in sample {
                let ours = ours.get(key).unwrap_or_else(|| panic!("{place} has no {key}"));
                has_shape(ours, value, &format!("{place}.{key}"));
            }
        }
        (Value::Array(ours), Value::Array(sample)) => {
            let Some(sample) = sample.first() else { return };
            for (at, value) in ours.iter().enumerate() {
                has_shape(value, sample, &format!("{place}[{at}]"));
            }
        }
        (Value::Bool(_) | Value::Number(_) | Value::String(_), Value::String(_))
            if place.ends_with(".value") => {}
        _ => {
            let (ours_is, sample_is) =
                (std::mem::discriminant(ours), std::mem::discriminant(sample));
            assert_eq!(ours_is, sample_is, "{place}: {ours} and not like {sample}");
        }
    }
}

#[test]
fn a_trace_has_the_shape_that_a_real_backend_gives() {
    let collector = collector();
    let sample: Value = serde_json::from_str(SAMPLE).expect("JSON");
    let answer = collector.json("/api/traces?service=auth");
    has_shape(&answer, &sample, "answer");
    let trace = &data(&answer)[0];
    let spans = trace["spans"].as_array().expect("spans");
    let stream = &spans[0];
    assert_eq!(stream["operationName"], "auth stream");
    for span in spans {
        assert_eq!(span["traceID"], trace["traceID"]);
        assert_eq!(
            trace["processes"][span["processID"].as_str().expect("a key")]["serviceName"],
            "auth"
        );
        let start = span["startTime"].as_u64().expect("µs");
        assert!(start >= stream["startTime"].as_u64().expect("µs"), "the stream is the earliest");
        assert!(start.abs_diff(now_nanos() / 1_000) < 3_600_000_000, "µs since 1970");
    }
    let call = spans.iter().find(|s| s["operationName"] == "http_call slow").expect("a call");
    let tag = |key: &str| {
        let tags = call["tags"].as_array().expect("tags");
        tags.iter().find(|tag| tag["key"] == key).unwrap_or_else(|| panic!("no {key}"))
    };
    assert_eq!((&tag("error")["type"], &tag("error")["value"]), (&"bool".into(), &true.into()));
    assert_eq!(tag("span.kind")["value"], "client");
    assert_eq!(tag("error.type")["value"], LOST);
    assert_eq!(tag("proxy_wasm.call.id")["type"], "int64");
    assert!(call["warnings"][0].as_str().expect("a warning").starts_with(LOST));
    let late =
        |log: &Value| {
            log["fields"].as_array().expect("fields").iter().any(|field| {
                field["key"] == "event" && field["value"] == "proxy_wasm.callback.late"
            })
        };
    assert!(call["logs"].as_array().expect("logs").iter().any(late));
}

#[test]
fn a_trace_is_found_by_its_id_and_by_that_of_a_timeline() {
    let collector = collector();
    let trace = collector.json(&format!("/api/traces/{TRACE}"));
    let streams = |trace: &Value| {
        let spans = data(trace)[0]["spans"].as_array().expect("spans");
        spans.iter().filter(|s| s["operationName"] == "joined stream").count()
    };
    assert_eq!(streams(&trace), 2, "all timelines of the trace");
    assert_eq!(data(&trace)[0]["traceID"], TRACE);
    let list = collector.json("/api/v1/timelines?plugin=joined");
    let id = list["timelines"][0]["id"].as_str().expect("an id");
    let one = collector.json(&format!("/api/traces/{id}"));
    assert_eq!(streams(&one), 1, "that timeline");
    assert_eq!(data(&one)[0]["traceID"], TRACE);
    let root = &data(&one)[0]["spans"][0]["references"][0];
    assert_eq!(
        (&root["refType"], &root["spanID"]),
        (&"CHILD_OF".into(), &"00f067aa0ba902b7".into())
    );
    let own = collector.json("/api/v1/timelines?plugin=auth");
    let id = own["timelines"][0]["id"].as_str().expect("an id");
    assert_eq!(data(&collector.json(&format!("/api/traces/{id}")))[0]["traceID"], id);
    let both = collector.json(&format!("/api/traces?traceID={id}&traceID={TRACE}&traceID=1"));
    assert_eq!(data(&both).len(), 2);
}

#[test]
fn a_trace_is_found_after_a_restart() {
    let mut collector = collector();
    collector.restart();
    collector.closed(4);
    assert_eq!(data(&collector.json(&format!("/api/traces/{TRACE}"))).len(), 1);
    assert_eq!(
        collector.json("/api/services")["data"],
        serde_json::json!(["auth", "joined", "quota"])
    );
}

#[test]
fn an_unknown_id_is_not_found_and_never_an_empty_list() {
    let collector = collector();
    for (id, status) in [("1", 404), (&"f".repeat(32), 404), ("xyz", 400), (&"1".repeat(33), 400)] {
        let (answered, body) = collector.get(&format!("/api/traces/{id}"), &[]);
        assert_eq!(answered, status, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body["data"], Value::Null);
        assert_eq!(body["errors"][0]["code"], status);
        assert!(!body["errors"][0]["msg"].as_str().expect("a sentence").is_empty());
    }
    assert_eq!(collector.get("/api/traces?tags=x", &[]).0, 400);
    assert_eq!(collector.get("/api/operations", &[]).0, 400);
    assert_eq!(collector.get("/api/dependencies?endTs=now", &[]).0, 400);
}

#[test]
fn a_search_finds_what_all_of_it_holds_of() {
    let collector = collector();
    let all = ["auth", "joined", "quota"];
    let none: [&str; 0] = [];
    assert_eq!(found(&collector, ""), all, "two requests of one trace are one trace");
    assert_eq!(found(&collector, "service=*"), all);
    assert_eq!(found(&collector, "service=auth"), ["auth"]);
    assert_eq!(found(&collector, "service=nobody"), none);
    assert_eq!(found(&collector, "limit=1").len(), 1);
    assert_eq!(found(&collector, "operation=on_request_body"), all);
    assert_eq!(found(&collector, "operation=on_tick"), none);
    let tags = |json: &str| found(&collector, &format!("tags={}", encoded(json)));
    assert_eq!(tags(r#"{"error":"true"}"#), all);
    assert_eq!(tags(r#"{"error":"false"}"#), none);
    assert_eq!(tags(r#"{"plugin":"quota"}"#), ["quota"]);
    assert_eq!(tags(&format!(r#"{{"finding":"{LOST}","plugin":"auth"}}"#)), ["auth"]);
    assert_eq!(tags(r#"{"finding":"waiting-on-call"}"#), none);
    assert_eq!(tags(r#"{"request_id":"request-10"}"#), ["joined"]);
    assert_eq!(tags(r#"{"proxy_wasm.upstream.cluster":"slow","span.kind":"client"}"#), all);
    assert_eq!(tags(r#"{"proxy_wasm.upstream.cluster":"slow","span.kind":"internal"}"#), none);
    assert_eq!(found(&collector, "tag=error:true&service=auth"), ["auth"]);
    assert_eq!(found(&collector, "service=auth&minDuration=1s"), ["auth"], "the call took 2 s");
    assert_eq!(found(&collector, "service=auth&minDuration=3s"), none);
    assert_eq!(found(&collector, "operation=http_call%20slow&maxDuration=1s"), none);
    let now = now_nanos() / 1_000;
    let (hour, before) = (3_600_000_000, now - 3_600_000_000);
    assert_eq!(found(&collector, &format!("start={before}&end={}", now + hour)), all);
    assert_eq!(found(&collector, &format!("end={before}&lookback=1h")), none);
    assert_eq!(found(&collector, &format!("start={}", now + hour)), none);
}

#[test]
fn services_and_their_operations_are_named() {
    let collector = collector();
    let services = collector.json("/api/services");
    assert_eq!(data(&services), &["auth", "joined", "quota"]);
    assert_eq!(services["total"], 3);
    let operations = collector.json("/api/services/auth/operations");
    assert!(data(&operations).contains(&"http_call slow".into()), "{operations}");
    assert!(data(&operations).contains(&"auth stream".into()), "{operations}");
    let clients = collector.json("/api/operations?service=auth&spanKind=client");
    assert_eq!(
        data(&clients),
        &[serde_json::json!({"name": "http_call slow", "spanKind": "client"})]
    );
    assert!(data(&collector.json("/api/services/nobody/operations")).is_empty());
    for operation in data(&operations).iter().filter_map(|operation| operation.as_str()) {
        let search = format!("operation={}&service=", encoded(operation));
        assert_eq!(found(&collector, &format!("{search}auth")), ["auth"], "{operation}");
        assert!(found(&collector, &format!("{search}nobody")).is_empty(), "{operation}");
        // Without a service, it is that of all that have it.
        let all = found(&collector, search.trim_end_matches("&service="));
        assert!(all.contains(&"auth".to_owned()), "{operation}: {all:?}");
    }
    for none in ["quota%20stream", "auth%20errand", "http_call%20fast", "on_tick", "none"] {
        let search = format!("service=auth&operation={none}");
        assert!(found(&collector, &search).is_empty(), "{none}");
    }
}

#[test]
fn dependencies_are_the_calls_of_the_time_asked_for() {
    let collector = collector();
    let links = collector.json("/api/dependencies?lookback=604800000");
    let link = |parent: &str, count: u32| serde_json::json!({"parent": parent, "child": "slow", "callCount": count});
    assert_eq!(data(&links), &[link("auth", 1), link("joined", 2), link("quota", 1)]);
    let of_one = collector.json("/api/dependencies?service=joined");
    assert_eq!(data(&of_one), &[link("joined", 2)]);
    let earlier = (now_nanos() / 1_000_000) - 3_600_000;
    assert!(data(&collector.json(&format!("/api/dependencies?endTs={earlier}"))).is_empty());
}

#[test]
fn it_is_guarded_as_all_reading() {
    let collector = Collector::with(|settings| settings.read_token = Some("secret".to_owned()));
    for path in [
        "/api/services",
        "/api/services/a/operations",
        "/api/operations?service=a",
        "/api/traces",
        "/api/traces/1",
        "/api/dependencies",
    ] {
        assert_eq!(collector.get(path, &[]).0, 401, "{path}");
        let status = collector.get(path, &[("authorization", "Bearer secret")]).0;
        assert!([200, 404].contains(&status), "{path}: {status}");
    }
}

#[test]
fn an_open_timeline_is_shown_too() {
    let collector = Collector::start();
    assert_eq!(collector.send(&bytes(&Recorder::named(1, "auth").beginning())).0, 200);
    let answer = collector.until("/api/traces?service=auth", |answer| !data(answer).is_empty());
    let tags = answer["data"][0]["spans"][0]["tags"].as_array().expect("tags").clone();
    let state = tags.iter().find(|tag| tag["key"] == "proxy_wasm.timeline.state").expect("a state");
    assert_eq!(state["value"], "open");
}
