//! Whatever a host answers: no panic, and no event missing that no range tells of.

mod support;

use std::collections::BTreeSet;

use abi::{Callback, Hostcall};
use proptest::prelude::*;
use support::{ROOT, Vm, events};

/// One thing that happens to a VM.
#[derive(Clone, Debug)]
enum Step {
    Callback {
        kind: u32,
        context: u32,
        args: [u32; 4],
        result: u32,
    },
    Hostcall {
        kind: u32,
        status: u32,
        params: [u32; 12],
    },
    Answer {
        status: u32,
        headers: bool,
    },
    Refuse(Option<(u32, u32)>),
    Pass {
        millis: u64,
    },
    Period {
        millis: u32,
    },
    Trap,
    Exit,
    /// The capability restriction forbids one of these, or none.
    Forbid(Option<Hostcall>),
    /// Somebody sets the wall clock.
    Wall {
        seconds: i64,
    },
    /// Reading header maps takes so long.
    Slow {
        micros: u64,
    },
    /// The plugin's memory grows.
    Grow {
        pages: u32,
    },
    Burst {
        count: u32,
    },
}

const FORBIDDABLE: [Hostcall; 10] = [
    Hostcall::HttpCall,
    Hostcall::SetTickPeriod,
    Hostcall::GetHeaderMapPairs,
    Hostcall::GetHeaderMapValue,
    Hostcall::GetProperty,
    Hostcall::GetBufferBytes,
    Hostcall::GetStatus,
    Hostcall::GetCurrentTime,
    Hostcall::ClockTimeGet,
    Hostcall::Log,
];

fn step() -> impl Strategy<Value = Step> {
    let word = prop_oneof![0..8u32, 65_536..131_072u32, any::<u32>()];
    let status =
        prop::sample::select(vec![0, 200, 204, 302, 400, 401, 403, 413, 422, 429, 500, 503, 504]);
    let params = prop::array::uniform12(word.clone());
    prop_oneof![
        4 => (0..33u32, 0..6u32, prop::array::uniform4(word.clone()), 0..3u32)
            .prop_map(|(kind, context, args, result)| Step::Callback { kind, context, args, result }),
        4 => (60..170u32, 0..3u32, params)
            .prop_map(|(kind, status, params)| Step::Hostcall { kind, status, params }),
        4 => (status, any::<bool>()).prop_map(|(status, headers)| Step::Answer { status, headers }),
        1 => prop::option::of((1..13u32, 0..2u32)).prop_map(Step::Refuse),
        4 => (0..4000u64).prop_map(|millis| Step::Pass { millis }),
        1 => (0..3000u32).prop_map(|millis| Step::Period { millis }),
        1 => Just(Step::Trap),
        1 => Just(Step::Exit),
        2 => prop::option::of(prop::sample::select(FORBIDDABLE.to_vec())).prop_map(Step::Forbid),
        1 => (-100..100i64).prop_map(|seconds| Step::Wall { seconds }),
        1 => (0..2000u64).prop_map(|micros| Step::Slow { micros }),
        1 => (0..9000u32).prop_map(|pages| Step::Grow { pages }),
        1 => (0..3000u32).prop_map(|count| Step::Burst { count }),
    ]
}

fn run(vm: &mut Vm, step: Step, delivered: &mut BTreeSet<u64>) {
    match step {
        Step::Callback { kind, context, args, result } => {
            // Answers to shipments come by `Answer`, which knows which are out.
            if kind == Callback::HttpCallResponse.number() && args[0] % 4 == 0 {
                return;
            }
            if let Some(callback) = Callback::from_number(kind) {
                vm.call(callback, context, args, result);
            }
        }
        Step::Hostcall { kind, status, params } => {
            if vm.enter(Callback::RequestBody, 2, [1, 0, 0, 0]) {
                vm.recorder.hostcall(kind, status, &params, &mut vm.host);
                vm.leave(Callback::RequestBody, 2, 1);
            }
        }
        Step::Answer { status, headers } => {
            if vm.host.in_flight.is_empty() {
                return;
            }
            let call = vm.host.in_flight.remove(0);
            let accepted = headers && (200..300).contains(&status);
            if accepted {
                let sent = vm.host.sent.iter().find(|sent| sent.call == call);
                deliver(&sent.expect("in flight").batch, delivered);
            }
            let pairs: &[(&str, &str)] = &[(":status", &status.to_string())];
            vm.answer_with(call, if headers { pairs } else { &[] });
        }
        Step::Refuse(how) => vm.host.dispatch_refused = how,
        Step::Pass { millis } => vm.pass_millis(millis),
        Step::Period { millis } => {
            if vm.enter(Callback::QueueReady, ROOT, [1, 0, 0, 0]) {
                vm.recorder.set_tick_period(millis, &mut vm.host);
                vm.leave(Callback::QueueReady, ROOT, 0);
            }
        }
        Step::Trap => {
            if vm.enter(Callback::QueueReady, ROOT, [1, 0, 0, 0]) {
                vm.recorder.trap(&mut vm.host);
                vm.leave(Callback::QueueReady, ROOT, 0);
            }
        }
        Step::Exit => vm.recorder.exiting(&mut vm.host),
        Step::Forbid(hostcall) => vm.host.forbidden = hostcall,
        Step::Wall { seconds } => vm.host.step_wall_seconds(seconds),
        Step::Slow { micros } => vm.host.pairs_micros = micros,
        Step::Grow { pages } => vm.host.plugin_pages += pages,
        Step::Burst { count } => {
            for size in 0..count {
                vm.call(Callback::RequestBody, 2, [size, 0, 7, 7], 1);
            }
        }
    }
}

/// What a collector knows after a batch: its events, and the numbers that are lost.
fn deliver(batch: &proto::v1::Batch, known: &mut BTreeSet<u64>) {
    known.extend(events(batch).iter().map(|read| read.sequence));
    for lost in &batch.lost {
        known.extend(lost.from_sequence..=lost.to_sequence);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_number_arrives_or_is_told_as_lost(steps in prop::collection::vec(step(), 1..120)) {
        let mut vm = Vm::start();
        vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
        let mut delivered = BTreeSet::new();
        for step in steps {
            run(&mut vm, step, &mut delivered);
        }
        // In the end the collector is well, and there is a root that ticks.
        vm.host.dispatch_refused = None;
        vm.host.forbidden = None;
        vm.create_root(999);
        let mut seen = 0;
        for round in 0..1000 {
            // What was forbidden is tried again, but only if something happens.
            if round % 100 == 0 && round < 900 {
                vm.call(Callback::QueueReady, 999, [1, 0, 0, 0], 0);
            }
            vm.pass_millis(500);
            for call in std::mem::take(&mut vm.host.in_flight) {
                seen += 1;
                let sent = vm.host.sent.iter().find(|sent| sent.call == call).expect("in flight");
                deliver(&sent.batch, &mut delivered);
                vm.answer(call, 200);
            }
        }
        prop_assert!(seen > 0);
        let next = vm.last_batch().first_sequence + vm.last_batch().events.len() as u64;
        let missing: Vec<u64> = (1..next).filter(|n| !delivered.contains(n)).take(5).collect();
        prop_assert!(missing.is_empty(), "neither arrived nor told: {missing:?} of {next}");
        prop_assert!(vm.host.sent.iter().all(|sent| sent.bytes <= 24 * 1024));
    }

    #[test]
    fn no_header_map_and_no_property_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut vm = Vm::start();
        vm.host.raw_pairs = Some(bytes.clone());
        for (_, value) in &mut vm.host.properties {
            value.clone_from(&bytes);
        }
        vm.create_root(50);
        vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
        vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 1, |vm| {
            let (at, size) = vm.host.put(&bytes);
            vm.hostcall(Hostcall::HttpCall, 0, &[at, size, at, size, at, size, at, size, 1, at]);
        });
        vm.end(2);
        vm.drain();
        prop_assert!(vm.batches().iter().flat_map(events).count() > 8);
    }
}
