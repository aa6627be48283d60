//! A host that forbids hostcalls (Envoy's capability restriction): the recorder stops asking, says so
//! once, and goes on with what is left. The host logs an error for each refused hostcall, so the number
//! of tries is what counts.

mod support;

use abi::{Callback, Hostcall};
use support::{ROOT, Vm, events};

/// Minutes of a busy plugin that ticks, calls, and whose calls fail in all ways.
fn busy_with(forbidden: Hostcall) -> Vm {
    let mut vm = Vm::forbidding(forbidden);
    vm.create_root(ROOT);
    vm.call_doing(Callback::VmStart, ROOT, [0; 4], 1, |vm| {
        let status = vm.recorder.set_tick_period(700, &mut vm.host);
        assert_eq!(status == 10, forbidden == Hostcall::SetTickPeriod);
    });
    for context in 2..400 {
        let call = 100_000 + context * 4;
        vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        vm.call_doing(Callback::RequestHeaders, context, [9, 0, 0, 0], 1, |vm| {
            let ours = vm.host.next_call;
            vm.http_call("auth", call, 500);
            vm.host.next_call = ours;
        });
        vm.pass_millis(200);
        vm.host.response = vec![(":status".into(), "503".into())];
        let headers = if context % 3 == 0 { 0 } else { 1 };
        vm.call(Callback::HttpCallResponse, ROOT, [call, headers, 9, 0], 0);
        vm.end(context);
        vm.pass_millis(400);
        vm.answer_all(200);
    }
    vm
}

fn said(vm: &Vm) -> Vec<&str> {
    let lines = vm.host.logs.iter().map(|(_, line)| line.as_str());
    lines.filter(|line| line.contains("capability restriction")).collect()
}

#[test]
fn a_reading_that_is_forbidden_is_tried_once_and_named_once() {
    for hostcall in [
        Hostcall::GetHeaderMapPairs,
        Hostcall::GetHeaderMapValue,
        Hostcall::GetProperty,
        Hostcall::GetBufferBytes,
        Hostcall::GetStatus,
    ] {
        let vm = busy_with(hostcall);
        assert_eq!(vm.host.refusals, 1, "{hostcall:?}");
        let said = said(&vm);
        assert_eq!(said.len(), 1, "{hostcall:?}: {said:?}");
        assert!(said[0].contains(hostcall.row().import), "{}", said[0]);
        let batches = vm.batches();
        let deletes = batches.iter().flat_map(events).filter(|r| r.event.kind == 28).count();
        assert!(deletes > 380, "{hostcall:?}: all else is recorded and accepted: {deletes}");
        assert!(vm.plugin_ticks.len() > 300, "{hostcall:?}");
        let accepted = vm.last_batch().counters.map_or(0, |c| c.batches_accepted);
        assert!(accepted > 200, "{hostcall:?}: answers are understood: {accepted}");
    }
}

#[test]
fn without_header_values_the_pairs_tell_a_call_s_status() {
    let vm = busy_with(Hostcall::GetHeaderMapValue);
    let answers = support::of_kind(&vm.batches(), Callback::HttpCallResponse.number());
    assert!(answers.iter().filter(|r| r.event.args.get(3) == Some(&503)).count() > 200);
}

#[test]
fn where_the_dispatch_is_forbidden_nothing_is_tried_for_minutes() {
    let vm = busy_with(Hostcall::HttpCall);
    assert_eq!((vm.host.refusals, said(&vm).len()), (1, 1));
    assert!(vm.plugin_ticks.len() > 300);
}

#[test]
fn where_the_timer_is_forbidden_only_the_plugin_asks_for_it() {
    let vm = busy_with(Hostcall::SetTickPeriod);
    assert_eq!(vm.host.refusals, 2, "once for us, once for the plugin");
    assert!((1..=3).contains(&said(&vm).len()), "once per WARN_SECONDS: {:?}", said(&vm));
}

#[test]
fn where_one_clock_is_forbidden_the_other_is_used() {
    for (hostcall, wall_only) in [(Hostcall::ClockTimeGet, true), (Hostcall::GetCurrentTime, false)]
    {
        let vm = busy_with(hostcall);
        assert!(said(&vm).is_empty());
        assert!(vm.plugin_ticks.len() > 300);
        assert_eq!(vm.last_batch().clock.expect("a clock").wall_only, wall_only);
        assert!(hostcall != Hostcall::ClockTimeGet || vm.host.refusals == 1);
    }
}

#[test]
fn without_any_clock_nothing_is_recorded_and_the_plugin_s_timer_is_its_own() {
    let mut vm = Vm::forbidding(Hostcall::GetCurrentTime);
    vm.host.wall_only = true;
    vm.create_root(ROOT);
    vm.call_doing(Callback::VmStart, ROOT, [0; 4], 1, |vm| {
        assert_eq!(vm.recorder.set_tick_period(700, &mut vm.host), 0);
    });
    for context in 2..100 {
        vm.small_request(context);
        vm.pass_millis(700);
    }
    assert_eq!(vm.period(ROOT), 700, "as the plugin set it");
    assert!((97..=98).contains(&vm.plugin_ticks.len()), "each tick is the plugin's");
    assert_eq!((vm.host.dispatches, vm.host.refusals, said(&vm).len()), (0, 1, 1));
}

#[test]
fn without_random_bytes_each_start_still_has_an_id_of_its_own() {
    let id = |later: u64| {
        let mut vm = Vm::forbidding_since(Hostcall::RandomGet, later);
        vm.create_root(ROOT);
        vm.pass_millis(1000);
        vm.last_batch().instance
    };
    assert_ne!(id(0), id(1));
    assert_ne!(id(0)[..8], id(0)[8..]);
}

#[test]
fn without_an_environment_what_was_baked_holds() {
    let vm = busy_with(Hostcall::EnvironGet);
    assert_eq!((vm.host.refusals, vm.host.sent[0].cluster.as_str()), (1, "collector"));
}
