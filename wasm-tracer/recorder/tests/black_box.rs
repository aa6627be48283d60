//! What still leaves when a plugin traps, exits, or ends.

mod support;

use abi::{Callback, Hostcall};
use support::{ROOT, Vm, events};

/// Fills the buffer while nothing is answered.
fn overfill(vm: &mut Vm) {
    vm.call(Callback::ContextCreate, 1001, [ROOT, 0, 0, 0], 0);
    for size in 0..9000 {
        vm.call(Callback::RequestBody, 1001, [size, 1, 9, 9], 0);
    }
}

#[test]
fn before_a_trap_everything_leaves_with_the_open_invocation_and_the_last_words() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    assert!(vm.enter(Callback::RequestBody, 2, [14, 1, 0, 0]));
    let entered = vm.host.micros();
    vm.output(2, &"old ".repeat(400));
    vm.output(2, "panic: nil map\n\tmain.go:17");
    vm.recorder.trap(&mut vm.host);
    vm.recorder.trap(&mut vm.host);
    assert_eq!(vm.host.sent.len(), 1, "at most once");
    let batch = vm.last_batch();
    assert!(events(&batch).iter().any(|r| r.event.kind == Callback::ContextCreate.number()));
    let open = &batch.open[0];
    assert_eq!((open.kind, open.context, open.since_micros), (14, 2, entered));
    let words = String::from_utf8_lossy(&open.last_log).into_owned();
    assert!(words.ends_with("main.go:17") && words.len() <= 1024, "{words}");
    assert!(batch.known_until_micros < entered);
}

#[test]
fn what_the_trapping_invocation_did_before_is_in_it() {
    let mut vm = Vm::start();
    vm.create_root(7);
    vm.call(Callback::ContextCreate, 20, [7, 0, 0, 0], 0);
    vm.call(Callback::RequestHeaders, 20, [9, 0, 0, 0], 0);
    assert!(vm.enter(Callback::RequestBody, 20, [14, 1, 0, 0]));
    vm.http_call("auth", 4, 500);
    for _ in 0..10 {
        vm.log(4, &"x".repeat(200));
    }
    vm.log(5, "panicked at src/lib.rs:42:7");
    vm.recorder.trap(&mut vm.host);
    let all: Vec<_> = vm.batches().iter().flat_map(events).collect();
    let dispatch = all.iter().find(|r| r.event.kind == Hostcall::HttpCall.number());
    let dispatch = dispatch.expect("its dispatch");
    let lines = all.iter().filter(|r| r.event.kind == Hostcall::Log.number());
    assert!(lines.count() >= 5, "its log lines");
    let batch = vm.last_batch();
    let open = &batch.open[0];
    assert_eq!(dispatch.entry, open.entry, "its events name it");
    assert_eq!((open.context, open.root, open.args.as_slice()), (20, 7, [14, 1].as_slice()));
    let words = String::from_utf8_lossy(&open.last_log).into_owned();
    assert!(words.ends_with("src/lib.rs:42:7\n"), "also beyond a stream's share: {words}");
    let names: Vec<_> = batch.roots.iter().map(|root| root.context).collect();
    assert!(names.contains(&7));
}

#[test]
fn a_stream_that_traps_in_its_headers_phase_has_a_name() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    assert!(vm.enter(Callback::RequestHeaders, 2, [9, 1, 0, 0]));
    vm.recorder.trap(&mut vm.host);
    let batch = vm.last_batch();
    let stream = batch.streams.iter().find(|stream| stream.context == 2).expect("a stream");
    assert!(!stream.path.is_empty() && !stream.request_id.is_empty(), "{stream:?}");
    assert_eq!(batch.open[0].context, 2);
}

#[test]
fn the_line_it_died_in_is_an_event_too() {
    let mut vm = Vm::start();
    assert!(vm.enter(Callback::QueueReady, ROOT, [1, 0, 0, 0]));
    vm.output(2, "panic: nil map\n\tmain.go:17");
    vm.recorder.trap(&mut vm.host);
    let lines = support::of_kind(&vm.batches(), Hostcall::FdWrite.number());
    let texts: Vec<_> = lines.iter().map(|l| l.event.text.as_slice()).collect();
    assert_eq!(texts, [b"panic: nil map".as_slice(), b"\tmain.go:17"]);
}

#[test]
fn of_nested_invocations_all_are_named_and_the_innermost_has_the_words() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    assert!(vm.enter(Callback::HttpCallResponse, ROOT, [9999, 3, 0, 0]));
    vm.output(2, "panic: nested");
    assert!(vm.enter(Callback::ResponseHeaders, 2, [5, 1, 0, 0]));
    vm.recorder.trap(&mut vm.host);
    let open = vm.last_batch().open;
    let told: Vec<_> =
        open.iter().map(|o| (o.kind, o.context, o.call, !o.last_log.is_empty())).collect();
    let response = Callback::HttpCallResponse.number();
    let headers = Callback::ResponseHeaders.number();
    assert_eq!(told, [(response, ROOT, 9999, false), (headers, 2, 0, true)]);
}

#[test]
fn an_entry_that_returns_after_all_clears_the_latch() {
    let mut vm = Vm::start();
    for _ in 0..2 {
        assert!(vm.enter(Callback::QueueReady, ROOT, [1, 0, 0, 0]));
        vm.recorder.trap(&mut vm.host);
        vm.leave(Callback::QueueReady, ROOT, 0);
    }
    assert_eq!(vm.host.sent.iter().filter(|s| !s.batch.open.is_empty()).count(), 2);
}

#[test]
fn an_exit_flushes_and_claims_nothing() {
    let mut vm = Vm::start();
    assert!(vm.enter(Callback::QueueReady, ROOT, [1, 0, 0, 0]));
    vm.recorder.exiting(&mut vm.host);
    let batch = vm.last_batch();
    assert!(!batch.events.is_empty() && batch.open.is_empty() && !batch.r#final);
}

#[test]
fn the_last_root_s_end_is_said() {
    let mut vm = Vm::start();
    vm.call(Callback::Done, ROOT, [0; 4], 1);
    let batch = vm.last_batch();
    assert!(batch.r#final);
    let kinds: Vec<_> = events(&batch).iter().map(|r| r.event.kind).collect();
    assert_eq!(kinds.last(), Some(&Callback::Done.number()));
}

#[test]
fn a_plugin_that_exits_in_each_request_makes_us_dispatch_from_a_phase_once() {
    let mut vm = Vm::start();
    overfill(&mut vm);
    for context in 2..1000 {
        vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        vm.call_doing(Callback::RequestHeaders, context, [9, 1, 0, 0], 0, |vm| {
            vm.recorder.exiting(&mut vm.host);
        });
        vm.end(context);
    }
    let flushed = vm.host.dispatches;
    assert!((1..=32).contains(&flushed), "one flush, one dispatch a segment: {flushed}");
    vm.drain();
    assert!(vm.host.dispatches > flushed, "the ticks go on shipping");
}

#[test]
fn a_flush_ends_with_the_first_refusal() {
    let mut vm = Vm::start();
    overfill(&mut vm);
    vm.host.dispatch_refused = Some((10, 0));
    assert!(vm.enter(Callback::QueueReady, ROOT, [1, 0, 0, 0]));
    vm.recorder.trap(&mut vm.host);
    assert_eq!(vm.host.dispatches, 1);
}

#[test]
fn a_root_that_is_not_done_yet_claims_no_end() {
    let mut vm = Vm::start();
    vm.call(Callback::Done, ROOT, [0; 4], 0);
    let batch = vm.last_batch();
    assert!(!batch.r#final, "it waits for proxy_done");
    assert!(events(&batch).iter().any(|r| r.event.kind == Callback::Done.number()));
    vm.answer_all(200);
    vm.small_request(2);
    vm.pass_millis(1000);
    assert!(vm.host.sent.len() > 1, "its ticks go on");
}

#[test]
fn nothing_is_dispatched_from_a_phase_while_dispatches_fail_inline_or_recording_is_off() {
    let mut vm = Vm::start();
    vm.small_request(2);
    vm.host.dispatch_refused = Some((10, 4));
    vm.pass_millis(1200);
    let tried = vm.host.dispatches;
    assert!(tried > 0, "a shipment was refused inline");
    assert!(vm.enter(Callback::RequestBody, 2, [14, 1, 0, 0]));
    vm.recorder.trap(&mut vm.host);
    assert_eq!(vm.host.dispatches, tried);

    let mut off = Vm::start_with(&[], "WASM_TRACER_ENABLED=false");
    off.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    assert!(off.enter(Callback::RequestBody, 2, [14, 1, 0, 0]));
    off.recorder.trap(&mut off.host);
    assert_eq!(off.host.dispatches, 0);
}
