//! Events that come after their numbers had been declared a gap: into the timelines they belong to, or
//! not at all. A half of them would be worse than none, since absence is argued from what is whole.

use std::collections::BTreeSet;

use abi::{Callback, Kind};

use super::{Correlator, Held, Key, insert};
use crate::event::Event;
use crate::ids::{CallId, ContextId, Entry};

/// So many invocations without a timeline are kept; with more, gaps can no longer be filled.
const MOST_ORPHANS: usize = 4_096;

/// Invocations that found no timeline, kept once there was a gap: what would have named it may come.
#[derive(Default)]
pub(super) struct Orphans {
    is_open: bool,
    is_full: bool,
    kept: Vec<(Option<Event>, Vec<Event>)>,
}

impl Orphans {
    /// There is a gap: from now on they are kept.
    pub fn open(&mut self) {
        self.is_open = true;
    }

    pub fn keep(&mut self, invocation: Option<&Event>, hostcalls: &[Event]) {
        if !self.is_open || self.is_full {
            return;
        }
        if self.kept.len() >= MOST_ORPHANS {
            self.is_full = true;
            self.kept.clear();
            return;
        }
        self.kept.push((invocation.cloned(), hostcalls.to_vec()));
    }
}

impl Correlator {
    /// Takes late events. False, and nothing is taken, if one of them has no place any more: its
    /// timeline was given away, or is older than what is remembered.
    pub fn late(&mut self, events: Vec<Event>) -> bool {
        if self.orphans.is_full || !self.all_have_a_place(&events) {
            return false;
        }
        let (hostcalls, invocations): (Vec<Event>, Vec<Event>) =
            events.into_iter().partition(|e| matches!(e.kind, Kind::Hostcall(_)));
        let entries: BTreeSet<Entry> =
            hostcalls.iter().chain(&invocations).map(|e| e.entry).collect();
        for entry in entries {
            let invocation = invocations.iter().find(|e| e.entry == entry).cloned();
            let hostcalls = hostcalls.iter().filter(|e| e.entry == entry).cloned().collect();
            self.late_group(invocation, hostcalls);
        }
        for (invocation, hostcalls) in std::mem::take(&mut self.orphans.kept) {
            self.late_group(invocation, hostcalls);
        }
        self.roots_ended();
        self.is_refilled = true;
        true
    }

    fn all_have_a_place(&self, events: &[Event]) -> bool {
        events.iter().all(|event| {
            let is_on_root = match event.kind {
                Kind::Callback(c) => c.is_on_root(),
                _ => false,
            };
            is_on_root
                || self.roots.contains_key(&event.context)
                || self.home_of(event.context, event.entry).is_some()
                || !self.is_known(event.context)
        })
    }

    /// Is it known how often a context id was used?
    pub(crate) fn is_known(&self, context: ContextId) -> bool {
        self.current.contains_key(&context) || self.generations.knows(context)
    }

    /// The timeline of a context at an invocation: the latest that had begun by then, or one whose
    /// beginning was not seen.
    fn home_of(&self, context: ContextId, entry: Entry) -> Option<Key> {
        let create = Kind::Callback(Callback::ContextCreate);
        let begun = |held: &Held| {
            let timeline = held.kept.read();
            let seen = timeline.events.iter().find(|e| e.kind == create);
            seen.is_none_or(|e| e.entry <= entry)
        };
        let of_context = self.held.iter().filter(|(_, h)| h.kept.context() == context);
        of_context
            .filter(|(_, h)| begun(h))
            .max_by_key(|(_, h)| h.kept.generation())
            .map(|(key, _)| *key)
    }

    /// One invocation, or hostcalls whose invocation has been taken before.
    fn late_group(&mut self, invocation: Option<Event>, hostcalls: Vec<Event>) {
        let Some(first) = invocation.as_ref().or(hostcalls.first()) else { return };
        let (context, entry) = (first.context, first.entry);
        let callback = match invocation.as_ref().map(|e| e.kind) {
            Some(Kind::Callback(callback)) => Some(callback),
            _ => None,
        };
        // A root has many timelines: which one, the invocation says or has said.
        let is_root =
            self.roots.contains_key(&context) || callback.is_some_and(Callback::is_on_root);
        let home = if is_root { None } else { self.home_of(context, entry) };
        let is_create = callback == Some(Callback::ContextCreate);
        // What needs no place of its own, or begins a timeline, goes the usual way.
        if home.is_none() && invocation.is_some() {
            self.invocation(invocation, hostcalls);
            return;
        }
        let home = home.or_else(|| self.with_entry(entry));
        if let (true, Some(event), Some(held)) =
            (is_create, &invocation, home.and_then(|key| self.held.get_mut(&key)))
        {
            held.kept.open().stream.root = ContextId(event.arg(0));
        }
        // Hostcalls of a response callback that waits for its dispatch wait with it.
        if !self.borrowed(home, &hostcalls) || (home.is_none() && invocation.is_none()) {
            self.orphans.keep(invocation.as_ref(), &hostcalls);
        }
        let Some(key) = home else { return };
        let Some(held) = self.held.get_mut(&key) else { return };
        held.deleted |= callback == Some(Callback::Delete);
        let timeline = held.kept.open();
        let known: BTreeSet<_> = timeline.events.iter().map(|e| e.sequence).collect();
        let new = invocation.into_iter().chain(hostcalls).filter(|e| !known.contains(&e.sequence));
        let new: Vec<Event> = new.collect();
        for event in &new {
            if event.is_dispatch() && event.result == 0 && event.call != CallId(0) {
                self.owners.insert(event.call, key);
            }
        }
        insert(timeline, new.into_iter());
        self.touch(key);
    }

    /// The timeline of an invocation of a root: of the root, or of the stream whose call it answers. Other
    /// streams may have a copy of it.
    fn with_entry(&self, entry: Entry) -> Option<Key> {
        let is_it = |e: &Event| e.entry == entry && matches!(e.kind, Kind::Callback(_));
        let home = |(key, held): (&Key, &Held)| {
            let is_its = |e: &Event| !held.is_stream || self.awaiting(e.call) == Some(*key);
            held.kept.read().events.iter().any(|e| is_it(e) && is_its(e)).then_some(*key)
        };
        self.held.iter().find_map(home)
    }
}
