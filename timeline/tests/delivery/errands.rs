//! What roots do is told as timelines of their own: the life of each, and its errands.

use timeline::event::Event;
use timeline::ids::{CallId, ContextId, Entry, Micros, Sequence};
use timeline::timeline::Timeline;
use timeline::{Instance, Reason, State, Update, codec, script};

use super::recording::*;

const ROOT: &str = r#"0.100000 #1 create 1
0.100100 #2 vm_start root 1
0.100200 #4 configure root 1
0.100300 #3   dispatch http "keys" timeout=1s -> ok call 4
0.200000 #5 http_call_response root 1 call 4 headers=3 code=200
"#;

const STREAM: &str = r#"0.300000 #6 create 2 root 1
0.400000 #7 request_headers 2 n=1 -> continue
0.410000 #9 request_body 2 size=3 end -> pause
0.410001 #8   dispatch http "slow" timeout=300s -> ok call 8
0.500000 #10 log 2
0.500100 #11 done 2
0.500200 #12 delete 2
"#;

const TICKS: &str = r#"1.000000 #13 tick root 1
2.000000 #15 tick root 1
2.000000 #14   dispatch http "nowhere" pseudo=7 timeout=5s -> bad_argument
3.000000 #17 tick root 1
3.000001 #16   dispatch http "slow" timeout=1s -> ok call 12
4.000000 #19 http_call_response root 1 call 12 headers=4 code=504 failure=1
4.000001 #18   dispatch http "slow" timeout=20s -> ok call 16
"#;

const END: &str = "9.000000 #20 done 1\n9.100000 #21 delete 1\n";

fn all_of_it() -> String {
    format!("{ROOT}{STREAM}{TICKS}{END}")
}

fn numbers(timeline: &Timeline) -> Vec<u64> {
    timeline.events.iter().map(|e| e.sequence.0).collect()
}

fn codes(timeline: &Timeline) -> Vec<&str> {
    timeline.findings.iter().map(|f| f.code.as_str()).collect()
}

#[test]
fn a_root_has_a_life_and_an_errand_for_each_other_invocation_that_dispatches() {
    let text = all_of_it();
    let seen = Seen::of(batches(&record_whole(&text), &[]));
    let find = |context, generation| {
        let of = |t: &&Timeline| t.context == ContextId(context) && t.generation == generation;
        seen.last.values().find(of).unwrap_or_else(|| panic!("no {context}, {generation}"))
    };
    assert_eq!(seen.last.len(), 4, "life, stream, two errands; the tick that did nothing is none");
    let life = find(1, 0);
    assert_eq!(numbers(life), [1, 2, 4, 3, 5, 20, 21]);
    assert_eq!((life.calls.len(), life.state), (1, State::Closed(Reason::RootEnded)));
    assert!(life.is_root() && !life.is_errand() && life.begins());
    assert_eq!(life.root_phrase().as_deref(), Some("root of body-call (life)"));
    assert!(
        find(2, 0).events.ends_with(&life.events[5..6]),
        "its call was out when the root ended"
    );
    let rejected = find(1, 12);
    assert_eq!((numbers(rejected), codes(rejected)), (vec![15, 14], vec!["dispatch-rejected"]));
    assert_eq!(rejected.root_phrase().as_deref(), Some("root of body-call (tick)"));
    let chain = find(1, 13);
    assert_eq!(numbers(chain), [17, 16, 19, 18, 20]);
    assert_eq!(
        (chain.calls.len(), codes(chain)),
        (2, vec!["call-timeout", "root-shutdown-cancelled"])
    );
    for timeline in seen.last.values() {
        let text = script::print(timeline);
        assert_eq!(script::parse(&text).as_ref(), Ok(timeline), "{text}");
        assert_eq!(codec::decode(&codec::encode(timeline)).as_ref(), Ok(timeline), "{text}");
    }
}

#[test]
fn however_the_events_of_a_root_are_cut_to_batches_its_timelines_are_the_same() {
    let text = all_of_it();
    let events = record_whole(&text);
    let whole = Seen::of(batches(&events, &[])).comparable();
    for cut in 1..events.len() {
        assert_eq!(Seen::of(batches(&events, &[cut])).comparable(), whole, "cut at {cut}");
    }
    let each: Vec<usize> = (0..events.len()).collect();
    assert_eq!(Seen::of(batches(&events, &each)).comparable(), whole, "an event a batch");
}

#[test]
fn of_a_root_that_calls_nobody_nothing_is_told_and_it_is_no_stream() {
    let quiet =
        "0.1 #1 create 1\n0.2 #2 vm_start root 1\n0.3 #3 configure root 1\n0.4 #4 tick root 1";
    let mut instance = Instance::new(INSTANCE);
    let events = record_whole(quiet);
    assert!(instance.deliver(batch(&events, 1, Micros(500_000)), Micros(500_000)).is_empty());
    assert!(instance.advance(Micros(100_000_000)).is_empty());
    let status = instance.status();
    assert_eq!((status.streams_seen, status.open_timelines), (0, 0));
    assert!(status.silence.is_none() && instance.evict().is_none());
}

#[test]
fn a_call_of_a_root_that_is_out_is_an_open_timeline_and_no_silent_stream() {
    let mut instance = Instance::new(INSTANCE);
    let out = "0.1 #1 create 1\n0.3 #3 configure root 1\n0.3 #2   dispatch http \"keys\" timeout=none -> ok call 4";
    let events = record_whole(out);
    let updates = instance.deliver(batch(&events, 1, Micros(500_000)), Micros(500_000));
    assert_eq!(updates.len(), 1);
    assert_eq!((updates[0].state, updates[0].revision), (State::Open, 1));
    assert!(instance.advance(Micros(100_000_000)).is_empty());
    assert!(instance.status().silence.is_none());
    assert_eq!(instance.status().open_timelines, 1);
    let idle = instance.advance(Micros(700_000_000));
    assert_eq!(idle[0].state, State::Closed(Reason::Idle));
    // The life goes on all the same.
    let events = record_whole(&format!("{out}\n900.0 #4 delete 1"));
    let end = instance.deliver(batch(&events[3..], 4, Micros(901_000_000)), Micros(901_000_000));
    assert_eq!(end[0].snapshot.events.len(), 4);
    assert_eq!((end[0].id, end[0].revision), (idle[0].id, 3));
}

#[test]
fn a_plugin_that_calls_again_from_each_callback_has_timelines_of_a_size() {
    let mut text = String::from("0.1 #1 create 1\n0.2 #3 tick root 1\n");
    text += "0.2 #2   dispatch http \"feed\" timeout=1s -> ok call 1\n";
    for at in 1..2_000 {
        let (hostcall, invocation) = (at * 2 + 2, at * 2 + 3);
        text += &format!(
            "{at}.2 #{invocation} http_call_response root 1 call {at} headers=3 code=200\n"
        );
        text += &format!(
            "{at}.2 #{hostcall}   dispatch http \"feed\" timeout=1s -> ok call {}\n",
            at + 1
        );
    }
    let events = record_whole(&text);
    let seen = Seen::of(batches(&events, &[]));
    let longest = seen.last.values().map(|t| t.events.len()).max().expect("timelines");
    assert!((100..300).contains(&longest), "{longest} events in one timeline");
    let calls = seen.last.values().flat_map(|t| &t.calls);
    let mut answered: Vec<CallId> =
        calls.clone().filter(|c| c.outcome.answer().is_some()).map(|c| c.id).collect();
    answered.sort_unstable();
    assert!(answered.iter().map(|id| id.0).eq(1..2_000), "each call is told once, with its answer");
    assert_eq!(calls.count(), 2_000);
    for cuts in [vec![777], vec![100, 1_500, 3_000]] {
        let again = Seen::of(batches(&events, &cuts));
        assert_eq!(again.comparable(), seen.comparable(), "cut at {cuts:?}");
    }
}

#[test]
fn a_stream_that_is_read_for_ever_does_not_grow_the_life_of_its_root() {
    let mut text = String::from("0.1 #1 create 1\n0.2 #3 configure root 1\n");
    text += "0.2 #2   dispatch grpc_stream \"feed\" -> ok call 6\n";
    for at in 1..1_000 {
        text += &format!("{at}.2 #{} grpc_receive root 1 call 6 size=9\n", at + 3);
    }
    text += "1000.2 #1003 grpc_close root 1 call 6 status=14\n";
    let seen = Seen::of(batches(&record_whole(&text), &[]));
    assert_eq!(seen.last.len(), 1);
    let life = seen.last.values().next().expect("the life");
    assert!(life.events.len() < 300, "{} events", life.events.len());
    assert!(life.calls[0].outcome.answer().is_some(), "{:?}", life.calls);
}

#[test]
fn an_instance_of_days_forgets_the_errands_that_are_done() {
    let mut instance = Instance::new(INSTANCE);
    let mut create = record_whole("0.1 #1 create 1");
    let mut told = 0;
    let tick = record_whole(
        "0.1 #1 create 1\n0.2 #3 tick root 1\n0.2 #2   dispatch http \"dead\" timeout=none -> ok call 9",
    );
    for second in 1..5_000_u64 {
        let now = Micros(second * 1_000_000);
        for event in &tick[1..] {
            let mut event = event.clone();
            (event.at, event.entry) = (now, Entry(second + 1));
            event.sequence = Sequence(second * 2 + event.sequence.0 - 2);
            event.call = CallId(if event.call.0 == 0 { 0 } else { second as u32 });
            create.push(event);
        }
        let first = create[0].sequence.0;
        told += instance.deliver(batch(&std::mem::take(&mut create), first, now), now).len();
    }
    let open = instance.status().open_timelines;
    assert!((500..700).contains(&open), "{open} open: each is given up after ten minutes");
    assert!(told > 9_000, "{told} updates");
}

#[test]
fn a_batch_of_a_root_that_comes_after_its_gap_was_declared_fills_it() {
    let text = all_of_it();
    let events = record_whole(&text);
    let whole = Seen::of(batches(&events, &[])).comparable();
    let second = |seconds: u64| Micros(seconds * 1_000_000);
    for late in [0..1, 2..5, 13..15, 15..17, 15..19, 17..19, 19..20, 19..21] {
        let mut instance = Instance::new(INSTANCE);
        let mut seen = Seen::default();
        let kept = |range: std::ops::Range<usize>| {
            batch(&events[range.clone()], range.start as u64 + 1, second(12))
        };
        seen.take(instance.deliver(kept(0..late.start), second(12)));
        seen.take(instance.deliver(kept(late.end..events.len()), second(12)));
        seen.take(instance.advance(second(23)));
        seen.take(instance.deliver(kept(late.clone()), second(24)));
        seen.take(instance.advance(second(700)));
        assert_eq!(seen.comparable(), whole, "{late:?} came late");
        assert!(instance.status().gaps.is_empty(), "{late:?}");
    }
}

/// What a recorder says each second of a VM that takes so many pages for each stream, up to so many streams.
fn say_memory(instance: &mut Instance, second: u64, pages: u64, up_to: u64) -> Vec<Update> {
    let now = Micros(second * 1_000_000);
    let events = record_whole("0.1 #1 create 1\n0.2 #2 configure root 1");
    let mut said = match second {
        1 => batch(&events, 1, now),
        _ => batch(&[], 3, now),
    };
    let streams = second * 50;
    said.memory_pages = (20 + streams.min(up_to) * pages) as u32;
    said.roots[0].streams = streams;
    instance.deliver(said, now)
}

#[test]
fn memory_that_grows_with_every_stream_is_found_once_and_again_only_when_it_is_much_more() {
    let mut instance = Instance::new(INSTANCE);
    let told = (1..=600).flat_map(|second| say_memory(&mut instance, second, 1, u64::MAX));
    let told: Vec<Update> = told.collect();
    assert!((10..60).contains(&told.len()), "{} updates in ten minutes", told.len());
    let (first, last) = (&told[0].snapshot, &told[told.len() - 1].snapshot);
    assert_eq!((codes(first), told[0].revision), (vec!["memory-growth"], 1));
    assert!(first.known_until <= Micros(10_000_000), "{:?}", first.known_until);
    assert!(
        last.memory.len() <= 64 && last.findings[0].memory.iter().all(|s| last.memory.contains(s))
    );
    let streams = |timeline: &Timeline| timeline.memory.last().map(|sample| sample.streams);
    assert!(streams(last) > streams(first));
    let again = codec::decode(&codec::encode(last));
    assert_eq!(again.as_ref(), Ok(&**last));
    assert_eq!(script::parse(&script::print(last)).as_ref(), Ok(&**last));
    // What a version before this one wrote ends before the memory.
    let mut old = codec::encode(&Timeline {
        memory: Vec::new(),
        root: Default::default(),
        ..(**first).clone()
    });
    old.truncate(old.len() - 3);
    old[0] = 2;
    assert_eq!(codec::decode(&old).map(|t| t.events), Ok(first.events.clone()));
}

#[test]
fn memory_that_levels_out_is_told_no_longer() {
    let mut instance = Instance::new(INSTANCE);
    let mut seen = Seen::default();
    for second in 1..=120 {
        seen.take(say_memory(&mut instance, second, 1, 1_000));
    }
    let life = seen
        .last
        .values()
        .next()
        .expect("a cache of a thousand entries looks like a leak at first");
    assert!(life.findings.is_empty(), "and is known not to be one when it is full");
    let mut instance = Instance::new(INSTANCE);
    let told = (1..=120).flat_map(|second| say_memory(&mut instance, second, 1, 200));
    assert_eq!(told.count(), 0, "one of two hundred is never told");
}

#[test]
fn what_a_root_resumed_for_no_stream_is_told_of_those_that_wait_for_nothing_else() {
    let text = r#"0.100000 #1 create 1
0.200000 #2 create 2 root 1
0.200100 #4 request_headers 2 n=3 end -> pause
0.200110 #3   dispatch http "auth" timeout=1s -> ok call 4
0.210000 #5 create 3 root 1
0.210100 #6 request_headers 3 n=3 end -> continue
0.220000 #7 response_headers 3 n=3 -> pause
0.230000 #8 create 4 root 1
0.230100 #9 request_headers 4 n=3 end -> pause
0.300000 #12 http_call_response root 1 call 4 headers=3 body=2 code=200
0.300010 #10   set_effective_context context=2 -> ok
0.300020 #11   get_buffer_bytes buffer=4 length=2 -> ok
0.400000 #14 tick root 1
0.400001 #13   continue_stream request -> ok
4.000000 #15 tick root 1
"#;
    let seen = Seen::of(batches(&record_whole(text), &[]));
    let told = |context| {
        let of = |t: &&Timeline| t.context == ContextId(context) && !t.is_root();
        codes(seen.last.values().find(of).unwrap_or_else(|| panic!("no {context}")))
    };
    assert_eq!(
        told(2),
        ["callback-ran-no-resume"],
        "its own call was answered, and let nothing go"
    );
    assert_eq!(told(3), ["header-pause-starves-body"], "a response, which nobody resumed");
    assert_eq!(told(4), ["wrong-context"], "it waits for its root alone");
}

#[test]
fn what_a_root_resumed_for_no_stream_is_told_of_one_that_was_recorded_after_all() {
    let text = r#"0.100000 #1 create 1
0.200000 #2 create 2 root 1
0.200100 #3 request_headers 2 n=3 end -> pause
0.400000 #5 tick root 1
0.400001 #4   continue_stream request -> ok
3.000000 #6 log 2
3.000100 #7 done 2
3.000200 #8 delete 2
4.000000 #9 tick root 1
"#;
    let is_kept_aside = |e: &Event| e.context == ContextId(2) && !e.is_end();
    let events = recorded_after_all(text, is_kept_aside, 1..3, 5);
    for cuts in [vec![], vec![2], vec![3], vec![5], vec![3, 4, 5]] {
        let seen = Seen::of(batches(&events, &cuts));
        let of = |t: &&Timeline| t.context == ContextId(2);
        let stream = seen.last.values().find(of).expect("the stream");
        assert_eq!(codes(stream), ["wrong-context"], "cut after {cuts:?}");
    }
}
