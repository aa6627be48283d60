//! More streams and calls open at once than the recorder's tables have places.

mod support;

use abi::{Callback, Hostcall};
use proto::v1::CallOutcome;
use support::{ROOT, Vm};

const FIRST: u32 = 1000;

fn open_streams(vm: &mut Vm, root: u32, count: u32) {
    for stream in FIRST..FIRST + count {
        vm.call(Callback::ContextCreate, stream, [root, 0, 0, 0], 0);
    }
}

fn set_period(vm: &mut Vm, stream: u32, millis: u32) {
    vm.host.in_context(ROOT);
    vm.call_doing(Callback::RequestHeaders, stream, [9, 1, 0, 0], 0, |vm| {
        assert_eq!(vm.recorder.set_tick_period(millis, &mut vm.host), 0);
    });
}

/// How many calls were counted with an outcome.
fn counted(vm: &mut Vm, outcome: CallOutcome) -> u64 {
    vm.small_request(900_000);
    vm.pass_millis(1500);
    vm.drain();
    let counters = vm.batches().into_iter().rev().find_map(|b| b.counters).expect("counted");
    let calls = counters.calls.iter().filter(|c| c.outcome() == outcome && c.root == ROOT);
    calls.map(|c| c.count).sum()
}

fn call_and_answer_each(vm: &mut Vm, count: u32) {
    for n in 0..count {
        vm.call_doing(Callback::RequestHeaders, FIRST + n, [9, 1, 0, 0], 1, |vm| {
            vm.http_call("auth", 400 + n * 4, 60_000);
        });
    }
    vm.host.response = vec![(":status".into(), "200".into())];
    for n in 0..count {
        let stream = FIRST + n;
        vm.call_doing(Callback::HttpCallResponse, ROOT, [400 + n * 4, 1, 0, 0], 0, |vm| {
            vm.hostcall(Hostcall::SetEffectiveContext, 0, &[stream]);
        });
    }
}

#[test]
fn a_period_set_from_any_stream_is_its_root_s() {
    // The second number of streams is beyond what any table holds.
    for open in [600, 6000] {
        let mut vm = Vm::start();
        open_streams(&mut vm, ROOT, open);
        set_period(&mut vm, FIRST + open - 1, 100);
        vm.pass_millis(5001);
        let ticks = vm.plugin_ticks.len();
        assert!((49..=50).contains(&ticks), "{open} streams: {ticks} ticks");
        set_period(&mut vm, FIRST + open - 1, 0);
        vm.pass_millis(5000);
        assert_eq!(vm.plugin_ticks.len(), ticks, "{open} streams: the period was ended");
    }
}

#[test]
fn with_several_roots_a_stream_without_a_place_keeps_its_own() {
    let mut vm = Vm::start();
    vm.create_root(7);
    open_streams(&mut vm, ROOT, 600);
    set_period(&mut vm, FIRST + 599, 100);
    vm.pass_millis(5001);
    let batch = vm.last_batch();
    let periods: Vec<_> = batch.roots.iter().map(|r| (r.context, r.tick_period_millis)).collect();
    assert_eq!(periods, [(ROOT, 100), (7, 0)]);
}

#[test]
fn answered_calls_of_streams_without_a_place_are_not_late() {
    let mut vm = Vm::start();
    open_streams(&mut vm, ROOT, 600);
    vm.call_doing(Callback::RequestHeaders, FIRST + 599, [9, 1, 0, 0], 1, |vm| {
        vm.http_call("auth", 400, 60_000);
    });
    vm.host.response = vec![(":status".into(), "200".into())];
    vm.call(Callback::HttpCallResponse, ROOT, [400, 1, 0, 0], 0);
    assert_eq!(counted(&mut vm, CallOutcome::Answered), 1);
    assert_eq!(counted(&mut vm, CallOutcome::Late), 0);
}

#[test]
fn calls_without_a_place_are_counted_too() {
    let mut vm = Vm::start();
    open_streams(&mut vm, ROOT, 300);
    call_and_answer_each(&mut vm, 300);
    assert_eq!(counted(&mut vm, CallOutcome::Answered), 300);
    assert_eq!(counted(&mut vm, CallOutcome::Late), 0);
}
