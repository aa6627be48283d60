//! The fuse: each of its reasons blows it, is said, and lets go again as the head of `fuse` says.

mod support;

use abi::Callback;
use abi::graft::config;
use proto::v1::{Counters, FuseReason, LostReason};
use support::{ROOT, Vm, events};

/// Requests for so many seconds, `every` µs one, while the collector takes all.
fn load(vm: &mut Vm, seconds: u64, every: u64) {
    let end = vm.host.micros() + seconds * 1_000_000;
    let mut context = 2;
    while vm.host.micros() < end {
        let next = vm.host.micros() + every;
        vm.small_request(context);
        context = 2 + (context - 1) % 400;
        vm.pass_millis(next.saturating_sub(vm.host.micros()).div_ceil(1000));
        vm.answer_all(200);
    }
}

/// What the last counters say.
fn counters(vm: &Vm) -> Counters {
    vm.batches().into_iter().rev().find_map(|batch| batch.counters).expect("counters")
}

fn streams_recorded(vm: &Vm) -> u64 {
    vm.last_batch().roots[0].streams_recorded
}

fn said(vm: &Vm, words: &str) -> usize {
    vm.host.logs.iter().filter(|(level, line)| *level == 3 && line.contains(words)).count()
}

const TIME: &str = "turns itself down to heartbeats: recording took more than half";
const LOSS: &str = "turns itself down to heartbeats: it lost events for ten seconds";
const MEMORY: &str = "turns itself down to heartbeats: the memory is nearly as large";
const AGAIN: &str = "wasm-tracer records again";

#[test]
fn when_recording_takes_too_much_time_it_stops_says_so_and_tries_again_later_each_time() {
    let mut vm = Vm::start();
    vm.host.pairs_micros = 1000;
    load(&mut vm, 20, 2000);
    assert_eq!(said(&vm, TIME), 1);
    let told = counters(&vm);
    assert_eq!((told.fuse(), told.fuse_trips), (FuseReason::TimeShare, 1));
    assert_eq!(told.fuse_until_micros - told.fuse_since_micros, 60_000_000);
    assert!(told.recorder_micros > 1_000_000, "{}", told.recorder_micros);
    let (streams, reads) = (streams_recorded(&vm), vm.host.header_reads);
    load(&mut vm, 30, 2000);
    assert_eq!(streams_recorded(&vm), streams, "down");
    assert_eq!(vm.host.header_reads, reads, "and what took so long is not done");
    assert!(vm.last_batch().roots[0].streams > streams + 10_000, "streams are counted");
    let phases = counters(&vm).phases;
    assert!(phases.iter().any(|p| p.count > streams + 10_000), "and phases");
    load(&mut vm, 40, 2000);
    assert_eq!((said(&vm, AGAIN), said(&vm, TIME)), (1, 2), "it tried, in vain");
    let told = counters(&vm);
    assert_eq!(told.fuse_until_micros - told.fuse_since_micros, 120_000_000, "waits longer");
    vm.host.pairs_micros = 1;
    load(&mut vm, 130, 2000);
    assert_eq!((said(&vm, AGAIN), said(&vm, TIME)), (2, 2));
    let told = counters(&vm);
    assert_eq!((told.fuse(), told.fuse_trips, told.fuse_since_micros), (FuseReason::None, 2, 0));
    assert!(streams_recorded(&vm) > streams + 1000);
}

#[test]
fn streams_that_were_open_when_it_blew_have_a_gap() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 900, [ROOT, 0, 0, 0], 0);
    vm.call(Callback::RequestHeaders, 900, [9, 0, 0, 0], 1);
    vm.host.pairs_micros = 1000;
    load(&mut vm, 20, 2000);
    vm.call(Callback::ResponseHeaders, 900, [5, 0, 0, 0], 0);
    vm.end(900);
    vm.drain();
    let batches = vm.batches();
    let all: Vec<_> = batches.iter().flat_map(events).collect();
    let of_it: Vec<_> = all.iter().filter(|r| r.context == 900).map(|r| r.event.kind).collect();
    assert_eq!(of_it, [3, 12], "the rest was not made");
    let lost: Vec<_> = batches.iter().flat_map(|b| b.lost.clone()).collect();
    let gap = lost.iter().find(|l| l.reason() == LostReason::TurnedDown).expect("a gap");
    assert_eq!(gap.from_sequence, gap.to_sequence);
    assert_eq!(gap.from_sequence, all.last().expect("events").sequence + 1);
    assert_eq!(vm.last_batch().first_sequence, gap.to_sequence + 1, "dense again after it");
}

#[test]
fn a_plugin_that_does_next_to_nothing_stays_recorded() {
    let mut vm = Vm::start();
    vm.callback_micros = 0;
    vm.host.pairs_micros = 2;
    load(&mut vm, 30, 100);
    assert_eq!(counters(&vm).fuse_trips, 0, "more than the plugin's, yet hardly anything");
    assert!(counters(&vm).recorder_micros > 0);
}

#[test]
fn after_ten_seconds_of_losses_it_stops_until_half_of_the_buffer_is_free() {
    let mut vm = Vm::start();
    vm.host.dispatch_refused = Some((10, 0));
    vm.call(Callback::ContextCreate, 5, [ROOT, 0, 0, 0], 0);
    let busy = |vm: &mut Vm, seconds: u64| {
        for _ in 0..seconds * 10 {
            for size in 0..300 {
                vm.call(Callback::RequestBody, 5, [size, 1, 9, 9], 0);
            }
            vm.pass_millis(70);
        }
    };
    vm.callback_micros = 100;
    busy(&mut vm, 9);
    assert_eq!(said(&vm, LOSS), 0, "not for a short while");
    busy(&mut vm, 10);
    assert_eq!(said(&vm, LOSS), 1);
    busy(&mut vm, 120);
    assert_eq!(said(&vm, AGAIN), 0, "nothing left the buffer");
    vm.host.dispatch_refused = None;
    vm.pass_millis(40_000);
    vm.drain();
    assert_eq!(said(&vm, AGAIN), 1);
    let blown = vm.batches().into_iter().filter_map(|b| b.counters).find(|c| c.fuse_trips > 0);
    assert_eq!(blown.expect("told").fuse(), FuseReason::Loss);
    busy(&mut vm, 1);
    vm.drain();
    assert!(vm.batches().iter().flat_map(events).last().is_some_and(|r| r.event.kind == 14));
}

#[test]
fn near_the_memory_s_maximum_it_stops_for_good() {
    let mut vm = Vm::start_with(&[(config::MEMORY_MAXIMUM, &140u32.to_le_bytes())], "");
    for pages in [48, 64, 80, 96, 112] {
        vm.host.plugin_pages = pages;
        load(&mut vm, 2, 10_000);
        assert_eq!(
            said(&vm, MEMORY),
            0,
            "{pages} pages, twelve of the recorder at most, room for 16"
        );
    }
    vm.host.plugin_pages = 120;
    load(&mut vm, 2, 10_000);
    assert_eq!(said(&vm, MEMORY), 1);
    assert_eq!(counters(&vm).fuse(), FuseReason::Memory);
    load(&mut vm, 400, 100_000);
    assert_eq!((said(&vm, MEMORY), said(&vm, AGAIN)), (1, 0));
}

#[test]
fn a_memory_that_never_grows_may_be_full() {
    let mut vm = Vm::start_with(&[(config::MEMORY_MAXIMUM, &44u32.to_le_bytes())], "");
    load(&mut vm, 10, 10_000);
    assert_eq!(counters(&vm).fuse(), FuseReason::None);
}
