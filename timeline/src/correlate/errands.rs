//! The timelines of roots: the life of each, and an errand for every other invocation that dispatches.

use abi::Callback;

use super::closing::Ends;
use super::{Correlator, Key, insert};
use crate::calls::{self, FULL};
use crate::diagnose::Instant;
use crate::event::Event;
use crate::hold::decisions_on;
use crate::ids::{ContextId, Entry};
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

/// Is an invocation of a root worth a timeline of its own: did it dispatch, or decide for the root what it
/// can decide only for a stream?
fn is_errand(root: ContextId, hostcalls: &[Event]) -> bool {
    hostcalls.iter().any(Event::is_dispatch) || decisions_on(root, hostcalls).next().is_some()
}
