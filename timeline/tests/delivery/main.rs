//! Whatever happens to batches on their way: the same timelines come out, or a gap that is said, and
//! never the absence of something that happened.

mod dialects;
mod errands;
mod in_vain;
mod recording;
mod roots;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use abi::{HeadersStop, Kind};
use proptest::prelude::*;
use timeline::delivery::{Delivery, Lost};
use timeline::event::Event;
use timeline::hold::decided_for_no_stream;
use timeline::ids::{ContextId, Micros, Sequence};
use timeline::registry::DIAGNOSES;
use timeline::timeline::Update;
use timeline::{Instance, Reason, State, Timeline, script};

use recording::*;

fn scripts() -> Vec<(&'static str, u64)> {
    let near_misses = DIAGNOSES.iter().flat_map(|d| d.near_misses).map(|m| m.script);
    let examples = DIAGNOSES.iter().map(|d| d.example);
    examples.chain(near_misses).enumerate().map(|(at, text)| (text, at as u64 * 37)).collect()
}

static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| record(&scripts()));
static WHOLE: LazyLock<Seen> = LazyLock::new(|| Seen::of(batches(&EVENTS, &[])));

fn shuffled(order: &[u32], batches: Vec<Delivery>) -> Vec<Delivery> {
    let mut keyed: Vec<(u32, usize, Delivery)> = batches
        .into_iter()
        .enumerate()
        .map(|(at, d)| (order.get(at % order.len().max(1)).copied().unwrap_or(0), at, d))
        .collect();
    keyed.sort_by_key(|(key, at, _)| (*key, *at));
    keyed.into_iter().map(|(_, _, d)| d).collect()
}

/// Was it applied to the root, for no stream?
fn is_in_vain(truth: &Timeline, event: &Event) -> bool {
    let mut invocations = truth.events.chunk_by(|a, b| a.entry == b.entry);
    let own = invocations.find(|own| own[0].entry == event.entry).unwrap_or_default();
    event.context != truth.context
        && decided_for_no_stream(event.context, own).any(|e| e.sequence == event.sequence)
}

/// Every absence that was ever claimed is one in the whole recording.
fn no_false_absence(seen: &Seen) -> Result<(), TestCaseError> {
    for (id, finding) in &seen.findings {
        let Some(truth) = WHOLE.last.get(id) else { continue };
        for window in &finding.evidence.windows {
            let order = |s: Sequence| truth.event(s).map(Event::order);
            let (from, to) = (order(window.from), window.to.and_then(order));
            let Some(begin) = truth.event(window.from) else { continue };
            for event in &truth.events {
                // What the root did for the root let nothing of the stream go.
                let inside = !is_in_vain(truth, event)
                    && Some(event.order()) > from
                    && to.is_none_or(|to| event.order() < to)
                    && event.at < window.known_until;
                prop_assert!(
                    !(inside && window.excludes(begin, event)),
                    "{} says that #{} did not happen",
                    finding.code,
                    event.sequence
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_and_any_repetition_give_the_same_timelines(
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        order in prop::collection::vec(any::<u32>(), 1..60),
        again in prop::collection::vec(any::<bool>(), 60),
    ) {
        let batches = batches(&EVENTS, &cuts);
        let twice = batches.iter().zip(again.iter().cycle()).filter(|(_, a)| **a).map(|(b, _)| b.clone());
        let all: Vec<Delivery> = batches.iter().cloned().chain(twice).collect();
        let seen = Seen::of(shuffled(&order, all));
        prop_assert_eq!(seen.comparable(), WHOLE.comparable());
        no_false_absence(&seen)?;
    }

    #[test]
    fn what_is_lost_is_a_gap_and_never_an_absence(
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        order in prop::collection::vec(any::<u32>(), 1..60),
        lost in prop::collection::vec(0u8..6, 60),
        told in any::<bool>(),
    ) {
        let mut kept = batches(&EVENTS, &cuts);
        let mut missing = Vec::new();
        let mut at = 0;
        kept.retain(|b| {
            at += 1;
            let goes = lost[at % lost.len()] == 0 && !b.events.is_empty();
            if goes {
                missing.push((b.first_sequence, Sequence(b.first_sequence.0 + b.events.len() as u64 - 1)));
            }
            !goes
        });
        if told {
            let reason = "the buffer was full";
            let say = |(from, to): &(Sequence, Sequence)| Lost {
                from: *from, to: *to, reason: reason.to_owned(), contexts: Vec::new(),
            };
            if let Some(last) = kept.last_mut() {
                last.lost = missing.iter().map(say).collect();
            }
        }
        let seen = Seen::of(shuffled(&order, kept));
        no_false_absence(&seen)?;
        let gone = |s: Sequence| missing.iter().any(|(from, to)| *from <= s && s <= *to);
        for (id, whole) in &WHOLE.last {
            if !whole.events.iter().any(|e| gone(e.sequence)) {
                continue;
            }
            if let Some(timeline) = seen.last.get(id) {
                let less = timeline.events.len() < whole.events.len();
                prop_assert!(!less || !timeline.gaps.is_empty(), "events are missing and no gap is said");
            }
        }
    }
}

#[test]
fn every_stream_is_named_and_closed_with_its_reason() {
    let closed = |reason| WHOLE.last.values().filter(|t| t.state == State::Closed(reason)).count();
    let is_stream = |text: &&str| !script::parse(text).is_ok_and(|t| t.is_root());
    let streams = || WHOLE.last.values().filter(|t| !t.is_root());
    assert_eq!(
        streams().count(),
        scripts().iter().map(|(text, _)| *text).filter(is_stream).count()
    );
    assert!(closed(Reason::Ended) > 5 && closed(Reason::TimedOut) > 0 && closed(Reason::Idle) > 0);
    for timeline in streams() {
        assert_eq!(timeline.root.plugin, "body-call");
        assert_eq!(timeline.stream.request_id, format!("r-{}", timeline.context));
        assert!(timeline.gaps.is_empty());
    }
}

const LATE: &str = r#"
0.000000 #1 create 2 root 1
0.000113 #2 request_headers 2 n=10 -> continue
0.001870 #4 request_body 2 size=14 end -> pause
0.001902 #3   dispatch http "slow" timeout=1s -> ok call 4
0.006020 #5 log 2
0.006031 #6 done 2
0.006040 #7 delete 2
"#;

#[test]
fn a_late_callback_reopens_a_timeline_that_was_given_up() {
    let events = record(&[(LATE, 0)]);
    let mut instance = Instance::new(INSTANCE);
    let first = instance.deliver(batch(&events, 1, Micros(10_000)), Micros(10_000));
    assert_eq!(first[0].state, State::Open);
    let given_up = instance.deliver(batch(&[], 8, Micros(3_000_000)), Micros(3_000_000));
    assert_eq!(given_up[0].state, State::Closed(Reason::TimedOut));
    let callback = record(&[(
        &format!("{LATE}9.0 #8 http_call_response root 1 call 4 headers=3 code=200"),
        0,
    )]);
    let late = batch(&callback[7..], 8, Micros(9_000_000));
    let reopened = instance.deliver(late, Micros(9_000_000));
    assert_eq!(reopened[0].id, given_up[0].id);
    assert_eq!(reopened[0].revision, given_up[0].revision + 1);
    assert_eq!(reopened[0].state, State::Closed(Reason::Ended));
    assert!(reopened[0].snapshot.findings.iter().any(|f| f.code == "late-callback"));
}

#[test]
fn a_context_id_used_again_is_another_generation() {
    let ended = "0.1 #1 create 2 root 1\n0.2 #2 log 2\n0.2 #3 done 2\n0.2 #4 delete 2\n";
    let mut events = record(&[(ended, 0)]);
    let again = record(&[(ended, 500)]);
    events.extend(again.into_iter().map(|mut e| {
        e.sequence.0 += 4;
        e.entry.0 += 4;
        e
    }));
    for cuts in [vec![], vec![4], vec![2, 6]] {
        let seen = Seen::of(batches(&events, &cuts));
        let generations: Vec<u32> = {
            let mut all: Vec<u32> = seen.last.values().map(|t| t.generation).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(generations, [0, 1], "cut at {cuts:?}");
        assert!(seen.last.values().all(|t| t.events.len() == 4));
    }
}

#[test]
fn the_quietest_timeline_is_closed_first_for_want_of_room() {
    let busy = "0.1 #1 create 2 root 1\n5.0 #2 request_headers 2 n=1 -> pause";
    let quiet = "0.2 #1 create 2 root 1\n0.3 #2 request_headers 2 n=1 -> pause";
    let latest = "0.4 #1 create 2 root 1\n6.0 #2 request_headers 2 n=1 -> pause";
    let given_up = (LATE, 0);
    let events = record(&[(busy, 0), (quiet, 0), (latest, 0), given_up]);
    let mut instance = Instance::new(INSTANCE);
    instance.deliver(batch(&events, 1, Micros(7_000_000)), Micros(7_000_000));
    let evicted: Vec<_> = std::iter::from_fn(|| instance.evict())
        .map(|update| (update.snapshot.context.0, update.state))
        .collect();
    let closed = State::Closed(Reason::Evicted);
    assert_eq!(evicted, [(3, closed), (2, closed), (4, closed)], "one given up is closed already");
    assert_eq!(instance.status().open_timelines, 0);
}

#[test]
fn what_was_closed_for_want_of_room_and_goes_on_is_the_same_timeline() {
    let whole = format!("{LATE}2.0 #8 http_call_response root 1 call 4 headers=3 code=200");
    let events = record(&[(&whole, 0)]);
    let expected = Seen::of(batches(&events, &[]));
    let mut instance = Instance::new(INSTANCE);
    let (mut parts, mut told) = (Vec::new(), Vec::new());
    for delivery in batches(&events, &[1, 2, 4, 5, 6, 7]) {
        let arrived = delivery.known_until;
        let updates = instance.deliver(delivery, arrived);
        told.extend(updates.into_iter().chain(instance.evict()));
    }
    for update in &told {
        parts.extend(update.snapshot.events.iter().cloned());
    }
    let ids: BTreeSet<_> = told.iter().map(|u| (u.id, u.snapshot.generation)).collect();
    let (id, timeline) = expected.last.first_key_value().expect("a timeline");
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), [(*id, 0)]);
    assert!(told.is_sorted_by(|a, b| a.revision < b.revision), "revisions count up");
    parts.sort_by_key(Event::order);
    parts.dedup();
    assert_eq!(parts, timeline.events, "no event of it is lost");
    assert_eq!(instance.status().open_timelines, 0);
    assert_eq!(instance.status().streams_seen, 1);
}

#[test]
fn an_instance_that_said_its_last_and_goes_on_after_all_is_not_over() {
    let text = "0.1 #1 create 2 root 1\n0.2 #2 request_headers 2 n=1 -> pause";
    let mut instance = Instance::new(INSTANCE);
    let mut last = batch(&[], 1, Micros(50_000));
    last.is_final = true;
    instance.deliver(last, Micros(50_000));
    assert!(instance.status().is_final);
    let updates =
        instance.deliver(batch(&record(&[(text, 0)]), 1, Micros(300_000)), Micros(300_000));
    assert_eq!(updates.last().map(|update| update.state), Some(State::Open));
    assert!(!instance.status().is_final);
}

#[test]
fn known_until_waits_for_what_came_out_of_order() {
    let events = record(&[(LATE, 0)]);
    let mut instance = Instance::new(INSTANCE);
    let later = batch(&events[3..], 4, Micros(6_040));
    instance.deliver(later, Micros(20_000));
    assert_eq!(instance.known_until(), Micros(0));
    assert_eq!(instance.next_deadline(), Some(Micros(20_000 + 10_000_000)));
    instance.deliver(batch(&events[..3], 1, Micros(1_902)), Micros(30_000));
    assert_eq!(instance.known_until(), Micros(6_040));
    assert!(instance.status().gaps.is_empty());
}

#[test]
fn what_a_vm_does_calibrates_its_dialect() {
    let body_while_held = "0.1 #1 create 2 root 1\n0.2 #2 request_headers 2 n=1 -> pause
        0.3 #3 request_body 2 size=3 end -> continue";
    let mut instance = Instance::new(INSTANCE);
    let events = record(&[(body_while_held, 0)]);
    let updates = instance.deliver(batch(&events, 1, Micros(300_000)), Micros(300_000));
    assert_eq!(seen_last(&updates), HeadersStop::Iteration);

    let body_after_resume = "0.1 #1 create 2 root 1\n0.2 #3 request_headers 2 n=1 -> pause
        0.2 #2   dispatch http \"slow\" timeout=5s -> ok call 4
        0.3 #6 http_call_response root 1 call 4 headers=3 code=200
        0.3 #4   set_effective_context context=2 -> ok
        0.3 #5   continue_stream request -> ok
        0.3002 #7 request_body 2 size=3 end -> continue";
    // A slow client's body comes after the resume on any host.
    let body_comes_late = body_after_resume.replace("0.3002", "0.4");
    for (script, streams, expected) in [
        (body_after_resume, 2, HeadersStop::Unknown),
        (body_after_resume, 3, HeadersStop::All),
        (&body_comes_late, 9, HeadersStop::Unknown),
    ] {
        let scripts: Vec<(&str, u64)> = (0..streams).map(|at| (script, at * 1_000)).collect();
        let events = record(&scripts);
        let mut instance = Instance::new(INSTANCE);
        let updates = instance.deliver(batch(&events, 1, Micros(9_000_000)), Micros(9_000_000));
        assert_eq!(seen_last(&updates), expected);
    }
}

/// A stream that waits for what another one fetched, or for the next tick, is resumed there.
#[test]
fn a_resume_from_elsewhere_or_one_that_was_lost_does_not_pass_for_a_body_phase_while_held() {
    let resumed = "0.1 #1 create 2 root 1\n0.2 #2 request_headers 2 n=1 -> pause
        0.3 #5 tick root 1
        0.3 #3   set_effective_context context=2 -> ok
        0.3 #4   continue_stream request -> ok
        0.3002 #6 request_body 2 size=3 end -> continue";
    let events = record(&[(resumed, 0)]);
    let mut instance = Instance::new(INSTANCE);
    let updates = instance.deliver(batch(&events, 1, Micros(9_000_000)), Micros(9_000_000));
    assert_eq!(seen_last(&updates), HeadersStop::Unknown);

    let mut instance = Instance::new(INSTANCE);
    instance.deliver(batch(&events[..2], 1, Micros(250_000)), Micros(250_000));
    instance.deliver(batch(&events[5..], 6, Micros(400_000)), Micros(400_000));
    let updates = instance.advance(Micros(30_000_000));
    assert_eq!(seen_last(&updates), HeadersStop::Unknown);

    let thrice: Vec<(&str, u64)> = (0..3).map(|at| (resumed, at * 1_000)).collect();
    let mut instance = Instance::new(INSTANCE);
    let events = record(&thrice);
    let updates = instance.deliver(batch(&events, 1, Micros(9_000_000)), Micros(9_000_000));
    assert_eq!(seen_last(&updates), HeadersStop::All);
}

/// What is known of the host's rule when the last of these was told.
fn seen_last(updates: &[Update]) -> HeadersStop {
    updates.last().map(|update| update.snapshot.dialect.headers_stop).expect("an update")
}

/// The rule stands in the configuration of a plugin, and two of them may share a VM.
#[test]
fn what_one_plugin_of_a_vm_shows_is_not_said_of_another() {
    let one = "0.1 #1 create 2 root 1\n0.2 #2 request_headers 2 n=1 -> pause
        0.3 #3 request_body 2 size=3 end -> continue";
    let other = "0.4 #4 create 2 root 7\n0.5 #5 request_headers 2 n=1 -> pause";
    let mut both = batch(&record(&[(one, 0), (other, 0)]), 1, Micros(9_000_000));
    both.streams[1].root = ContextId(7);
    let mut instance = Instance::new(INSTANCE);
    let updates = instance.deliver(both, Micros(9_000_000));
    let told = |context| {
        let of = updates.iter().filter(|update| update.snapshot.context == ContextId(context));
        of.map(|update| update.snapshot.dialect.headers_stop).next_back()
    };
    assert_eq!(told(2), Some(HeadersStop::Iteration));
    assert_eq!(told(3), Some(HeadersStop::Unknown));
}

#[test]
fn a_newer_recorders_events_are_kept_and_count_as_a_gap() {
    let asked = "0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=10 end -> pause
0.000120 #2   dispatch http \"guardrails\" timeout=300s -> ok call 4
0.000130 #4 kind_45 2";
    let events = record(&[(asked, 0)]);
    let mut instance = Instance::new(INSTANCE);
    let updates = instance.deliver(batch(&events, 1, Micros(9_000_000)), Micros(9_000_000));
    let timeline = &updates[0].snapshot;
    assert!(timeline.events.iter().any(|e| e.kind == Kind::Unknown(45)));
    assert!(timeline.findings.is_empty());
    assert_eq!(timeline.unknown[0].code, "waiting-on-call");
}

#[test]
fn a_batch_that_comes_after_its_gap_was_declared_fills_it() {
    let whole = format!("{LATE}2.0 #8 http_call_response root 1 call 4 headers=3 code=200");
    let events = record(&[(&whole, 0)]);
    let parts =
        [(0..1, "create"), (1..2, "headers"), (1..4, "dispatch"), (3..6, "end"), (6..7, "delete")];
    for (late, what) in parts {
        let mut instance = Instance::new(INSTANCE);
        let second = |seconds: u64| Micros(seconds * 1_000_000);
        let mut seen = Seen::default();
        let kept = |range: std::ops::Range<usize>| {
            batch(&events[range.clone()], range.start as u64 + 1, second(3))
        };
        seen.take(instance.deliver(kept(0..late.start), second(3)));
        seen.take(instance.deliver(kept(late.end..events.len()), second(3)));
        seen.take(instance.advance(second(14)));
        assert_eq!(instance.status().gaps.len(), 1, "{what}");
        seen.take(instance.deliver(kept(late.clone()), second(15)));
        assert!(instance.status().gaps.is_empty(), "{what}: the gap is still there");
        let timeline = seen.last.values().next().expect("a timeline");
        assert_eq!(seen.last.len(), 1, "{what}: one stream, one timeline");
        assert_eq!(timeline.events.len(), events.len(), "{what}");
        assert!(timeline.gaps.is_empty() && timeline.unknown.is_empty(), "{what}");
        assert_eq!(timeline.state, State::Closed(Reason::Ended), "{what}");
        let found: Vec<&str> = timeline.findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(found, ["headers-forwarded-before-body-call", "late-callback"], "{what}");
    }
}
