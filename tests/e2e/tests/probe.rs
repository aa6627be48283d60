//! In whose hands is the request? Probes before and after a filter of Envoy's own that holds it.

use std::sync::LazyLock;
use std::time::Duration;

use e2e::{Filter, Plugin, Request, Stack, is_closed, soon};
use serde_json::{Value, json};

static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let probe = || Plugin::probe().traced().variable("WASM_TRACER_NAME_EARLY", "1");
    let chain = vec![
        Filter::Plugin("before".to_owned(), probe()),
        Filter::Native(holds_for_seconds(3)),
        Filter::Plugin("after".to_owned(), probe()),
    ];
    let stack = Stack::builder().chain("chain", chain).start();
    stack.unwrap_or_else(|error| panic!("{error:#}"))
});

/// Envoy's fault filter: holds requests that carry the header `x-hold`.
fn holds_for_seconds(seconds: u32) -> Value {
    json!({
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "headers": [{ "name": "x-hold", "present_match": true }],
            "delay": {
                "fixed_delay": format!("{seconds}s"),
                "percentage": { "numerator": 100 },
            },
        },
    })
}

/// The only request of an id once it is as wanted: its timelines' plugins, and what is said of it.
fn request_when(request_id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    soon(what, || {
        let path = format!("/api/v1/requests/{request_id}");
        let answer = STACK.collector().json(&path).ok()?;
        let request = answer["requests"].as_array().filter(|all| all.len() == 1)?.first()?.clone();
        wanted(&request).then_some(request)
    })
}

fn plugins(request: &Value) -> Vec<&str> {
    let timelines = request["timelines"].as_array().map_or(&[][..], Vec::as_slice);
    timelines.iter().filter_map(|timeline| timeline["plugin"].as_str()).collect()
}

#[test]
fn a_request_that_a_native_filter_holds_is_between_the_probes() {
    let held = Request::get("/patient").header("x-hold", "1").patience(Duration::from_millis(2500));
    let sent = std::thread::spawn(move || STACK.send("chain", &held));
    let is_open = |request: &Value| request["whereabouts"]["is_over"] == false;
    let hangs = soon("the request is seen while it hangs", || {
        let list = STACK.collector().json("/api/v1/timelines?plugin=before").ok()?;
        let mut open = list["timelines"].as_array()?.iter().filter(|t| t["state"] == "open");
        Some(open.next()?["request_id"].as_str().filter(|id| !id.is_empty())?.to_owned())
    });
    let request = request_when(&hangs, "it hangs behind the first probe", is_open);
    assert_eq!(plugins(&request), ["before"]);
    let said = request["whereabouts"]["sentence"].as_str().expect("a sentence");
    assert!(said.starts_with("before let the request go (#"), "{said}");
    assert!(said.contains("no recorded plugin behind it got it"), "{said}");

    let answer = sent.join().expect("an answer");
    assert_eq!((answer.status, &answer.request_id), (0, &hangs), "the client gave up");
    let request = request_when(&hangs, "it ended", |request| plugins(request).len() == 2);
    assert_eq!(plugins(&request), ["before", "after"]);
    let said = request["whereabouts"]["sentence"].as_str().expect("a sentence");
    assert!(said.contains("after never got it: what stands between them had it"), "{said}");
}

#[test]
fn a_request_that_is_answered_is_in_nobodys_hands() {
    let answer = STACK.send("chain", &Request::get("/patient"));
    assert_eq!(answer.status, 200);
    let closed = |request: &Value| {
        let timelines = request["timelines"].as_array().map_or(&[][..], Vec::as_slice);
        timelines.len() == 2 && timelines.iter().all(is_closed)
    };
    let request = request_when(&answer.request_id, "both timelines are closed", closed);
    assert_eq!(plugins(&request), ["before", "after"]);
    assert_eq!(request["whereabouts"], Value::Null);
    for timeline in request["timelines"].as_array().expect("timelines") {
        assert_eq!(timeline["findings"], json!([]), "{timeline:#}");
    }
}
