//! Streams that were not chosen: kept aside, and promoted when something makes them worth having.

mod support;

use abi::{Callback, Hostcall};
use proptest::prelude::*;
use proto::v1::{Batch, Counters, Lost, LostReason, Mark};
use support::{ROOT, Read, Vm, events};

const STREAM: u32 = 2;

fn vm() -> Vm {
    Vm::start_with(&[], "WASM_TRACER_RATE=0")
}

/// All events of streams that were shipped, in the order in which they happened.
fn of_streams(vm: &mut Vm) -> Vec<Read> {
    vm.drain();
    let mut all: Vec<Read> = vm.batches().iter().flat_map(events).collect();
    let answers: Vec<u64> = all.iter().filter(|e| e.event.call != 0).map(|e| e.entry).collect();
    all.retain(|e| e.context != ROOT || answers.contains(&e.entry));
    all.sort_by_key(|e| (e.entry, Hostcall::from_number(e.event.kind).is_some(), e.sequence));
    all
}

/// Their names, for comparison.
fn story(events: &[Read]) -> Vec<&'static str> {
    events
        .iter()
        .map(|e| match Callback::from_number(e.event.kind) {
            Some(callback) => callback.row().name,
            None => Hostcall::from_number(e.event.kind).map_or("?", |h| h.row().name),
        })
        .collect()
}

fn is_promoted(event: &Read) -> bool {
    event.event.marks & Mark::Promoted as u32 != 0
}

fn begins(vm: &mut Vm, context: u32) {
    vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
}

/// A request whose body phase calls and stops.
fn calls_and_waits(vm: &mut Vm, context: u32, call: u32) {
    begins(vm, context);
    vm.call(Callback::RequestHeaders, context, [9, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestBody, context, [9, 1, 0, 0], 1, |vm| {
        vm.http_call("auth", call, 500);
    });
}

fn is_answered(vm: &mut Vm, context: u32, call: u32, headers: u32) {
    vm.host.response = vec![(":status".into(), "200".into())];
    vm.call_doing(Callback::HttpCallResponse, ROOT, [call, headers, 2, 0], 0, |vm| {
        vm.hostcall(Hostcall::SetEffectiveContext, 0, &[context]);
        vm.hostcall(Hostcall::ContinueStream, 0, &[0]);
    });
}

/// What the last counters say.
fn counters(vm: &Vm) -> Counters {
    vm.batches().into_iter().rev().find_map(|batch| batch.counters).expect("counters")
}

const WAITED: [&str; 4] = ["create", "request_headers", "request_body", "http_call"];
const ENDED: [&str; 3] = ["log", "done", "delete"];

#[test]
fn what_goes_as_it_should_is_counted_and_forgotten() {
    let mut vm = vm();
    vm.small_request(STREAM);
    calls_and_waits(&mut vm, STREAM + 1, 900);
    is_answered(&mut vm, STREAM + 1, 900, 5);
    vm.call(Callback::ResponseHeaders, STREAM + 1, [5, 0, 0, 0], 0);
    vm.end(STREAM + 1);
    assert_eq!(story(&of_streams(&mut vm)), [""; 0]);
    let root = vm.last_batch().roots[0].clone();
    assert_eq!((root.streams, root.streams_recorded, root.streams_refused), (2, 0, 0));
    let counters = counters(&vm);
    assert_eq!(counters.calls[0].count, 1);
    assert_eq!((counters.streams_not_watched, counters.skeleton_bytes), (0, 64 << 10));
}

#[test]
fn a_stream_that_hangs_is_promoted_in_the_tick_after_a_second_and_recorded_from_there() {
    let mut vm = vm();
    calls_and_waits(&mut vm, STREAM, 900);
    let since = vm.host.micros();
    vm.pass_millis(2_200);
    let batch = vm
        .host
        .sent
        .iter()
        .find(|sent| sent.batch.events.iter().any(|e| e.marks & Mark::Promoted as u32 != 0))
        .expect("it was promoted");
    assert!(batch.at - since <= 2_200_000, "after {} µs", batch.at - since);
    assert_eq!(
        story(&events(&batch.batch)),
        ["create", "request_headers", "http_call", "request_body"]
    );
    is_answered(&mut vm, STREAM, 900, 5);
    vm.end(STREAM);
    let all = of_streams(&mut vm);
    let rest = ["http_call_response", "set_effective_context", "continue_stream"];
    assert_eq!(story(&all), [&WAITED[..], &rest, &ENDED].concat());
    assert_eq!(all.iter().filter(|e| is_promoted(e)).count(), 4);
    assert_eq!(vm.last_batch().roots[0].streams_recorded, 1);
    // Its dispatch, and the entry that stopped, have the time at which they were.
    let dispatch = &all[3];
    assert_eq!(dispatch.event.text, b"auth");
    assert_eq!((dispatch.at, all[2].at), (since, since));
}

#[test]
fn a_call_that_is_out_at_the_end_is_late_or_lost_and_either_is_kept() {
    let mut vm = vm();
    calls_and_waits(&mut vm, STREAM, 900);
    vm.call(Callback::ResponseBody, STREAM, [5, 1, 0, 0], 0);
    vm.end(STREAM);
    vm.pass_millis(300);
    is_answered(&mut vm, STREAM, 900, 5);
    let all = of_streams(&mut vm);
    let late = ["http_call_response", "set_effective_context", "continue_stream"];
    assert_eq!(story(&all), [&WAITED[..], &["response_body"], &ENDED, &late].concat());
    let batches = vm.batches();
    let named = batches.iter().flat_map(|b| &b.streams).find(|s| s.context == STREAM);
    let named = named.expect("it is named at its end");
    assert_eq!(named.path, "/orders/17");
    assert!(!named.properties.is_empty());
}

#[test]
fn a_call_that_is_refused_or_fails_promotes_its_stream() {
    let mut vm = vm();
    begins(&mut vm, STREAM);
    vm.call_doing(Callback::RequestHeaders, STREAM, [9, 1, 0, 0], 0, |vm| {
        vm.hostcall(Hostcall::HttpCall, 2, &[0; 10]);
    });
    vm.end(STREAM);
    calls_and_waits(&mut vm, STREAM + 1, 900);
    is_answered(&mut vm, STREAM + 1, 900, 0);
    vm.end(STREAM + 1);
    let all = of_streams(&mut vm);
    let refused = ["create", "request_headers", "http_call"];
    let failed = ["http_call_response", "set_effective_context", "continue_stream"];
    assert_eq!(story(&all), [&refused[..], &ENDED, &WAITED, &failed, &ENDED].concat());
    assert!(!is_promoted(&all[2]), "what promotes it is recorded itself");
}

#[test]
fn an_answer_while_the_request_is_held_promotes_it() {
    let mut vm = vm();
    begins(&mut vm, STREAM);
    vm.call(Callback::RequestHeaders, STREAM, [9, 0, 0, 0], 0);
    vm.call(Callback::RequestBody, STREAM, [9, 1, 0, 0], 1);
    vm.call(Callback::ResponseHeaders, STREAM, [5, 0, 0, 0], 0);
    vm.end(STREAM);
    let whole = ["create", "request_headers", "request_body", "response_headers"];
    assert_eq!(story(&of_streams(&mut vm)), [&whole[..], &ENDED].concat());
}

#[test]
fn what_lets_go_while_a_call_is_out_promotes_it() {
    let mut vm = vm();
    calls_and_waits(&mut vm, STREAM, 900);
    vm.call(Callback::RequestBody, STREAM, [9, 1, 0, 0], 0);
    calls_and_waits(&mut vm, STREAM + 1, 904);
    vm.call_doing(Callback::RequestBody, STREAM + 1, [9, 1, 0, 0], 1, |vm| {
        vm.hostcall(Hostcall::ContinueStream, 0, &[0]);
    });
    let all = of_streams(&mut vm);
    let mine = |context| all.iter().filter(|e| e.context == context).cloned().collect::<Vec<_>>();
    assert_eq!(story(&mine(STREAM)), [&WAITED[..], &["request_body"]].concat());
    let resumed = ["request_body", "continue_stream"];
    assert_eq!(story(&mine(STREAM + 1)), [&WAITED[..], &resumed].concat());
}

#[test]
fn an_answer_of_the_plugins_own_promotes_it_where_it_is_too_late_or_the_second() {
    let mut vm = vm();
    let reply =
        |vm: &mut Vm| vm.hostcall(Hostcall::SendLocalResponse, 0, &[403, 0, 0, 0, 0, 0, 0, 0]);
    begins(&mut vm, STREAM);
    vm.call(Callback::RequestHeaders, STREAM, [9, 1, 0, 0], 0);
    vm.call(Callback::ResponseHeaders, STREAM, [9, 1, 0, 0], 0);
    vm.call_doing(Callback::ResponseBody, STREAM, [9, 1, 0, 0], 0, reply);
    begins(&mut vm, STREAM + 1);
    vm.call_doing(Callback::RequestHeaders, STREAM + 1, [9, 1, 0, 0], 1, |vm| {
        reply(vm);
        reply(vm);
    });
    begins(&mut vm, STREAM + 2);
    vm.call_doing(Callback::RequestHeaders, STREAM + 2, [9, 1, 0, 0], 1, reply);
    let all = of_streams(&mut vm);
    let mine = |context| all.iter().filter(|e| e.context == context).cloned().collect::<Vec<_>>();
    assert_eq!(mine(STREAM).len(), 5);
    assert_eq!(mine(STREAM + 1).len(), 4);
    assert_eq!(mine(STREAM + 2).len(), 0);
}

#[test]
fn a_line_that_speaks_of_a_panic_promotes_it_with_the_whole_line() {
    let mut vm = vm();
    let line = format!("panic: {}", "x".repeat(200));
    begins(&mut vm, STREAM);
    vm.call_doing(Callback::RequestHeaders, STREAM, [9, 1, 0, 0], 0, |vm| {
        vm.log(4, &"before ".repeat(20));
        vm.log(4, &line);
    });
    let all = of_streams(&mut vm);
    assert_eq!(story(&all), ["create", "request_headers", "log_line", "log_line"]);
    assert_eq!(all[2].event.text.len(), 96);
    assert!(all[2].event.marks & Mark::TextCut as u32 != 0);
    assert_eq!(all[3].event.text, line.as_bytes());
}

#[test]
fn what_a_skeleton_did_not_hold_is_told_as_lost_of_this_stream_alone() {
    let mut vm = vm();
    calls_and_waits(&mut vm, STREAM, 900);
    for _ in 0..200 {
        vm.call(Callback::RequestBody, STREAM, [9, 0, 0, 0], 1);
    }
    vm.end(STREAM);
    let all = of_streams(&mut vm);
    let last_kept = all.iter().filter(|e| is_promoted(e)).map(|e| e.sequence).max();
    let lost: Vec<_> = vm.batches().iter().flat_map(|b| b.lost.clone()).collect();
    assert!(!lost.is_empty());
    for lost in lost {
        assert_eq!(Some(lost.from_sequence), last_kept.map(|last| last + 1));
        assert_eq!(lost.from_sequence, lost.to_sequence);
        assert_eq!((lost.reason(), lost.contexts), (LostReason::Skeleton, vec![STREAM]));
    }
    assert_eq!(story(&all[all.len() - 3..]), ENDED);
}

#[test]
fn what_another_context_does_to_it_is_told_as_lost() {
    let mut vm = vm();
    calls_and_waits(&mut vm, STREAM, 900);
    vm.call_doing(Callback::QueueReady, ROOT, [1, 0, 0, 0], 0, |vm| {
        vm.hostcall(Hostcall::SetEffectiveContext, 0, &[STREAM]);
        vm.hostcall(Hostcall::GetProperty, 0, &[0; 4]);
    });
    vm.pass_millis(2_200);
    let batches = vm.batches();
    let lost = batches.iter().flat_map(|b| &b.lost).next().expect("a loss");
    assert_eq!((lost.reason(), &lost.contexts[..]), (LostReason::Skeleton, &[STREAM][..]));
}

#[test]
fn what_an_invocation_kept_nowhere_does_to_a_recorded_stream_is_told_as_lost_of_it() {
    let mut vm = vm();
    calls_and_waits(&mut vm, STREAM, 900);
    vm.pass_millis(2_200);
    // Its skeleton would lie in a second page.
    let unwatched = STREAM + 64;
    vm.host.most_skeletons = 64;
    begins(&mut vm, unwatched);
    vm.call_doing(Callback::RequestHeaders, unwatched, [9, 0, 0, 0], 0, |vm| {
        vm.hostcall(Hostcall::SetEffectiveContext, 0, &[STREAM]);
        vm.hostcall(Hostcall::ContinueStream, 0, &[0]);
    });
    vm.end(STREAM);
    let all = of_streams(&mut vm);
    assert_eq!(story(&all), [&WAITED[..], &ENDED].concat());
    let number = all[..4].iter().map(|e| e.sequence).max().expect("what was promoted") + 1;
    assert_eq!(all[4].sequence, number + 1);
    let lost = Lost {
        from_sequence: number,
        to_sequence: number,
        reason: LostReason::Skeleton.into(),
        contexts: vec![STREAM],
    };
    let mut told: Vec<_> = vm.batches().iter().flat_map(|b| b.lost.clone()).collect();
    told.dedup();
    assert_eq!(told, [lost]);
    let counters = counters(&vm);
    assert_eq!((counters.streams_not_watched, counters.events_lost), (1, 0));
}

#[test]
fn what_skeletons_did_not_hold_counts_as_no_lost_event_and_blows_no_fuse() {
    let mut vm = vm();
    let streams = STREAM..STREAM + 20;
    for (context, call) in streams.clone().zip((900..).step_by(4)) {
        calls_and_waits(&mut vm, context, call);
        for _ in 0..200 {
            vm.call(Callback::RequestBody, context, [9, 0, 0, 0], 1);
        }
        vm.pass_millis(2_000);
        vm.answer_all(200);
    }
    let mut lost: Vec<u32> =
        vm.batches().iter().flat_map(|b| &b.lost).flat_map(|l| l.contexts.clone()).collect();
    lost.dedup();
    assert_eq!(lost, streams.collect::<Vec<_>>(), "a loss every two seconds");
    let counters = counters(&vm);
    assert_eq!((counters.events_lost, counters.fuse_trips), (0, 0));
}

#[test]
fn without_memory_for_its_skeleton_a_stream_is_not_watched() {
    let mut vm = vm();
    vm.host.most_skeletons = 0;
    calls_and_waits(&mut vm, STREAM, 900);
    vm.pass_millis(2_200);
    vm.end(STREAM);
    assert_eq!(story(&of_streams(&mut vm)), [""; 0]);
    let counters = counters(&vm);
    assert_eq!((counters.streams_not_watched, counters.skeleton_bytes), (1, 0));
}

#[test]
fn a_trap_brings_along_who_is_held() {
    let mut vm = vm();
    calls_and_waits(&mut vm, STREAM, 900);
    begins(&mut vm, STREAM + 1);
    vm.enter(Callback::RequestHeaders, STREAM + 1, [9, 1, 0, 0]);
    vm.recorder.trap(&mut vm.host);
    let mut told = Vec::new();
    for batch in vm.batches() {
        told.extend(events(&batch).iter().map(|e| e.context));
    }
    assert!(told.contains(&STREAM) && told.contains(&(STREAM + 1)), "{told:?}");
}

/// What the host could do to one of a few streams.
#[derive(Clone, Debug)]
enum Act {
    Phase(u32, u8, u32),
    Call(u32),
    Answer(u8, u32),
    End(u32),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let stream = || 0u32..4;
    prop_oneof![
        6 => (stream(), 0u8..4, 0u32..3).prop_map(|(s, p, r)| Act::Phase(s, p, r)),
        3 => stream().prop_map(Act::Call),
        3 => (any::<u8>(), 0u32..4).prop_map(|(c, h)| Act::Answer(c, h)),
        2 => stream().prop_map(Act::End),
        2 => (1u64..900).prop_map(Act::Pass),
    ]
}

/// Plays a script; the batches that left.
fn played(acts: &[Act], rate: &str) -> (Vec<Batch>, Vec<Read>) {
    let mut vm = Vm::start_with(&[], &format!("WASM_TRACER_RATE={rate} WASM_TRACER_NAME_EARLY=0"));
    // One and the same id in all runs, so that runs compare; shipments use others.
    let mut calls: Vec<(u32, u32)> = Vec::new();
    let (mut next_call, mut next_context) = (1 << 20, STREAM);
    let mut open = [0u32; 4];
    for act in acts {
        let mut ensure = |vm: &mut Vm, at: u32| {
            let place = &mut open[at as usize];
            if *place == 0 {
                *place = next_context;
                next_context += 1;
                begins(vm, *place);
            }
            *place
        };
        match *act {
            Act::Phase(stream, phase, result) => {
                let context = ensure(&mut vm, stream);
                let phases = [
                    Callback::RequestHeaders,
                    Callback::RequestBody,
                    Callback::ResponseHeaders,
                    Callback::ResponseBody,
                ];
                vm.call(phases[usize::from(phase)], context, [9, 0, 0, 0], result);
            }
            Act::Call(stream) => {
                let context = ensure(&mut vm, stream);
                let call = next_call;
                next_call += 4;
                vm.call_doing(Callback::RequestBody, context, [9, 1, 0, 0], 1, |vm| {
                    let next = vm.host.next_call;
                    vm.http_call("auth", call, 100_000);
                    vm.host.next_call = next;
                });
                calls.push((call, context));
            }
            Act::Answer(which, headers) if !calls.is_empty() => {
                let (call, context) = calls.remove(usize::from(which) % calls.len());
                is_answered(&mut vm, context, call, headers);
            }
            Act::Answer(..) => {}
            Act::End(stream) => {
                let place = &mut open[stream as usize];
                if *place != 0 {
                    vm.end(std::mem::take(place));
                }
            }
            Act::Pass(millis) => {
                vm.answer_all(200);
                vm.pass_millis(millis);
            }
        }
    }
    let all = of_streams(&mut vm);
    (vm.batches(), all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of a stream that was promoted everything is there that would be had it been chosen: the same events
    /// in the same order, or a number that is told as lost of it.
    #[test]
    fn a_promoted_stream_has_all_that_a_chosen_one_has(acts in prop::collection::vec(act(), 1..80)) {
        let (_, chosen) = played(&acts, "1");
        let (batches, promoted) = played(&acts, "0");
        let lost: Vec<u32> = batches.iter().flat_map(|b| &b.lost).flat_map(|l| l.contexts.clone()).collect();
        // An answer, and what is done in it, is of the stream whose call it answers.
        let owner = |all: &[Read], e: &Read| match e.context {
            ROOT => {
                let answer = all.iter().find(|a| a.entry == e.entry && a.event.call != 0);
                let call = answer.map_or(0, |a| a.event.call);
                let is_dispatch = |d: &&Read| d.event.kind == Hostcall::HttpCall.number() && d.event.call == call;
                all.iter().find(is_dispatch).map_or(0, |d| d.context)
            }
            context => context,
        };
        let mut contexts: Vec<u32> = promoted.iter().map(|e| e.context).filter(|c| *c != ROOT).collect();
        contexts.sort_unstable();
        contexts.dedup();
        for context in contexts.into_iter().filter(|c| !lost.contains(c)) {
            let of = |all: &[Read]| -> Vec<_> {
                let mine = all.iter().filter(|e| owner(all, e) == context);
                mine.map(|e| (e.event.kind, e.event.result, e.event.call, e.event.args.clone())).collect()
            };
            prop_assert_eq!(of(&promoted), of(&chosen), "stream {}", context);
        }
        // What is promoted is in one batch, with its beginning.
        let created: Vec<&Read> = promoted.iter().filter(|e| e.event.kind == Callback::ContextCreate.number()).collect();
        for create in created {
            let first = batches.iter().find(|b| events(b).iter().any(|e| e.sequence == create.sequence));
            let with = first.map(events).unwrap_or_default();
            let mine = promoted.iter().filter(|e| is_promoted(e) && owner(&promoted, e) == create.context);
            for event in mine {
                prop_assert!(with.iter().any(|e| e.sequence == event.sequence), "apart from its beginning");
            }
        }
    }
}
