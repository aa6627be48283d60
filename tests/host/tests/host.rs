//! The host does what Envoy does: the golden traces of host-semantics §0, with a hand-written plugin.

mod plugins;

use abi::{Callback, Hostcall};
use host::{Callee, Dialect, Failing, Manner, Upstream, Vm, Who};
use plugins::plugin;

fn body_call(dialect: Dialect) -> Vm {
    let mut vm = Vm::load(&plugin("body_call"), dialect).expect("it loads");
    vm.callee("slow", Callee::answers(200).after_millis(2_000));
    assert!(vm.start("").accepted);
    vm
}

#[track_caller]
fn assert_trace(vm: &Vm, expected: &[&str]) {
    let start = "create(1,0) vm_start(1,0) configure(1,0) ";
    assert_eq!(vm.log().trace(), format!("{start}{}", expected.join(" ")), "\n{}", vm.log().text());
}

#[test]
fn an_early_upstream_ends_the_stream_and_the_callback_comes_late() {
    let mut vm = body_call(Dialect::Envoy);
    vm.upstream(Upstream::early(200, "early"));
    let stream = vm.post("/x", "fourteen bytes");
    vm.run_millis(100);
    assert_eq!(vm.answer(stream).body, b"early");
    vm.run_millis(3_000);
    assert_trace(
        &vm,
        &[
            "create(2,1) request_headers(2,9,0) →0",
            "request_body(2,14,0) →1 request_body(2,14,1) http_call(slow)=0 →1",
            "response_headers(2,2,0) →0 response_body(2,5,0) →0 response_body(2,0,1) →0",
            "log(2) done(2) delete(2)",
            "http_call_response(1,4,2,2,0) set_effective_context(2)=2 continue_stream(0)=0",
        ],
    );
    let pairs = vm.log().statuses(Who::Plugin, Hostcall::GetHeaderMapPairs);
    assert_eq!(pairs, [0], "the header map of a dead stream is empty, not an error");
}

#[test]
fn an_upstream_that_closes_is_answered_503_through_the_response_phases() {
    let mut vm = body_call(Dialect::Envoy);
    vm.upstream(Upstream::Closes { after_millis: 1 });
    let stream = vm.post("/x", "body");
    vm.run_millis(3_000);
    assert_eq!(vm.answer(stream).status(), 503);
    let order = vm.log().trace();
    assert!(order.contains("response_headers(2,3,0) →0 response_body(2,95,1) →0 log(2) done(2) delete(2) http_call_response(1,4"), "{order}");
}

#[test]
fn a_patient_upstream_gets_the_body_after_the_callback() {
    let mut vm = body_call(Dialect::Envoy);
    let stream = vm.post("/x", "body");
    vm.run_millis(1_000);
    assert_eq!(vm.answer(stream).status(), 0);
    let (_, forwarded) = vm.forwarded(stream).expect("the headers went on");
    assert!(forwarded.is_empty(), "the body is held");
    assert!(vm.run_until(3_000, |vm| !vm.is_open(stream)));
    assert_eq!(vm.answer(stream).status(), 200);
    let trace = vm.log().trace();
    let (callback, response) = (trace.find("http_call_response"), trace.find("response_headers"));
    assert!(callback < response, "{trace}");
}

#[test]
fn a_denial_in_time_passes_the_plugins_own_response_phases() {
    let mut vm = body_call(Dialect::Envoy);
    vm.callee("slow", Callee::answers(403).after_millis(50));
    let stream = vm.post("/x", "body");
    vm.run_millis(100);
    assert_eq!((vm.answer(stream).status(), vm.answer(stream).body), (403, b"denied".to_vec()));
    assert!(
        vm.log().trace().ends_with(
            "send_local_response(403)=0 response_headers(2,3,0) →0 response_body(2,6,1) →0 log(2) done(2) delete(2)"
        ),
        "{}",
        vm.log().trace()
    );
}

#[test]
fn dispatches_fail_as_on_envoy() {
    for (callee, status) in [
        (None, 2),
        (Some(Callee::always(Manner::NoHealthyHost)), 10),
        (Some(Callee::answers(200)), 0),
    ] {
        let mut vm = Vm::load(&plugin("body_call"), Dialect::Envoy).expect("it loads");
        if let Some(callee) = callee {
            vm.callee("slow", callee);
        }
        vm.start("");
        let stream = vm.post("/x", "body");
        vm.run_millis(1_000);
        assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::HttpCall), [status]);
        assert_eq!(vm.answer(stream).status(), 200, "the plugin lets the request go on");
    }
}

#[test]
fn a_silent_callee_is_answered_504_at_the_timeout_and_ids_step_by_four() {
    let mut vm = body_call(Dialect::Envoy);
    vm.callee("slow", Callee::never());
    vm.post("/a", "body");
    vm.run_millis(6_000);
    vm.post("/b", "body");
    vm.run_millis(6_000);
    let calls = vm.log().entries(Callback::HttpCallResponse);
    assert_eq!(calls, [[1, 4, 3, 24, 0], [1, 8, 3, 24, 0]]);
}

#[test]
fn a_hostcall_fails_when_the_script_says_so() {
    let mut vm = body_call(Dialect::Envoy);
    vm.fail(Failing { hostcall: Hostcall::HttpCall, by: Who::Plugin, status: 10, times: 1 });
    vm.post("/a", "body");
    vm.post("/b", "body");
    vm.refuse(Hostcall::HttpCall);
    vm.post("/c", "body");
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::HttpCall), [10, 0, 10]);
    assert_eq!(vm.calls(Who::Plugin).len(), 1);
}
