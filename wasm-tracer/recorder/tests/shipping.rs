//! Every rule of shipping, as a script.

mod support;

use abi::{Callback, Hostcall};
use proto::v1::LostReason;
use recorder::UNTOUCHED;
use support::{ROOT, Vm, events};

/// A VM with something to ship, and its shipment in flight: the call id.
fn with_one_in_flight() -> (Vm, u32) {
    let mut vm = Vm::start();
    vm.small_request(2);
    vm.pass_millis(1000);
    let call = vm.host.in_flight.pop().expect("shipped in the tick");
    (vm, call)
}

/// Fills the buffer while nothing is answered, until segments have had to go.
fn overfill(vm: &mut Vm) {
    vm.call(Callback::ContextCreate, 5, [ROOT, 0, 0, 0], 0);
    for size in 0..9000 {
        vm.call(Callback::RequestBody, 5, [size, 1, 9, 9], 0);
    }
}

#[test]
fn nothing_leaves_but_from_the_tick() {
    let mut vm = Vm::start();
    vm.small_request(2);
    assert!(vm.host.sent.is_empty());
    vm.pass_millis(999);
    assert!(vm.host.sent.is_empty());
    vm.pass_millis(1);
    assert_eq!(vm.host.sent.len(), 1);
}

#[test]
fn a_batch_is_kept_until_it_is_accepted_and_sent_again_as_it_was() {
    let (mut vm, call) = with_one_in_flight();
    let first = vm.last_batch();
    vm.answer(call, 503);
    vm.pass_millis(3000);
    let again = &vm.host.sent[1].batch;
    assert_eq!((again.first_sequence, &again.events), (first.first_sequence, &first.events));
    assert_eq!(again.shipment, first.shipment);
    assert_eq!(again.known_until_micros, first.known_until_micros);
    vm.answer_all(200);
    vm.pass_millis(30_000);
    let resent = vm.host.sent.iter().skip(2).flat_map(|s| events(&s.batch)).count();
    assert_eq!(resent, 0, "accepted once, never sent again");
}

#[test]
fn an_unanswered_batch_is_sent_again_by_our_own_clock_and_a_late_answer_is_swallowed() {
    let (mut vm, call) = with_one_in_flight();
    vm.pass_millis(5500);
    assert!(vm.host.sent.iter().skip(1).all(|s| s.batch.events.is_empty()));
    vm.pass_millis(3500);
    let resent = vm.host.sent.iter().filter(|s| s.batch.first_sequence == 1).count();
    assert_eq!(resent, 2);
    vm.answer(call, 200);
    assert!(
        vm.host.logs.iter().any(|(level, line)| *level == 3 && line.contains("does not answer"))
    );
}

#[test]
fn what_a_root_s_end_cancels_is_sent_again_at_the_next_tick_of_another_and_is_no_failure() {
    let mut vm = Vm::start();
    vm.create_root(7);
    vm.small_request(2);
    // Whose timer it was, and so whose call it is, is the host's affair: let it be the one that ends.
    vm.pass_millis(999);
    vm.tick(ROOT);
    vm.pass_millis(5);
    vm.tick(ROOT);
    assert_eq!(vm.host.in_flight.len(), 1);
    vm.call(Callback::Done, ROOT, [0; 4], 1);
    vm.call(Callback::Delete, ROOT, [0; 4], 0);
    vm.host.in_flight.clear();
    vm.pass_millis(1000);
    let again = vm.host.sent.iter().filter(|s| s.batch.first_sequence == 1).count();
    assert_eq!(again, 2, "by the root that lives");
    vm.answer_all(200);
    vm.pass_millis(10_000);
    assert!(vm.host.logs.is_empty(), "{:?}", vm.host.logs);
    vm.answer_all(200);
    vm.pass_millis(1000);
    assert_eq!(vm.last_batch().counters.map_or(0, |c| c.batches_unanswered), 0);
}

#[test]
fn at_most_four_are_in_flight() {
    let mut vm = Vm::start();
    for context in 2..2000 {
        vm.small_request(context);
    }
    vm.pass_millis(5000);
    assert_eq!(vm.host.in_flight.len(), 4);
    let flying: Vec<_> = vm.host.sent.iter().map(|s| s.batch.in_flight).collect();
    assert_eq!(flying, [0, 1, 2, 3]);
    vm.answer_all(200);
    vm.pass_millis(2);
    assert!(!vm.host.in_flight.is_empty(), "a waiting segment leaves at once");
}

#[test]
fn failures_back_off_from_one_to_thirty_seconds() {
    let (mut vm, call) = with_one_in_flight();
    vm.answer(call, 504);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let since = vm.host.micros();
        vm.host.sent.clear();
        while vm.host.sent.is_empty() {
            vm.pass_millis(50);
        }
        waits.push((vm.host.sent[0].at - since) as f64 / 1e6);
        vm.answer_all(504);
    }
    for (wait, wanted) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]) {
        // ±20 %, and up to a period until the next tick.
        assert!(*wait >= wanted * 0.8 - 0.05 && *wait <= wanted * 1.2 + 1.1, "{waits:?}");
    }
}

#[test]
fn retry_after_is_obeyed() {
    for status in ["429", "503"] {
        let (mut vm, call) = with_one_in_flight();
        vm.answer_with(call, &[(":status", status), ("retry-after", "20")]);
        vm.pass_millis(19_900);
        assert_eq!(vm.host.sent.len(), 1);
        vm.pass_millis(1500);
        assert!(vm.host.sent.len() > 1);
    }
}

#[test]
fn a_wrong_token_waits_thirty_seconds_and_is_said_in_the_log_once() {
    for status in [401, 403] {
        let (mut vm, call) = with_one_in_flight();
        vm.answer(call, status);
        vm.pass_millis(29_000);
        assert_eq!(vm.host.sent.len(), 1);
        vm.pass_millis(2500);
        assert_eq!(vm.host.sent[1].batch.events, vm.host.sent[0].batch.events);
        vm.answer_all(status);
        let said = vm.host.logs.iter().filter(|(_, l)| l.contains("WASM_TRACER_TOKEN")).count();
        assert_eq!(said, 1, "once per WARN_SECONDS");
        for _ in 0..40 {
            vm.pass_millis(1000);
            vm.answer_all(status);
        }
        let said = vm.host.logs.iter().filter(|(_, l)| l.contains("WASM_TRACER_TOKEN")).count();
        assert_eq!(said, 2);
    }
}

#[test]
fn the_token_is_sent_as_bearer() {
    let mut vm =
        Vm::start_with(&[], "WASM_TRACER_TOKEN=s3cret WASM_TRACER_AUTHORITY=collector.local");
    vm.pass_millis(1000);
    let headers = &vm.host.sent[0].headers;
    assert!(headers.contains(&("authorization".into(), "Bearer s3cret".into())));
    assert!(headers.contains(&(":authority".into(), "collector.local".into())));
}

#[test]
fn variables_that_cannot_be_used_change_nothing_and_are_named_once() {
    let (cluster, token) = ("c".repeat(129), "t".repeat(257));
    let mut vm = Vm::start_with(
        &[],
        &format!(
            "WASM_TRACER_CLUSTER={cluster} WASM_TRACER_TOKEN={token} WASM_TRACER_RATE=10% \
             WASM_TRACER_ENABLED=maybe WASM_TRACER_FLUSH_MILLIS=500"
        ),
    );
    vm.small_request(2);
    vm.pass_millis(500);
    let sent = &vm.host.sent[0];
    assert_eq!(sent.cluster, "collector", "not another name, but the baked one");
    assert!(sent.headers.iter().all(|(name, _)| name != "authorization"));
    assert!(!sent.batch.events.is_empty(), "still enabled, and everything is recorded");
    let said: Vec<_> =
        vm.host.logs.iter().filter(|(_, line)| line.contains("does not use")).collect();
    assert_eq!((said.len(), said[0].0), (1, 3));
    let names = "WASM_TRACER_CLUSTER, WASM_TRACER_TOKEN, WASM_TRACER_RATE, WASM_TRACER_ENABLED:";
    assert!(said[0].1.contains(names), "{}", said[0].1);
    assert!(!said[0].1.contains("ttt"), "a token is never told");
    assert!(Vm::start_with(&[], "WASM_TRACER_RATE=.5 OTHER=x").host.logs.is_empty());
}

#[test]
fn what_is_refused_for_good_is_dropped_and_told() {
    for status in [400, 415, 422] {
        let (mut vm, call) = with_one_in_flight();
        let count = vm.last_batch().events.len() as u64;
        vm.answer(call, status);
        vm.pass_millis(1000);
        let batch = vm.last_batch();
        assert_eq!(batch.lost.len(), 1);
        let lost = &batch.lost[0];
        assert_eq!((lost.from_sequence, lost.to_sequence), (1, count));
        assert_eq!(lost.reason(), LostReason::Refused);
        let counters = batch.counters.expect("counters");
        assert_eq!((counters.events_lost, counters.batches_refused), (count, 1));
        vm.answer_all(200);
        vm.small_request(3);
        vm.pass_millis(1000);
        assert!(vm.last_batch().lost.is_empty(), "told once it was accepted");
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_once() {
    let mut vm = Vm::start();
    for context in 2..30 {
        vm.small_request(context);
    }
    vm.pass_millis(1000);
    let whole = vm.last_batch();
    let call = vm.host.in_flight.pop().expect("in flight");
    vm.answer(call, 413);
    vm.pass_millis(2);
    let halves: Vec<_> = vm.host.sent.iter().skip(1).map(|s| s.batch.clone()).collect();
    assert_eq!(halves.len(), 2);
    let flat = |reads: Vec<support::Read>| -> Vec<_> {
        reads.into_iter().map(|r| (r.sequence, r.entry, r.at, r.context, r.event.kind)).collect()
    };
    let joined: Vec<_> = halves.iter().flat_map(|b| flat(events(b))).collect();
    assert_eq!(joined, flat(events(&whole)));
    let streams: usize = halves.iter().map(|b| b.streams.len()).sum();
    assert_eq!(streams, whole.streams.len());
    vm.answer_all(413);
    vm.pass_millis(1000);
    let lost = &vm.last_batch().lost;
    assert_eq!((lost[0].from_sequence, lost[0].to_sequence), (1, whole.events.len() as u64));
}

#[test]
fn above_three_quarters_no_new_stream_is_recorded() {
    let mut vm = Vm::start();
    vm.host.dispatch_refused = Some((10, 0));
    for context in 2..4000 {
        vm.small_request(context);
    }
    vm.host.dispatch_refused = None;
    vm.pass_millis(40_000);
    let root = vm.last_batch().roots[0].clone();
    assert_eq!(root.streams, 3998);
    assert_eq!(root.streams, root.streams_recorded + root.streams_refused);
    assert!(root.streams_refused > 1000, "{root:?}");
    assert!(vm.last_batch().lost.is_empty(), "streams were refused before anything had to go");
}

#[test]
fn when_the_buffer_is_full_the_oldest_segments_go_and_are_told() {
    let mut vm = Vm::start();
    vm.host.dispatch_refused = Some((10, 0));
    overfill(&mut vm);
    vm.host.dispatch_refused = None;
    vm.drain();
    let batches = vm.batches();
    let lost = batches.iter().find_map(|b| b.lost.first().cloned()).expect("told");
    assert_eq!((lost.from_sequence, lost.reason()), (1, LostReason::BufferFull));
    let first = batches.iter().flat_map(events).map(|r| r.sequence).min().expect("events");
    assert_eq!(first, lost.to_sequence + 1, "exactly what is missing is told");
}

#[test]
fn a_segment_whose_bytes_had_to_go_in_flight_is_lost_only_if_it_did_not_arrive() {
    for (status, told) in [(200, false), (503, true)] {
        let mut vm = Vm::start();
        vm.small_request(2);
        vm.pass_millis(1000);
        let call = vm.host.in_flight.pop().expect("in flight");
        overfill(&mut vm);
        vm.answer(call, status);
        vm.pass_millis(2000);
        vm.drain();
        let first = vm.batches().iter().flat_map(|b| b.lost.clone()).map(|l| l.from_sequence).min();
        assert_eq!(first == Some(1), told, "answered {status}");
    }
}

#[test]
fn empty_batches_move_known_until_while_something_is_held_or_out() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call(Callback::RequestHeaders, 2, [9, 0, 0, 0], 1);
    vm.drain();
    vm.host.sent.clear();
    for _ in 0..5 {
        vm.pass_millis(1000);
        vm.answer_all(200);
    }
    assert_eq!(vm.host.sent.len(), 5, "every period while a stream is held");
    let batch = vm.last_batch();
    assert_eq!((batch.events.len(), batch.first_sequence), (0, 6));
    assert_eq!(batch.known_until_micros, vm.host.sent[4].at);
    vm.end(2);
    vm.drain();
    vm.host.sent.clear();
    for _ in 0..30 {
        vm.pass_millis(1000);
        vm.answer_all(200);
    }
    assert_eq!(vm.host.sent.len(), 3, "else every ten seconds");
}

#[test]
fn a_call_that_is_out_keeps_the_batches_coming_until_it_is_overdue() {
    let mut vm = Vm::start();
    vm.call_doing(Callback::QueueReady, ROOT, [1, 0, 0, 0], 0, |vm| vm.http_call("slow", 4, 3000));
    vm.drain();
    vm.host.sent.clear();
    for _ in 0..20 {
        vm.pass_millis(1000);
        vm.answer_all(200);
    }
    assert!(vm.host.sent.len() < 5, "its timeout and some grace lie behind");
}

#[test]
fn a_heartbeat_comes_also_when_recording_is_off() {
    let mut vm = Vm::start_with(&[], "WASM_TRACER_ENABLED=false");
    for context in 2..20 {
        vm.small_request(context);
    }
    for _ in 0..31 {
        vm.pass_millis(1000);
        vm.answer_all(200);
    }
    assert!((3..=4).contains(&vm.host.sent.len()));
    assert!(vm.batches().iter().all(|b| b.events.is_empty() && b.first_sequence == 1));
}

#[test]
fn a_filling_buffer_brings_the_tick_forward() {
    let mut vm = Vm::start();
    vm.pass_millis(1000);
    vm.answer_all(200);
    let before = vm.host.micros();
    for context in 2..300 {
        vm.small_request(context);
    }
    assert_eq!(vm.period(ROOT), 1);
    let filled = vm.host.micros();
    vm.pass_millis(2);
    assert!(vm.host.sent.len() > 1 && vm.host.sent[1].at <= filled + 2000);
    assert!(filled - before < 1_000_000);
    assert!(vm.period(ROOT) > 1, "and then it goes back");
}

#[test]
fn why_nothing_can_be_shipped_is_said_by_cause() {
    for (refused, said) in [
        ((2, 0), "does not know the cluster"),
        ((10, 0), "no healthy host"),
        ((10, UNTOUCHED), "capability restriction"),
    ] {
        let mut vm = Vm::start();
        vm.host.dispatch_refused = Some(refused);
        vm.small_request(2);
        vm.pass_millis(50_000);
        let lines: Vec<_> = vm.host.logs.iter().filter(|(_, l)| l.contains(said)).collect();
        assert_eq!(lines.len(), 1, "{said}: {:?}", vm.host.logs);
        assert!(lines[0].1.contains("\"collector\""));
    }
}

#[test]
fn a_host_that_forbids_the_hostcall_is_asked_again_only_after_minutes() {
    let mut vm = Vm::start();
    vm.host.dispatch_refused = Some((10, UNTOUCHED));
    vm.small_request(2);
    vm.pass_millis(1000);
    vm.host.dispatch_refused = None;
    vm.small_request(3);
    vm.pass_millis(200_000);
    assert!(vm.host.sent.is_empty());
    vm.pass_millis(200_000);
    assert!(!vm.host.sent.is_empty(), "a wrong guess heals");
}

#[test]
fn a_host_that_forbids_the_timer_is_not_asked_at_every_entry() {
    let mut vm = Vm::bare(&[], "");
    vm.host.timer_refused = true;
    vm.create_root(ROOT);
    for context in 2..50 {
        vm.small_request(context);
    }
    assert_eq!(vm.host.timers_asked, 1);
    let said = |(_, line): &&(u32, String)| line.contains("capability restriction");
    assert_eq!(vm.host.logs.iter().filter(said).count(), 1);
}

#[test]
fn a_plugin_s_own_timer_that_the_host_forbids_is_asked_for_once_each_time_the_plugin_asks() {
    let mut vm = Vm::bare(&[], "");
    vm.host.timer_refused = true;
    vm.create_root(ROOT);
    let ours = vm.host.timers_asked;
    for _ in 0..3 {
        vm.call_doing(Callback::QueueReady, ROOT, [1, 0, 0, 0], 0, |vm| {
            assert_eq!(vm.recorder.set_tick_period(50, &mut vm.host), 10);
        });
    }
    vm.call(Callback::Delete, ROOT, [0; 4], 0);
    assert_eq!(vm.host.timers_asked, ours + 3);
    vm.create_root(7);
    vm.host.timer_refused = false;
    vm.call_doing(Callback::QueueReady, 7, [1, 0, 0, 0], 0, |vm| {
        assert_eq!(vm.recorder.set_tick_period(50, &mut vm.host), 0);
    });
    vm.pass_millis(1500);
    assert!(!vm.plugin_ticks.is_empty() && !vm.host.sent.is_empty(), "allowed again, all goes on");
}

#[test]
fn readings_that_the_host_forbids_are_asked_again_only_after_minutes() {
    let mut vm = Vm::bare(&[], "");
    vm.host.wall_only = true;
    vm.host.pairs_refused = Some(10);
    vm.host.properties_refused = Some(10);
    vm.create_root(ROOT);
    let ask = |vm: &mut Vm, first: u32| {
        for context in first..first + 20 {
            vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
            vm.call(Callback::RequestHeaders, context, [9, 1, 0, 0], 1);
            vm.end(context);
        }
        (vm.host.clock_reads, vm.host.header_reads, vm.host.property_reads)
    };
    assert_eq!(ask(&mut vm, 2), (1, 1, 1));
    vm.host.pass_micros(301_000_000);
    assert_eq!(ask(&mut vm, 100), (1, 2, 2));
    vm.host.pass_micros(301_000_000);
    (vm.host.pairs_refused, vm.host.properties_refused) = (None, None);
    ask(&mut vm, 200);
    vm.drain();
    let streams: Vec<_> = vm.batches().into_iter().flat_map(|b| b.streams).collect();
    assert!(streams.iter().any(|s| s.path == "/orders/17"), "allowed again, both are read");
    assert!(streams.iter().any(|s| !s.properties.is_empty()));
}

#[test]
fn each_segment_claims_completeness_only_up_to_the_oldest_open_invocation() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    assert!(vm.enter(Callback::RequestBody, 2, [1, 1, 0, 0]));
    let entered = vm.host.micros();
    for _ in 0..3000 {
        vm.host.pass_micros(10);
        vm.hostcall(Hostcall::SetEffectiveContext, 0, &[2]);
    }
    vm.leave(Callback::RequestBody, 2, 0);
    vm.drain();
    let first = &vm.host.sent[0].batch;
    assert!(first.known_until_micros < entered, "the invocation around them is not written yet");
}

#[test]
fn the_answer_to_a_refused_dispatch_that_got_an_id_never_reaches_the_plugin() {
    let mut vm = Vm::start();
    vm.host.dispatch_refused = Some((10, 4));
    vm.small_request(2);
    vm.pass_millis(1000);
    assert!(!vm.enter(Callback::HttpCallResponse, ROOT, [4, 0, 0, 0]));
    assert!(vm.enter(Callback::HttpCallResponse, ROOT, [8, 0, 0, 0]), "another's does");
    vm.leave(Callback::HttpCallResponse, ROOT, 0);
    vm.call_doing(Callback::QueueReady, ROOT, [1, 0, 0, 0], 0, |vm| vm.http_call("slow", 4, 9));
    assert!(vm.enter(Callback::HttpCallResponse, ROOT, [4, 0, 0, 0]), "the plugin's own call now");
}

#[test]
fn a_refused_dispatch_without_an_id_takes_no_call_from_the_plugin() {
    for call in [0, UNTOUCHED] {
        let mut vm = Vm::start();
        vm.host.dispatch_refused = Some((10, call));
        vm.small_request(2);
        vm.pass_millis(1000);
        assert!(vm.enter(Callback::HttpCallResponse, ROOT, [call, 0, 0, 0]));
    }
}
