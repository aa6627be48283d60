//! Roots of an instance end, and their timelines with them.

use timeline::delivery::Root;
use timeline::ids::{ContextId, Micros};
use timeline::{Instance, Reason, State};

use super::recording::*;

#[test]
fn the_end_of_a_root_closes_only_its_own_timelines() {
    let mut events =
        record(&[("0.1 #1 create 2 root 1\n0.2 #2 request_headers 2 n=1 -> pause", 0)]);
    let other = record(&[("0.3 #1 create 2 root 9\n0.4 #2 request_headers 2 n=1 -> pause", 0)]);
    events.extend(other.into_iter().map(|mut e| {
        e.sequence.0 += 2;
        e.entry.0 += 2;
        e.context = ContextId(3);
        e
    }));
    let mut instance = Instance::new(INSTANCE);
    let mut both = batch(&events, 1, Micros(500_000));
    both.streams[1].root = ContextId(9);
    instance.deliver(both, Micros(500_000));
    let mut end = batch(&[], 5, Micros(600_000));
    end.roots[0].ended = true;
    let updates = instance.deliver(end, Micros(600_000));
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].state, State::Closed(Reason::RootEnded));
    assert_eq!(updates[0].snapshot.context, ContextId(2));
    assert_eq!(instance.status().open_timelines, 1);
}

#[test]
fn a_batch_that_was_kept_says_the_end_of_a_root_before_the_ends_of_its_streams_come() {
    let text = "0.1 #1 create 2 root 1\n0.2 #2 request_headers 2 n=1 -> continue\n\
                0.3 #3 log 2\n0.4 #4 done 2\n0.5 #5 delete 2";
    let events = record(&[(text, 0)]);
    // Both are sent after an outage, when the root had ended long since.
    let kept = |from: usize, to: usize, known_until| {
        let mut batch = batch(&events[from..to], from as u64 + 1, Micros(known_until));
        batch.clock.monotonic = Micros(9_000_000);
        batch.roots[0].ended = true;
        batch
    };
    let mut instance = Instance::new(INSTANCE);
    let open = instance.deliver(kept(0, 2, 250_000), Micros(9_000_000));
    assert_eq!(open.last().map(|update| update.state), Some(State::Open));
    let closed = instance.deliver(kept(2, 5, 500_000), Micros(9_100_000));
    assert_eq!(closed.len(), 1, "one timeline, not two halves");
    assert_eq!(closed[0].state, State::Closed(Reason::Ended));
    assert_eq!((closed[0].id, closed[0].snapshot.events.len()), (open[0].id, 5));
}

#[test]
fn a_root_whose_last_event_was_lost_has_ended_when_all_is_known_up_to_the_word_of_it() {
    let events = record(&[("0.1 #1 create 2 root 1\n0.2 #2 request_headers 2 n=1 -> pause", 0)]);
    let mut instance = Instance::new(INSTANCE);
    let mut kept = batch(&events, 1, Micros(500_000));
    kept.clock.monotonic = Micros(9_000_000);
    kept.roots[0].ended = true;
    let open = instance.deliver(kept, Micros(9_000_000));
    assert_eq!(open.last().map(|update| update.state), Some(State::Open));
    let mut later = batch(&[], 3, Micros(9_500_000));
    later.roots[0].ended = true;
    let closed = instance.deliver(later, Micros(9_500_000));
    let states: Vec<_> = closed.iter().map(|update| update.state).collect();
    assert_eq!(states, [State::Closed(Reason::RootEnded)]);
}

#[test]
fn of_the_roots_that_ended_the_latest_are_remembered() {
    let mut instance = Instance::new(INSTANCE);
    for push in 0..1000u64 {
        let mut batch = batch(&[], 1, Micros(1_000_000 * (push + 1)));
        let root = |number: u64, ended| Root {
            context: ContextId(10 + number as u32),
            since: Micros(number),
            ended,
            ..Root::default()
        };
        batch.roots.push(root(push, false));
        batch.roots.extend((push > 0).then(|| root(push - 1, true)));
        instance.deliver(batch, Micros(1_000_000 * (push + 1)));
    }
    let roots = instance.status().roots;
    assert_eq!(roots.len(), 64 + 2);
    assert_eq!(roots.last().map(|root| (root.context, root.ended)), Some((ContextId(1009), false)));
}
