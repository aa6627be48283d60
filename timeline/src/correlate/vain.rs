//! What roots decided for no stream, and the streams of their own that it may have been meant for.

use std::collections::VecDeque;

use abi::Direction;

use super::{Correlator, Held, Key, insert};
use crate::diagnose::Instant;
use crate::event::{Event, Marks};
use crate::hold::{self, decided_for_no_stream};
use crate::ids::{Entry, Micros};
use crate::story::Story;
use crate::timeline::Timeline;

/// So many invocations of roots are kept for streams of which it is learned later that they were held then.
const MOST: usize = 32;

/// The last of these invocations. What an instance tells of a stream that was not chosen comes when the stream
/// is recorded after all, and may be older than they.
#[derive(Default)]
pub(super) struct Vain {
    last: VecDeque<(Event, Vec<Event>)>,
    /// The earliest entry that came so since they were last told.
    late: Option<Entry>,
}

impl Vain {
    /// Was it recorded after all?
    pub fn came_late(&mut self, invocation: Option<&Event>) {
        let Some(event) = invocation.filter(|e| e.marks.has(Marks::PROMOTED)) else { return };
        self.late = Some(self.late.map_or(event.entry, |entry| entry.min(event.entry)));
    }
}

impl Correlator {
    /// What a root decided for no stream may have been meant for any of its own that is held then: each
    /// has it too, once, but not the time that it took. Those that made no call have only their root to wait
    /// for, and go before the others.
    pub(super) fn told_of_vain(&mut self, event: &Event, hostcalls: &[Event]) {
        if decided_for_no_stream(event.context, hostcalls).next().is_none() {
            return;
        }
        self.tell_of_vain(event, hostcalls, |held| !held.deleted);
        if self.vain.last.len() == MOST {
            self.vain.last.pop_front();
        }
        self.vain.last.push_back((event.clone(), hostcalls.to_vec()));
    }

    /// The same of streams that were recorded after all, now that it is known that they were held.
    pub(super) fn told_of_vain_again(&mut self) {
        let Some(first) = self.vain.late.take() else { return };
        let is_later = |(event, _): &&(Event, Vec<Event>)| event.entry > first;
        let later: Vec<_> = self.vain.last.iter().filter(is_later).cloned().collect();
        let is_late = |e: &Event| e.marks.has(Marks::PROMOTED);
        for (event, hostcalls) in later {
            self.tell_of_vain(&event, &hostcalls, |held| {
                held.kept.read().events.iter().any(is_late)
            });
        }
    }

    fn tell_of_vain(
        &mut self,
        event: &Event,
        hostcalls: &[Event],
        is_told: impl Fn(&Held) -> bool,
    ) {
        let root = event.context;
        let vain: Vec<&Event> = decided_for_no_stream(root, hostcalls).collect();
        let copy = Event { took: Micros(0), ..event.clone() };
        let is_its = |held: &Held| {
            held.is_stream && !held.resting && self.root_id(held.kept.root_id()) == root
        };
        let waiting = |(key, held): (&Key, &Held)| {
            let timeline = held.kept.read();
            let waits = is_its(held) && is_told(held) && waits_untold(&timeline, event, &vain);
            let mut before = timeline.events.iter().filter(|e| e.entry < event.entry);
            waits.then(|| (*key, !before.any(Event::is_dispatch)))
        };
        let mut waiting: Vec<_> = self.held.iter().filter_map(waiting).collect();
        if waiting.iter().any(|(_, is_without_calls)| *is_without_calls) {
            waiting.retain(|(_, is_without_calls)| *is_without_calls);
        }
        for (key, _) in waiting {
            if let Some(held) = self.held.get_mut(&key) {
                insert(held.kept.open(), std::iter::once(&copy).chain(vain.clone()).cloned());
                self.touch(key);
            }
        }
    }
}

/// Is something of a stream held at an event of its root that one of `vain` would have let go, and has it nothing
/// of the kind since its own last event by then?
fn waits_untold(timeline: &Timeline, event: &Event, vain: &[&Event]) -> bool {
    let is_vain = |last: &Event| last.context == event.context && last.decides();
    let by_then = timeline.events.partition_point(|e| e.entry <= event.entry);
    if timeline.events[..by_then].last().is_some_and(is_vain) {
        return false;
    }
    let steps = Story::of(timeline, Instant::at(event.at)).steps;
    let then = steps.iter().rfind(|step| step.entry < event.entry).map(|step| step.after);
    then.is_some_and(|then| {
        [Direction::Request, Direction::Response].into_iter().any(|direction| {
            then.of(direction).hold.is_held()
                && vain.iter().any(|e| hold::may_release(e, direction))
        })
    })
}
