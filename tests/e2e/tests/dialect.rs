//! A module for Higress on a stock Envoy: what its streams show of the host is told once, of the root.

use e2e::{Plugin, Request, Stack, soon};
use serde_json::Value;

const CODE: &str = "host-dialect-mismatch";

/// Findings of it, of a plugin.
fn told(stack: &Stack, plugin: &str) -> Vec<Value> {
    let listed = stack.collector().json("/api/v1/findings").expect("the API answers");
    let findings = listed["findings"].as_array().cloned().unwrap_or_default();
    findings.into_iter().filter(|f| f["code"] == CODE && f["plugin"] == plugin).collect()
}

#[test]
fn a_module_for_higress_where_everything_is_held_is_told_once_of_its_root() {
    let plugin = |vm| Plugin::misuse_go().traced().in_vm(vm);
    let stack = Stack::builder()
        .plugin("holds-all", plugin("all").without_headers_stop_iteration())
        .plugin("calls-body", plugin("alone"))
        .start()
        .unwrap_or_else(|error| panic!("{error:#}"));
    // Holds the headers with number 1 for a call.
    let held = Request::post("/patient?misuse=no-body-handler", "some text");
    // A client that is held up in between sends its body late, which shows nothing: so there are more.
    for _ in 0..6 {
        for plugin in ["holds-all", "calls-body"] {
            let answer = stack.send(plugin, &held);
            let timeline = stack.collector().closed_timeline(&answer.request_id);
            let codes = timeline["findings"].to_string();
            assert!(!codes.contains(CODE), "it is said of the root, not of a stream: {timeline:#}");
        }
    }
    let found = soon("it is told of the root", || told(&stack, "holds-all").pop());
    assert_eq!(found["severity"], "race", "{found:#}");
    assert_eq!(found["request_id"], "", "of the root's life");
    assert_eq!(told(&stack, "holds-all").len(), 1, "once");
    assert_eq!(told(&stack, "calls-body"), [] as [Value; 0]);
}
