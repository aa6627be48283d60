//! The whole way on a real Envoy: each case in Go and in Rust, from the request to the finding that
//! the collector's API tells. One Envoy and one collector for all scenarios of this file.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use e2e::{Finding, Mode, Plugin, Request, Sdk, Stack};
use serde_json::Value;

static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let mut stack = Stack::builder();
    for (sdk, name) in BOTH {
        let body = Plugin::new(sdk, Mode::Body).traced();
        stack = stack
            .plugin(name, body.clone())
            .plugin(&format!("{name}-fixed"), Plugin::new(sdk, Mode::Fixed).traced())
            .plugin(&format!("{name}-forgets"), Plugin::new(sdk, Mode::Forget).traced())
            .plugin(&format!("{name}-to-nowhere"), body.clone().calls("nowhere"))
            .plugin(&format!("{name}-waits"), body.timeout_millis(300_000));
    }
    let fixed = Plugin::new(Sdk::Rust, Mode::Fixed).traced().timeout_millis(200);
    stack
        .plugin("impatient", fixed.clone())
        .plugin("to-an-empty-cluster", fixed.calls("empty"))
        .discovers("empty", None)
        .start()
        .unwrap_or_else(|error| panic!("{error:#}"))
});

const BOTH: [(Sdk, &str); 2] = [(Sdk::Rust, "rust"), (Sdk::Go, "go")];

const HEADERS_GONE: &str = "headers-forwarded-before-body-call";

fn post(path: &str) -> Request {
    Request::post(path, "some text")
}

/// Sends the request, waits until its timeline is closed, and compares its findings.
fn finds(plugin: &str, request: &Request, expected: &[(&str, &str)]) {
    let answer = STACK.send(plugin, request);
    let timeline = STACK.collector().closed_timeline(&answer.request_id);
    let found = labels(&timeline);
    assert_eq!(found, wanted(expected), "{plugin}: {timeline:#}");
}

fn labels(timeline: &Value) -> BTreeSet<(&str, &str)> {
    Finding::told(timeline).into_iter().collect()
}

fn wanted<'a>(expected: &[(&'a str, &'a str)]) -> BTreeSet<(&'a str, &'a str)> {
    expected.iter().copied().collect()
}

/// What is found when the stream ends before the response callback: the cause, and the two facts that
/// support it.
const LOST: [(&str, &str); 3] =
    [(HEADERS_GONE, "lost"), ("late-callback", "lost"), ("response-while-request-held", "lost")];

/// Loses the decision, and says by what the stream ended.
fn loses(plugin: &str, path: &str, ended_by: &str) {
    let answer = STACK.send(plugin, &post(path));
    let timeline = STACK.collector().closed_timeline(&answer.request_id);
    let findings = Finding::all(&timeline);
    assert_eq!(labels(&timeline), wanted(&LOST), "{plugin} {path}: {timeline:#}");
    let headline = findings.first().expect("a finding");
    assert!(headline.is_cause, "{plugin} {path}: the cause comes first, {findings:#?}");
    assert!(
        timeline["findings"][0].to_string().contains(ended_by),
        "{plugin} {path}: not said that {ended_by:?}: {timeline:#}"
    );
}

#[test]
fn an_early_upstream_loses_the_decision() {
    for (_, plugin) in BOTH {
        loses(plugin, "/early-400?callee=after-300", "via_upstream");
        loses(plugin, "/early-200?callee=after-300,status-403", "via_upstream");
    }
}

#[test]
fn an_upstream_that_closes_loses_the_decision() {
    for (_, plugin) in BOTH {
        loses(plugin, "/close?callee=after-300", "upstream_reset_before_response_started");
    }
}

#[test]
fn a_patient_upstream_is_a_race_that_was_won() {
    for (_, plugin) in BOTH {
        finds(plugin, &post("/patient?callee=after-50"), &[(HEADERS_GONE, "race")]);
    }
}

#[test]
fn the_fixed_plugin_and_a_request_without_body_have_no_findings() {
    for (_, name) in BOTH {
        finds(&format!("{name}-fixed"), &post("/early-200?callee=after-50"), &[]);
        finds(&format!("{name}-fixed"), &post("/early-200?callee=status-403"), &[]);
        finds(name, &Request::get("/patient"), &[]);
    }
}

#[test]
fn a_call_to_an_unknown_cluster_is_rejected() {
    for (_, name) in BOTH {
        let answer = STACK.send(&format!("{name}-to-nowhere"), &post("/patient"));
        let timeline = STACK.collector().closed_timeline(&answer.request_id);
        let codes: Vec<_> = Finding::all(&timeline).into_iter().map(|found| found.code).collect();
        assert_eq!(codes, ["dispatch-rejected"], "{name}");
    }
}

#[test]
fn a_callback_that_forgets_to_resume_is_found() {
    for (_, name) in BOTH {
        let request = post("/patient?callee=after-10").patience(Duration::from_secs(2));
        let found = [("callback-ran-no-resume", "hung"), (HEADERS_GONE, "race")];
        finds(&format!("{name}-forgets"), &request, &found);
    }
}

#[test]
fn a_request_that_waits_says_for_what_while_it_waits() {
    for (_, name) in BOTH {
        let plugin = format!("{name}-waits");
        std::thread::scope(|scope| {
            let request = post("/patient?callee=after-6000").patience(Duration::from_secs(12));
            let waiting = scope.spawn(move || STACK.send(&plugin, &request));
            let seen = e2e::until("waiting-on-call is live", Duration::from_secs(10), || {
                let live = STACK.collector().json("/api/v1/findings?since_ms=0")?;
                let found = live["findings"].as_array().cloned().unwrap_or_default();
                let waits = |finding: &&Value| {
                    finding["code"] == "waiting-on-call"
                        && finding["plugin"] == format!("{name}-waits")
                };
                Ok(found.iter().find(waits).cloned())
            });
            seen.unwrap_or_else(|error| panic!("{error:#}\n{}", STACK.collector().log()));
            assert_eq!(waiting.join().expect("the client ends").status, 200);
        });
    }
}

#[test]
fn a_call_that_fails_says_how() {
    for (callee, code) in [
        ("never", "call-timeout"),
        ("refuse", "call-connect-failure"),
        ("reset", "call-connect-failure"),
        // The callee's own answers are no failures of the call.
        ("status-503", ""),
        ("status-504", ""),
    ] {
        let request = post(&format!("/patient?callee={callee}"));
        let found = [(code, "failed")];
        finds("impatient", &request, if code.is_empty() { &[] } else { &found });
    }
}

#[test]
fn a_cluster_without_a_host_fails_the_dispatch_at_once() {
    finds("to-an-empty-cluster", &post("/patient"), &[("dispatch-failed-inline", "failed")]);
}
