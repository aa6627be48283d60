//! What plugins do wrong, one request each on a real Envoy, and the findings that are made of it: all of
//! them, and beside each a request that looks alike and gives none.

use std::sync::LazyLock;
use std::time::Duration;

use e2e::{Finding, Plugin, Request, Stack};

static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let misuse = || Plugin::misuse().traced().in_its_own_vm();
    Stack::builder()
        .plugin("misuse", misuse())
        .plugin("stops-all", misuse().without_headers_stop_iteration())
        .start()
        .unwrap_or_else(|error| panic!("{error:#}"))
});

/// What a plugin is asked for, and all that is found.
fn finds(plugin: &str, request: &Request, expected: &[(&str, &str)]) {
    let request = request.clone().patience(Duration::from_millis(1500));
    let answer = STACK.send(plugin, &request);
    let timeline = STACK.collector().closed_timeline(&answer.request_id);
    let found = Finding::all(&timeline);
    let found: Vec<(&str, &str)> = found.iter().map(|f| (&*f.code, &*f.severity)).collect();
    assert_eq!(found, expected, "{plugin}: {timeline:#}");
}

fn get(misuse: &str) -> Request {
    Request::get(format!("/patient?misuse={misuse}"))
}

fn post(misuse: &str) -> Request {
    Request::post(format!("/patient?misuse={misuse}"), "some text")
}

#[test]
fn headers_held_so_that_no_body_comes() {
    finds("stops-all", &post("wait-for-body"), &[("header-pause-starves-body", "hung")]);
    // The same on a host that calls the body phase.
    finds("misuse", &post("wait-for-body"), &[]);
}

#[test]
fn headers_held_for_a_body_that_is_none() {
    finds("misuse", &get("wait-for-body"), &[("waiting-for-body-that-cannot-come", "hung")]);
    finds("misuse", &get("nothing"), &[]);
}

#[test]
fn a_refused_dispatch_that_is_waited_for() {
    let found = [("paused-without-pending-call", "hung"), ("dispatch-rejected", "failed")];
    finds("misuse", &get("ignore-refusal"), &found);
}

#[test]
fn a_stop_at_the_end_of_the_body() {
    finds("misuse", &post("stop-at-end"), &[("paused-without-pending-call", "hung")]);
    // Without a body there is no such phase.
    finds("misuse", &get("stop-at-end"), &[]);
}

#[test]
fn an_answer_of_its_own_that_is_stopped() {
    finds("misuse", &get("stop-own-answer"), &[("own-local-reply-paused", "hung")]);
}

#[test]
fn an_answer_after_the_response_headers() {
    let broken = get("answer-late").may_break_off();
    finds("misuse", &broken, &[("local-reply-too-late", "failed")]);
}

#[test]
fn a_request_that_was_let_go_and_then_denied() {
    finds("misuse", &get("resume-and-deny"), &[("duplicate-completion", "failed")]);
}

#[test]
fn a_resume_of_the_root() {
    finds("misuse", &get("wrong-context"), &[("wrong-context", "hung")]);
}

#[test]
fn a_body_that_is_gathered_beyond_the_buffer() {
    let large = Request::post("/patient?misuse=stop-at-end", vec![b'x'; 3 << 20]);
    let found = [("payload-too-large", "failed"), ("response-while-request-held", "note")];
    finds("misuse", &large, &found);
    // The same body, not gathered.
    finds("misuse", &Request::post("/patient", vec![b'x'; 3 << 20]), &[]);
}

#[test]
fn headers_held_for_a_call_that_the_body_phase_lets_go() {
    let found = [("released-by-body-continue", "lost"), ("late-callback", "lost")];
    finds("misuse", &post("body-goes-on"), &found);
    // Without a body there is no such phase, and where everything is held it comes after the resume.
    finds("misuse", &get("body-goes-on"), &[]);
    finds("stops-all", &post("body-goes-on"), &[]);
}

#[test]
fn two_calls_and_the_first_answer_resumes() {
    let found = [("resumed-with-calls-outstanding", "lost"), ("late-callback", "lost")];
    finds("misuse", &get("first-answer"), &found);
    finds("misuse", &get("both-answers"), &[]);
}

#[test]
fn a_denial_that_nobody_waited_for() {
    let slow = Request::get("/silent?misuse=deny-unasked");
    finds("misuse", &slow, &[("continue-with-call-outstanding", "race")]);
    finds("misuse", &get("tell"), &[]);
}

#[test]
fn a_client_that_does_not_wait_so_long() {
    let found = [("client-gone-while-waiting", "lost"), ("late-callback", "lost")];
    finds("misuse", &get("wait"), &found);
}

#[test]
fn a_message_when_the_stream_has_ended_is_no_misuse() {
    finds("misuse", &get("call-at-end"), &[]);
}
