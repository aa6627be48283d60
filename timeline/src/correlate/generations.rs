//! How often context ids were used: hosts count upwards, so reuse is rare, but it must be told apart. And
//! what was given away before its end: should it go on, it is the same timeline, whose events before are in
//! the store.

use std::collections::VecDeque;
use std::hash::Hash;

use super::{Correlator, Key};
use crate::ids::{CallId, ContextId};
use crate::numbers::NumberMap;
use crate::timeline::Timeline;

/// Context ids whose last generation is remembered; timelines given away, and their calls.
const MOST: usize = 4_096;

/// A timeline within its instance.
type Name = (ContextId, u32);

/// The last generation of contexts that are gone.
#[derive(Default)]
pub(crate) struct Generations {
    last: Remembered<ContextId, u32>,
    /// Timelines that were given away and may go on.
    gone: Remembered<Name, Gone>,
    /// Who of them awaits an answer.
    owners: Remembered<CallId, Name>,
}

/// A timeline that is not held any more.
#[derive(Clone, Copy)]
struct Gone {
    root: ContextId,
    /// 0: it was never told of.
    revision: u32,
    deleted: bool,
    /// It went on, and is held again.
    held: Option<Key>,
}

impl Generations {
    /// Is anything known of a context?
    pub fn knows(&self, context: ContextId) -> bool {
        self.last.get(context).is_some()
    }

    /// Generation of its next use.
    pub fn next(&self, context: ContextId) -> u32 {
        self.last.get(context).map_or(0, |last| last + 1)
    }

    /// Its last use had this generation.
    pub fn used(&mut self, context: ContextId, generation: u32) {
        self.last.keep(context, generation);
    }

    /// A timeline is given away. `out`: the calls whose answers it awaits.
    pub fn give_away(&mut self, timeline: &Timeline, deleted: bool, out: &[CallId]) {
        let name = (timeline.context, timeline.generation);
        // One that went on may do so again.
        if !deleted || !out.is_empty() || self.gone.get(name).is_some() {
            let (root, revision) = (timeline.stream.root, timeline.revision);
            self.gone.keep(name, Gone { root, revision, deleted, held: None });
        }
        for call in out {
            self.owners.keep(*call, name);
        }
    }
}

impl Correlator {
    /// The timeline of a context that was given away before its end, held again.
    pub(super) fn gone_on(&mut self, context: ContextId) -> Option<Key> {
        let name = (context, self.generations.last.get(context)?);
        let gone = self.generations.gone.get(name).filter(|gone| !gone.deleted)?;
        Some(self.take_up(name, gone))
    }

    /// The one that awaits the answer to a call, if it is held.
    pub(super) fn awaiting(&self, call: CallId) -> Option<Key> {
        let again = || self.generations.gone.get(self.generations.owners.get(call)?)?.held;
        self.owners.get(&call).copied().or_else(again)
    }

    /// The one that awaits the answer to a call, held again.
    pub(super) fn answered(&mut self, call: CallId) -> Option<Key> {
        let name = self.generations.owners.get(call)?;
        let gone = self.generations.gone.get(name)?;
        Some(self.take_up(name, gone))
    }

    fn take_up(&mut self, (context, generation): Name, gone: Gone) -> Key {
        let key = self.hold(context, generation, gone.root, gone.deleted);
        self.generations.gone.keep((context, generation), Gone { held: Some(key), ..gone });
        if let Some(held) = self.held.get_mut(&key) {
            held.kept.open().revision = gone.revision;
            if held.is_stream {
                self.current.entry(context).or_insert(key);
            }
        }
        key
    }
}

/// The latest of what was kept.
struct Remembered<K, V> {
    kept: NumberMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Remembered<K, V> {
        Remembered { kept: NumberMap::default(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Remembered<K, V> {
    fn get(&self, key: K) -> Option<V> {
        self.kept.get(&key).copied()
    }

    fn keep(&mut self, key: K, value: V) {
        if self.kept.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
    }
}
