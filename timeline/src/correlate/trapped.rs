//! What a black box and a silence mean for the timelines of an instance.

use super::{Correlator, Key, insert};
use crate::black_box;
use crate::delivery::OpenInvocation;
use crate::event::{Event, Marks};
use crate::ids::{ContextId, Entry};
use crate::timeline::{Silence, State};

impl Correlator {
    /// The VM trapped in these invocations, the outermost first: each goes into its own timeline as it
    /// stands, and the innermost into those of all other streams, which will see no callback either.
    pub fn trapped(&mut self, open: &[OpenInvocation], next: u64) {
        let events = black_box::unfinished(open, next);
        let Some(trap) = events.last().cloned() else { return };
        for event in events {
            let hostcalls = self.hostcalls_in(event.entry);
            self.invocation(Some(event), hostcalls);
        }
        self.name_roots(open);
        let concerned: Vec<Key> =
            self.held.iter().filter(|(_, h)| !h.deleted).map(|(key, _)| *key).collect();
        for key in concerned {
            if let Some(held) = self.held.get_mut(&key)
                && held.kept.state() == State::Open
                && held.kept.read().event(trap.sequence).is_none()
            {
                insert(held.kept.open(), std::iter::once(trap.clone()));
                self.touch(key);
            }
        }
    }

    /// Nothing will follow the trap: what is open is closed, and told so until something follows after all.
    pub fn died(&mut self) {
        self.is_dead = true;
        self.touch_open();
    }

    fn touch_open(&mut self) {
        let open =
            |(key, held): (&Key, &super::Held)| (held.kept.state() == State::Open).then_some(*key);
        self.mark(self.held.iter().filter_map(open).collect());
    }

    /// The VM lives: what was taken for unfinished goes on, or will come with its return.
    pub fn lives_on(&mut self) {
        self.is_dead = false;
        let is_unfinished = |e: &Event| e.marks.has(Marks::UNFINISHED);
        let concerned = |(key, held): (&Key, &super::Held)| {
            held.kept.read().events.iter().any(is_unfinished).then_some(*key)
        };
        let concerned: Vec<Key> = self.held.iter().filter_map(concerned).collect();
        for key in concerned {
            if let Some(held) = self.held.get_mut(&key) {
                held.kept.open().events.retain(|e| !is_unfinished(e));
            }
            self.touch(key);
        }
    }

    /// What the plugin logged in an invocation that has not returned.
    pub fn logged_in(&self, entry: Entry) -> String {
        let open = self.unfinished.iter().find(|(of, _)| *of == entry);
        open.map(|(_, hostcalls)| black_box::log_lines(hostcalls)).unwrap_or_default()
    }

    /// Nothing is heard of the instance, or it is heard again: all its timelines are judged anew.
    pub fn heard(&mut self, silence: Option<Silence>) {
        if self.silence == silence {
            return;
        }
        self.silence = silence;
        self.touch_open();
    }

    /// A stream whose beginning was not recorded has its root from the black box.
    fn name_roots(&mut self, open: &[OpenInvocation]) {
        for OpenInvocation { context, root, .. } in open {
            let key = self.current.get(context);
            if let Some(held) = key.and_then(|key| self.held.get_mut(key))
                && held.kept.root_id() == ContextId(0)
            {
                held.kept.open().stream.root = *root;
            }
        }
    }

    fn hostcalls_in(&mut self, entry: Entry) -> Vec<Event> {
        let at = self.unfinished.iter().position(|(of, _)| *of == entry);
        at.map(|at| self.unfinished.swap_remove(at).1).unwrap_or_default()
    }
}
