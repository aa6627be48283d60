//! What recording asks of the host for one request: hostcalls are what it costs.

mod support;

use abi::{Callback, Hostcall};
use support::{ROOT, Vm};

/// Readings of the clock, of header maps, of header values, and of properties.
type Asked = [usize; 4];

fn asked(vm: &Vm) -> Asked {
    let host = &vm.host;
    [host.clock_reads, host.header_reads, host.value_reads, host.property_reads]
}

/// What a request asks for when nothing else is left to do. Not so many that one is measured for the fuse.
fn asked_by(request: impl FnOnce(&mut Vm), vm: &mut Vm) -> Asked {
    vm.drain();
    let before = asked(vm);
    request(vm);
    let after = asked(vm);
    std::array::from_fn(|at| after[at] - before[at])
}

/// What one request asks for, after many like it.
fn per_request(request: impl Fn(&mut Vm, u32)) -> Asked {
    let mut vm = Vm::start();
    for context in 2..300 {
        request(&mut vm, context);
    }
    asked_by(|vm| request(vm, 301), &mut vm)
}

fn calls_in(phase: Callback, vm: &mut Vm, context: u32) {
    let call = vm.host.next_call;
    vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
    if phase != Callback::RequestHeaders {
        vm.call(Callback::RequestHeaders, context, [9, 0, 0, 0], 0);
    }
    vm.call_doing(phase, context, [9, 0, 0, 0], 1, |vm| vm.http_call("auth", call, 500));
    vm.host.response = vec![(":status".into(), "200".into())];
    vm.call_doing(Callback::HttpCallResponse, ROOT, [call, 5, 2, 0], 0, |vm| {
        vm.hostcall(Hostcall::SetEffectiveContext, 0, &[context]);
        vm.hostcall(Hostcall::ContinueStream, 0, &[0]);
    });
    vm.call(Callback::ResponseHeaders, context, [5, 0, 0, 0], 0);
    vm.end(context);
}

#[test]
fn a_request_without_a_call() {
    // Two readings for each of six invocations, but for the entries that follow at once.
    assert_eq!(per_request(|vm, context| vm.small_request(context)), [12 - 2, 1, 0, 0]);
}

#[test]
fn a_request_with_a_call_in_its_headers_phase() {
    // One more invocation, the dispatch and the resume; the call's status; code and flags.
    let asked = per_request(|vm, context| calls_in(Callback::RequestHeaders, vm, context));
    assert_eq!(asked, [14 - 2 + 2, 1, 1, 2]);
}

#[test]
fn a_request_with_a_call_in_its_body_phase() {
    // And who answered.
    let asked = per_request(|vm, context| calls_in(Callback::RequestBody, vm, context));
    assert_eq!(asked, [16 - 2 + 2, 1, 1, 3]);
}

#[test]
fn a_request_that_is_answered_by_the_plugin() {
    // One reading for the local response; code, flags and who answered.
    let asked = per_request(|vm, context| {
        vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        vm.call_doing(Callback::RequestHeaders, context, [9, 1, 0, 0], 1, |vm| {
            vm.hostcall(Hostcall::SendLocalResponse, 0, &[403, 0, 0, 0, 0, 0, 0, 0]);
        });
        vm.end(context);
    });
    assert_eq!(asked, [10 - 2 + 1, 1, 0, 3]);
}

#[test]
fn what_is_only_counted_asks_for_nothing() {
    let asked = per_request(|vm, context| {
        vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        vm.call_doing(Callback::RequestHeaders, context, [9, 1, 0, 0], 0, |vm| {
            let key = vm.host.put(b"x-user");
            for _ in 0..50 {
                assert!(vm.recorder.counted(Hostcall::GetHeaderMapValue.number(), 0));
                vm.hostcall(Hostcall::GetHeaderMapValue, 1, &[0, key.0, key.1, 0, 0]);
            }
        });
        vm.end(context);
    });
    assert_eq!(asked, [10 - 2, 1, 0, 0]);
}

/// What a request asks for that was not chosen.
fn not_chosen(request: impl Fn(&mut Vm)) -> Asked {
    asked_by(request, &mut Vm::start_with(&[], "WASM_TRACER_RATE=0"))
}

#[test]
fn a_stream_that_is_not_recorded_asks_for_the_time_of_its_beginning_and_its_end() {
    assert_eq!(not_chosen(|vm| vm.small_request(2)), [2, 0, 0, 0]);
}

#[test]
fn a_stream_that_is_not_recorded_asks_for_the_time_while_somebody_waits() {
    // Create, the return of the phase that stops, the dispatch, both ends of the response callback, the
    // resume, log. And what names it, once; nothing of its end.
    let asked = not_chosen(|vm| calls_in(Callback::RequestHeaders, vm, 2));
    assert_eq!(asked, [7, 1, 1, 0]);
}
