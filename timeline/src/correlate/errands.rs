//! The timelines of roots: the life of each, and an errand for every other invocation that dispatches.

use abi::{Callback, Direction};

use super::closing::Ends;
use super::{Correlator, Held, Key, insert};
use crate::calls::{self, FULL};
use crate::diagnose::Instant;
use crate::event::Event;
use crate::hold::{self, decided_for_no_stream, decisions_on};
use crate::ids::{ContextId, Entry, Micros};
use crate::story::Story;
use crate::timeline::{Timeline, errand};

impl Correlator {
    /// Does the host make this call to a root?
    pub(super) fn is_of_root(&self, callback: Callback, context: ContextId) -> bool {
        callback.is_on_root() || self.roots.contains_key(&context)
    }

    /// The timeline of an invocation of a root; None if there is nothing to tell of it.
    pub(super) fn of_root(
        &mut self,
        callback: Callback,
        event: &Event,
        hostcalls: &[Event],
    ) -> Option<Key> {
        let root = event.context;
        self.meet_root(event);
        match callback {
            Callback::Log | Callback::Done | Callback::Delete => {
                self.root_ends(event);
                if callback == Callback::Delete {
                    self.ended_roots.push(root);
                }
                Some(self.life(root))
            }
            Callback::VmStart | Callback::Configure if !self.is_full(self.life_of(root)) => {
                Some(self.life(root))
            }
            _ => is_errand(root, hostcalls).then(|| self.errand(root, event.entry)),
        }
    }

    /// What a root decided for no stream may have been meant for any of its own that is held then: each
    /// has it too, once, but not the time that it took. Those that made no call have only their root to wait
    /// for, and go before the others.
    pub(super) fn told_of_vain(&mut self, event: &Event, hostcalls: &[Event]) {
        let root = event.context;
        let vain: Vec<&Event> = decided_for_no_stream(root, hostcalls).collect();
        if vain.is_empty() {
            return;
        }
        let copy = Event { took: Micros(0), ..event.clone() };
        let is_its = |held: &Held| {
            let grows = held.is_stream && !held.deleted && !held.resting;
            grows && self.root_id(held.kept.root_id()) == root
        };
        let waiting = |(key, held): (&Key, &Held)| {
            let timeline = held.kept.read();
            let waits = is_its(held) && waits_untold(&timeline, event, &vain);
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

    /// The timeline of a response callback: that of the call's owner. What is dispatched in one when its
    /// root's timeline is full begins another errand, so that a plugin that calls again and again from its
    /// callbacks has timelines of a size; so has one whose gRPC stream lives for days.
    pub(super) fn of_answer(&mut self, event: &Event, hostcalls: &[Event]) -> Option<Key> {
        let key = self.awaiting(event.call).or_else(|| self.answered(event.call))?;
        if !self.is_full(Some(key)) {
            return Some(key);
        }
        let held = self.held.get_mut(&key)?;
        let is_same = |e: &Event| e.kind == event.kind && e.call == event.call;
        let is_message = held.kept.read().events.iter().any(is_same);
        if !is_errand(event.context, hostcalls) {
            return (!is_message).then_some(key);
        }
        if !is_message {
            insert(held.kept.open(), std::iter::once(event).chain(hostcalls).cloned());
            self.touch(key);
        }
        Some(self.errand(event.context, event.entry))
    }

    /// The life of a root.
    pub(super) fn life(&mut self, root: ContextId) -> Key {
        match self.life_of(root) {
            Some(key) => key,
            None => {
                let key = self.hold(root, 0, root, true);
                self.lives.insert(root, key);
                key
            }
        }
    }

    pub(super) fn is_life(&self, key: Key) -> bool {
        let held = self.held.get(&key);
        held.is_some_and(|held| self.life_of(held.kept.context()) == Some(key))
    }

    fn life_of(&self, root: ContextId) -> Option<Key> {
        self.lives.get(&root).copied()
    }

    fn errand(&mut self, root: ContextId, entry: Entry) -> Key {
        self.hold(root, errand(entry), root, true)
    }

    fn is_full(&self, key: Option<Key>) -> bool {
        let held = key.and_then(|key| self.held.get(&key));
        held.is_some_and(|h| h.kept.is_root() && h.kept.read().events.len() >= FULL)
    }

    /// With a root ends what it has under way: whatever of it was open then is told so.
    fn root_ends(&mut self, end: &Event) {
        let mut concerned = Vec::new();
        for (key, held) in &self.held {
            let is_its = self.root_id(held.kept.root_id()) == end.context;
            if is_its && !self.is_life(*key) {
                let timeline = held.kept.read();
                let has = timeline.event(end.sequence).is_some();
                let was_open = was_open(&timeline, held.deleted, end);
                concerned.extend((has != was_open).then_some((*key, has)));
            }
        }
        for (key, has) in concerned {
            if let Some(held) = self.held.get_mut(&key) {
                match has {
                    true => held.kept.open().events.retain(|e| e != end),
                    false => insert(held.kept.open(), std::iter::once(end.clone())),
                }
                self.touch(key);
            }
        }
    }

    /// What came late may have been open when its root ended, or shows that something was not.
    pub(super) fn roots_ended(&mut self) {
        let mut ends = Vec::new();
        for held in self.lives.values().filter_map(|key| self.held.get(key)) {
            ends.extend(held.kept.read().events.iter().filter(|e| e.is_end()).cloned());
        }
        for end in ends {
            self.root_ends(&end);
        }
    }
}

/// Was a timeline open when its root ended?
fn was_open(timeline: &Timeline, deleted: bool, end: &Event) -> bool {
    let mut before = Timeline::new(timeline.instance, timeline.context, timeline.generation);
    before.root = timeline.root.clone();
    before.events = timeline.events.iter().filter(|e| e.order() < end.order()).cloned().collect();
    before.calls = calls::of(&before);
    !before.events.is_empty() && Ends::of(deleted, &before).reason(Instant::at(end.at)).is_none()
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

/// Is an invocation of a root worth a timeline of its own: did it dispatch, or decide for the root what it
/// can decide only for a stream?
fn is_errand(root: ContextId, hostcalls: &[Event]) -> bool {
    hostcalls.iter().any(Event::is_dispatch) || decisions_on(root, hostcalls).next().is_some()
}
