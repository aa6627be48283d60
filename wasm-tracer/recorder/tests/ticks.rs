//! One timer a root, two deadlines.

mod support;

use abi::Callback;
use support::{ROOT, Vm, events};

fn with_period(millis: u32) -> Vm {
    let mut vm = Vm::start();
    vm.call_doing(Callback::VmStart, ROOT, [0; 4], 1, |vm| {
        assert_eq!(vm.recorder.set_tick_period(millis, &mut vm.host), 0);
    });
    vm
}

#[test]
fn the_plugin_is_never_early_at_most_two_milliseconds_late_and_does_not_drift() {
    for period in [1, 7, 300, 700, 1000, 2500, 60_000] {
        let mut vm = with_period(period);
        let start = vm.host.micros() - 100;
        let period = u64::from(period);
        vm.pass_millis(period * 20 + 1);
        assert!(vm.plugin_ticks.len() >= 19, "{period} ms: {}", vm.plugin_ticks.len());
        for (count, at) in vm.plugin_ticks.iter().enumerate() {
            let due = start + (count as u64 + 1) * period * 1000;
            assert!(*at >= due, "{period} ms: tick {count} came early");
            let late = at - due;
            assert!(period == 1 || late <= 2000, "{period} ms: tick {count} came {late} µs late");
        }
    }
}

#[test]
fn a_tick_that_takes_time_comes_no_more_often_than_from_the_host_alone() {
    for (period, takes) in [(10, 8), (5, 8), (50, 20), (1000, 3)] {
        let mut vm = with_period(period);
        vm.tick_micros = takes * 1000;
        let start = vm.host.micros();
        vm.pass_millis(20_000);
        let host_alone = (vm.host.micros() - start) / (u64::from(period) * 1000 + takes * 1000);
        let ticks = vm.plugin_ticks.len() as u64;
        assert!(ticks <= host_alone + 1, "{period}/{takes}: {ticks}, alone {host_alone}");
        // At most one millisecond later for each.
        let latest = host_alone * (u64::from(period) + takes) / (u64::from(period) + takes + 2);
        assert!(ticks + 1 >= latest, "{period}/{takes}: {ticks}, alone {host_alone}");
    }
}

#[test]
fn ours_come_beside_the_plugin_s() {
    let mut vm = with_period(60_000);
    vm.small_request(2);
    vm.pass_millis(1500);
    assert_eq!((vm.host.sent.len(), vm.plugin_ticks.len()), (1, 0));
    vm.answer_all(200);
    vm.pass_millis(10_000);
    let batch = vm.last_batch();
    assert!(batch.own_callbacks > 3, "ticks kept from the plugin are counted");
    assert_eq!(batch.roots[0].tick_period_millis, 60_000);
}

#[test]
fn setting_a_period_restarts_the_countdown_and_nothing_stops_it() {
    let mut vm = with_period(500);
    vm.pass_millis(400);
    vm.call_doing(Callback::QueueReady, ROOT, [1, 0, 0, 0], 0, |vm| {
        vm.recorder.set_tick_period(500, &mut vm.host);
    });
    let set = vm.host.micros() - 100;
    vm.pass_millis(600);
    assert!(vm.plugin_ticks[0] >= set + 500_000);
    let seen = vm.plugin_ticks.len();
    vm.call_doing(Callback::QueueReady, ROOT, [1, 0, 0, 0], 0, |vm| {
        vm.recorder.set_tick_period(0, &mut vm.host);
    });
    vm.pass_millis(5000);
    assert_eq!(vm.plugin_ticks.len(), seen);
    assert!(vm.period(ROOT) > 0, "ours go on");
}

#[test]
fn an_ended_root_s_timer_is_stopped_and_another_root_ships() {
    let mut vm = Vm::start();
    vm.create_root(7);
    vm.call(Callback::Done, ROOT, [0; 4], 1);
    assert!(vm.host.sent.is_empty(), "the call would be cancelled with the root");
    vm.call(Callback::Delete, ROOT, [0; 4], 0);
    assert_eq!(vm.period(ROOT), 0);
    vm.pass_millis(2000);
    let batch = vm.last_batch();
    assert!(!batch.r#final, "another root lives");
    let ended: Vec<_> = batch.roots.iter().map(|r| (r.context, r.ended)).collect();
    assert_eq!(ended, [(ROOT, true), (7, false)]);
}

#[test]
fn where_no_other_root_ticks_a_root_s_end_ships_what_is_left() {
    let mut vm = Vm::start();
    vm.call(Callback::Done, ROOT, [0; 4], 1);
    assert!(vm.last_batch().r#final);
    let mut vm = Vm::start();
    vm.host.timer_refused = true;
    vm.create_root(7);
    vm.call(Callback::Done, ROOT, [0; 4], 1);
    assert!(!vm.last_batch().r#final, "another root lives, though it does not tick");
}

#[test]
fn where_only_the_wall_clock_is_allowed_setting_it_back_delays_neither_the_plugin_nor_us() {
    let mut vm = Vm::bare(&[], "");
    vm.host.wall_only = true;
    vm.create_root(ROOT);
    vm.call_doing(Callback::VmStart, ROOT, [0; 4], 1, |vm| {
        assert_eq!(vm.recorder.set_tick_period(300, &mut vm.host), 0);
    });
    vm.pass_millis(3050);
    let (ticks, shipments) = (vm.plugin_ticks.len(), vm.host.sent.len());
    assert!(ticks >= 10 && shipments >= 1);
    for _ in 0..2 {
        vm.host.step_wall_seconds(-1800);
        vm.small_request(2);
        vm.pass_millis(3000);
        vm.answer_all(200);
    }
    assert!(vm.plugin_ticks.len() >= ticks + 19, "{}", vm.plugin_ticks.len());
    assert!(vm.host.sent.len() >= shipments + 2);
    let mut before = 0;
    for read in vm.batches().iter().flat_map(events) {
        assert!(read.at >= before || read.event.at_step_micros < 0, "time does not go back");
        before = before.max(read.at);
    }
    let clock = vm.last_batch().clock.expect("a clock");
    let ahead = clock.monotonic_micros - clock.wall_nanos / 1000;
    assert!((3_599_000_000..=3_600_000_000).contains(&ahead), "both clocks are told: {ahead}");
}

#[test]
fn a_tick_of_an_ended_root_neither_revives_it_nor_reaches_the_plugin_nor_ships() {
    let mut vm = Vm::start();
    vm.call(Callback::Done, ROOT, [0; 4], 1);
    vm.call(Callback::Delete, ROOT, [0; 4], 0);
    let asked = vm.host.timers_asked;
    let dispatches = vm.host.dispatches;
    vm.pass_millis(20_000);
    for _ in 0..3 {
        vm.tick(ROOT);
    }
    vm.call(Callback::HttpCallResponse, ROOT, [3, 0, 0, 0], 0);
    assert!(vm.plugin_ticks.is_empty());
    assert_eq!((vm.host.timers_asked, vm.host.dispatches), (asked, dispatches));
    vm.create_root(7);
    vm.pass_millis(4000);
    let batch = vm.last_batch();
    let ended: Vec<_> = batch.roots.iter().map(|r| (r.context, r.ended)).collect();
    assert_eq!(ended, [(ROOT, true), (7, false)]);
}
