//! One timer a root, two deadlines: the plugin's ticks come as in the original, never early, at most
//! 2 ms late, without drift. And roots that come and go: a configuration push while streams are in flight.

mod batches;
mod plugins;

use std::collections::BTreeMap;

use abi::{Callback, Host, Hostcall};
use host::{Callee, Dialect, Log, Upstream, Vm, What, Who, compare};
use plugins::{COLLECTOR, plugin, traced};

/// Latest that a tick of the plugin may be.
const LATE_NANOS: u64 = 2_000_000;

/// Times at which the plugin itself was ticked, by root context.
fn ticks(log: &Log) -> BTreeMap<u32, Vec<u64>> {
    let mut ticks: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let mut entered = None;
    for line in &log.0 {
        match &line.what {
            What::Enters { callback: Callback::Tick, args, .. } => {
                entered = Some((args[0], line.at))
            }
            What::Returns { .. } => entered = None,
            What::Hostcall { hostcall: Some(Hostcall::Log), .. } if line.who == Who::Plugin => {
                if let Some((root, at)) = entered.take() {
                    ticks.entry(root).or_default().push(at);
                }
            }
            _ => {}
        }
    }
    ticks
}

/// Runs a script on the ticker and on its instrumented copy; both VMs after it.
fn both(script: impl Fn(&mut Vm)) -> [Vm; 2] {
    let original = plugin("ticker");
    let instrumented = traced(&original, Host::Envoy);
    let plain = Vm::load(&original, Dialect::Envoy).expect("it loads");
    let traced = Vm::load_instrumented(&instrumented, &original, Dialect::Envoy).expect("it loads");
    [plain, traced].map(|mut vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        script(&mut vm);
        vm
    })
}

/// Asserts that the plugin was ticked alike; the original's ticks.
#[track_caller]
fn assert_punctual([plain, traced]: &[Vm; 2]) -> BTreeMap<u32, Vec<u64>> {
    let (expected, actual) = (ticks(plain.log()), ticks(traced.log()));
    assert_eq!(expected.keys().collect::<Vec<_>>(), actual.keys().collect::<Vec<_>>());
    for (root, expected) in &expected {
        let actual = &actual[root];
        assert_eq!(expected.len(), actual.len(), "ticks of root {root}");
        for (index, (due, came)) in expected.iter().zip(actual).enumerate() {
            // The two clocks differ by the nanoseconds of hostcalls.
            let late = came / 1_000 * 1_000;
            let due = due / 1_000 * 1_000;
            assert!(late >= due, "tick {index} of root {root} comes early: {came}, due {due}");
            assert!(late - due <= LATE_NANOS, "tick {index} of root {root} is late: {came}, {due}");
        }
    }
    expected
}

#[test]
fn a_period_of_its_own_does_not_drift() {
    for bytes in [1, 7, 100, 101, 333] {
        let period = bytes as u64 * 10;
        let runs = both(|vm| {
            vm.start(&"x".repeat(bytes));
            vm.run_millis(30_005);
        });
        let ticks = assert_punctual(&runs);
        assert_eq!(ticks[&1].len() as u64, 30_005 / period, "period {period} ms");
    }
}

#[test]
fn streams_in_between_and_a_full_buffer_do_not_move_ticks() {
    let runs = both(|vm| {
        let root = vm.start(&"x".repeat(13)).root;
        let still = vm.start_plugin("still", "").root;
        vm.upstream(Upstream::patient(200, "hello"));
        for index in 0..2_000 {
            vm.open_on(still, &format!("GET /{index}"), &[], true);
            vm.run_millis(if index % 7 == 0 { 40 } else { 1 });
        }
        assert_eq!(root, 1);
        vm.run_millis(5_002);
    });
    let ticks = assert_punctual(&runs);
    assert!(ticks[&1].len() > 100, "{}", ticks[&1].len());
}

#[test]
fn two_roots_have_periods_of_their_own() {
    let runs = both(|vm| {
        vm.start(&"x".repeat(3));
        vm.run_millis(15);
        vm.start_plugin("other", &"x".repeat(11));
        vm.run_millis(20_005);
    });
    let ticks = assert_punctual(&runs);
    assert_eq!((ticks[&1].len(), ticks[&2].len()), (20_020 / 30, 20_005 / 110));
}

#[test]
fn set_anew_it_starts_again_and_0_stops_it() {
    let runs = both(|vm| {
        vm.start(&"x".repeat(20));
        vm.run_millis(1_050);
        let open = vm.open("POST /set-anew", &[], false);
        vm.run_millis(3_010);
        vm.leave(open);
        vm.get("/stop");
        vm.run_millis(30_000);
    });
    let ticks = assert_punctual(&runs);
    assert_eq!(ticks[&1].len(), 1_050 / 200 + 3_010 / 250);
}

#[test]
fn a_root_that_ends_ticks_no_more_and_the_others_go_on() {
    let runs = both(|vm| {
        let old = vm.start(&"x".repeat(20)).root;
        let new = vm.start(&"x".repeat(30)).root;
        vm.run_millis(2_010);
        vm.end_root(old);
        vm.run_millis(3_000);
        assert_eq!((old, new), (1, 2));
    });
    let ticks = assert_punctual(&runs);
    assert_eq!((ticks[&1].len(), ticks[&2].len()), (10, 16));
    let log = runs[1].log();
    let end = log.0.iter().position(|line| {
        matches!(&line.what, What::Enters { callback: Callback::Done | Callback::Delete, args, .. } if args[0] == 1)
    });
    let after = &log.0[end.expect("the root ends")..];
    let periods: Vec<u64> =
        (after.iter().take_while(|line| !is_return(&line.what, Callback::Delete)))
            .filter_map(|line| match &line.what {
                What::Hostcall { hostcall: Some(Hostcall::SetTickPeriod), args, .. } => {
                    Some(args[0].number())
                }
                _ => None,
            })
            .collect();
    assert_eq!(periods, [0], "the period of a root that ends is set to 0, once");
    let late = after.iter().filter(|line| {
        matches!(&line.what, What::Enters { callback: Callback::Tick, args, .. } if args[0] == 1)
    });
    assert_eq!(late.count(), 0);
}

fn is_return(what: &What, wanted: Callback) -> bool {
    matches!(what, What::Returns { callback, .. } if *callback == wanted)
}

#[test]
fn a_configuration_push_puts_each_stream_on_its_root() {
    let original = plugin("body_call");
    let instrumented = traced(&original, Host::Envoy);
    let ran = compare(&original, &instrumented, Dialect::Envoy, |vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        vm.callee("slow", Callee::answers(200).after_millis(700));
        vm.upstream(Upstream::patient(200, "hello"));
        let old = vm.start("old").root;
        let open = vm.open_on(old, "POST /old", &[], false);
        vm.body(open, "half", false);
        vm.run_millis(1_500);
        let new = vm.start("new configuration").root;
        let other = vm.open_on(new, "POST /new", &[], false);
        vm.body(other, "half", false);
        vm.run_millis(1_500);
        vm.body(open, "", true);
        vm.run_millis(1_500);
        assert!(!vm.is_open(open), "the old stream has drained");
        vm.end_root(old);
        vm.run_millis(1_500);
        vm.body(other, "", true);
        vm.run_millis(5_000);
        assert!(!vm.is_open(other));
    });
    let ran = ran.unwrap_or_else(|error| panic!("{error}"));
    let shipped = batches::of(&ran.instrumented);
    let told: BTreeMap<u32, _> =
        shipped.iter().flat_map(|batch| &batch.roots).map(|root| (root.context, root)).collect();
    let (old, new) = (told[&1], told[&3]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_ne!(old.configuration_hash, new.configuration_hash);
    assert!(old.since_micros < new.since_micros, "{told:?}");
    assert_eq!((old.ended, new.ended), (true, false));
    let parent = |stream: u32| {
        let create = Callback::ContextCreate.number();
        let mut events = shipped.iter().flat_map(|batch| &batch.events);
        let event = events.find(|event| event.kind == create && event.context == stream);
        event.and_then(|event| event.args.first().copied())
    };
    assert_eq!((parent(2), parent(4)), (Some(1), Some(3)));
    let callbacks: Vec<u32> = batches::facts(&shipped)
        .iter()
        .filter(|fact| fact.kind == Callback::HttpCallResponse.number())
        .map(|fact| fact.context)
        .collect();
    assert_eq!(callbacks, [1, 3], "each call is answered on the root that made it");
}
