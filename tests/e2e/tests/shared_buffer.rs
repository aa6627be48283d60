//! What filters hold of a body lies in one buffer: one that goes on takes along what a plugin before it holds.

use std::time::Duration;

use e2e::{Filter, Finding, Plugin, Request, Stack, soon};
use serde_json::{Value, json};

/// Envoy's fault filter: holds the headers of requests that carry the header `x-hold`, and goes on by itself.
fn holds_for_a_moment() -> Value {
    json!({
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "headers": [{ "name": "x-hold", "present_match": true }],
            "delay": { "fixed_delay": "1s", "percentage": { "numerator": 100 } },
        },
    })
}

#[test]
fn a_filter_that_goes_on_takes_along_what_the_plugin_before_it_holds() {
    let chain = vec![
        Filter::Plugin("gathers".to_owned(), Plugin::cpp().traced()),
        Filter::Native(holds_for_a_moment()),
    ];
    let stack = Stack::builder().chain("chain", chain).start();
    let stack = stack.unwrap_or_else(|error| panic!("{error:#}"));
    let post = Request::post("/patient?gather=buffer", vec![b'x'; 9_000]);
    let post = post.patience(Duration::from_secs(10));
    let timeline = |request: &Request| {
        let before = stack.upstream_requests();
        // What the filter goes on with, headers first, is the upstream's before the rest is sent.
        let answer = stack.send_when("chain", request, || {
            soon("the upstream has the headers", || {
                (stack.upstream_requests() > before).then_some(())
            });
        });
        assert_eq!(answer.status, 200);
        stack.collector().closed_timeline(&answer.request_id)
    };
    let released = [("body-released-by-other", "failed")];
    let in_two = || post.clone().holds_back(1_000, Some(Duration::ZERO));
    assert_eq!(Finding::told(&timeline(&in_two().header("x-hold", "1"))), released);
    // With nothing held by another filter, and with a body that comes whole while it is.
    assert_eq!(Finding::told(&timeline(&in_two())), []);
    assert_eq!(Finding::told(&timeline(&post.clone().header("x-hold", "1"))), []);
}
