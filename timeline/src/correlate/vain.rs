//! What roots decided for no stream, and the streams of their own that it may have been meant for.

use std::collections::{BTreeMap, VecDeque};

use abi::Direction;

use super::{Correlator, Held, Key, insert};
use crate::diagnose::Instant;
use crate::event::{Event, Marks};
use crate::hold::{self, decided_for_no_stream};
use crate::ids::{ContextId, Entry, Micros, Sequence};
use crate::story::Story;
use crate::timeline::Timeline;

/// So many invocations of roots are kept for streams of which it is learned later that they were held then.
const MOST: usize = 32;

/// The last of these invocations. What an instance tells of a stream that was not chosen comes when the stream
/// is recorded after all, and may be older than they.
#[derive(Default)]
pub(super) struct Vain {
    last: VecDeque<Decided>,
    /// What was recorded after all since they were last told, each with its earliest entry that came so.
    late: BTreeMap<Key, Entry>,
}

/// An invocation of a root that decided for no stream.
struct Decided {
    /// As streams are told of it: the time that it took is the root's.
    event: Event,
    /// What it decided.
    vain: Vec<Event>,
    /// Did a stream wait for it that had made no call?
    is_awaited: bool,
}

/// A stream that is held at such an invocation.
struct Waiting {
    key: Key,
    has_called: bool,
    /// Has it the invocation, or one of the kind since its own last event by then?
    is_told: bool,
}

impl Vain {
    /// Was it recorded after all?
    pub fn came_late(&mut self, key: Key, invocation: Option<&Event>) {
        let Some(event) = invocation.filter(|e| e.marks.has(Marks::PROMOTED)) else { return };
        let first = self.late.entry(key).or_insert(event.entry);
        *first = event.entry.min(*first);
    }
}

impl Correlator {
    /// What a root decided for no stream may have been meant for any of its own that is held then: each
    /// has it too, once, but not the time that it took. Those that made no call have only their root to wait
    /// for, and go before the others.
    pub(super) fn told_of_vain(&mut self, event: &Event, hostcalls: &[Event]) {
        let vain: Vec<Event> = decided_for_no_stream(event.context, hostcalls).cloned().collect();
        if vain.is_empty() {
            return;
        }
        let event = Event { took: Micros(0), ..event.clone() };
        let mut decided = Decided { event, vain, is_awaited: false };
        let is_there = |(key, held): (&Key, &Held)| (!held.deleted).then_some(*key);
        self.tell(&mut decided, self.held.iter().filter_map(is_there).collect());
        if self.vain.last.len() == MOST {
            self.vain.last.pop_front();
        }
        self.vain.last.push_back(decided);
    }

    /// The same of streams that were recorded after all, now that it is known that they were held.
    pub(super) fn told_of_vain_again(&mut self) {
        let late = std::mem::take(&mut self.vain.late);
        if late.is_empty() {
            return;
        }
        let mut last = std::mem::take(&mut self.vain.last);
        for decided in &mut last {
            let was_awaited = decided.is_awaited;
            let is_before =
                |(key, first): (&Key, &Entry)| (*first < decided.event.entry).then_some(*key);
            let keys = late.iter().filter_map(is_before).collect();
            self.tell(decided, keys);
            if decided.is_awaited && !was_awaited {
                self.take_back(decided);
            }
        }
        self.vain.last = last;
    }

    fn tell(&mut self, decided: &mut Decided, keys: Vec<Key>) {
        // Whose they are is asked first: to read a timeline costs more.
        let its = keys.into_iter().filter_map(|key| self.stream_of(decided.event.context, key));
        let waiting = its.filter_map(|(key, held)| waiting(key, &held.kept.read(), decided));
        let mut waiting: Vec<Waiting> = waiting.collect();
        decided.is_awaited |= waiting.iter().any(|stream| !stream.has_called);
        waiting.retain(|stream| !(stream.is_told || decided.is_awaited && stream.has_called));
        for Waiting { key, .. } in waiting {
            if let Some(held) = self.held.get_mut(&key) {
                insert(held.kept.open(), decided.told().cloned());
                self.touch(key);
            }
        }
    }

    /// It was for another: those that made a call have it no longer.
    fn take_back(&mut self, decided: &Decided) {
        let event = &decided.event;
        let told: Vec<Sequence> = decided.told().map(|e| e.sequence).collect();
        let its = self.held.keys().filter_map(|key| self.stream_of(event.context, *key));
        let has_it = its.filter(|(_, held)| {
            let timeline = held.kept.read();
            timeline.event(event.sequence).is_some() && has_called(&timeline.events, event)
        });
        let has_it: Vec<Key> = has_it.map(|(key, _)| key).collect();
        for key in has_it {
            if let Some(held) = self.held.get_mut(&key) {
                held.kept.open().events.retain(|e| !told.contains(&e.sequence));
                self.touch(key);
            }
        }
    }

    /// A stream of this root that is not closed.
    fn stream_of(&self, root: ContextId, key: Key) -> Option<(Key, &Held)> {
        let held = self.held.get(&key).filter(|held| held.is_stream && !held.resting)?;
        (self.root_id(held.kept.root_id()) == root).then_some((key, held))
    }
}

impl Decided {
    /// What a stream is told.
    fn told(&self) -> impl Iterator<Item = &Event> {
        std::iter::once(&self.event).chain(&self.vain)
    }
}

/// Had a stream made a call before an event?
fn has_called(events: &[Event], event: &Event) -> bool {
    events.iter().any(|e| e.entry < event.entry && e.is_dispatch())
}

/// A stream, if something of it is held at an event of its root that would have let it go. What was told of one
/// like it since the last event of its own is held still.
fn waiting(
    key: Key,
    timeline: &Timeline,
    Decided { event, vain, .. }: &Decided,
) -> Option<Waiting> {
    let is_vain = |last: &Event| last.context == event.context && last.decides();
    let by_then = &timeline.events[..timeline.events.partition_point(|e| e.entry <= event.entry)];
    let is_told = by_then.last().is_some_and(is_vain);
    let is_held = || {
        let steps = Story::of(timeline, Instant::at(event.at)).steps;
        let then = steps.iter().rfind(|step| step.entry < event.entry).map(|step| step.after);
        then.is_some_and(|then| {
            [Direction::Request, Direction::Response].into_iter().any(|direction| {
                then.of(direction).hold.is_held()
                    && vain.iter().any(|e| hold::may_release(e, direction))
            })
        })
    };
    let has_called = has_called(by_then, event);
    (is_told || is_held()).then_some(Waiting { key, has_called, is_told })
}
