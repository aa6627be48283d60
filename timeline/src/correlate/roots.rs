//! The roots of an instance: each push of a configuration brings one, and ends another after a while.

use std::sync::Arc;

use super::Correlator;
use crate::delivery::Root;
use crate::event::Event;
use crate::ids::{ContextId, Micros};

/// Roots remembered after their end. More than a recorder names at a time, and it names the latest.
const MOST_ENDED: usize = 64;

impl Correlator {
    /// A root is there, whatever batches say of it later.
    pub(super) fn meet_root(&mut self, event: &Event) {
        let (context, since) = (event.context, event.at);
        let met = || Arc::new(Root { context, since, ..Root::default() });
        self.roots.entry(context).or_insert_with(met);
    }

    /// Takes what a batch says of the roots, as they were when it was sent.
    pub(super) fn know_roots(&mut self, roots: Vec<Root>, sent: Micros) {
        for mut root in roots {
            let served = self.served.entry(root.context).or_default();
            *served = std::mem::take(&mut root.streams).max(*served);
            let known = self.roots.get(&root.context);
            if root.ended && known.is_none_or(|known| !known.ended) {
                self.ending_roots.push((sent, root.context));
            }
            if known.is_none_or(|known| **known != root) {
                self.roots.insert(root.context, Arc::new(root));
            }
        }
    }

    /// The events of a root may come in a later batch than the word of its end: a batch that was kept for
    /// long is sent with the roots of today. It has ended when all is known up to that word.
    pub(super) fn end_roots(&mut self, known_until: Micros) {
        let ended = self.ending_roots.extract_if(.., |(said, _)| *said <= known_until);
        self.ended_roots.extend(ended.map(|(_, root)| root));
        self.forget_roots();
    }

    fn forget_roots(&mut self) {
        let is_over = |root: &Root| {
            root.ended && !self.ending_roots.iter().any(|(_, context)| *context == root.context)
        };
        let mut ended: Vec<(Micros, ContextId)> =
            self.roots.values().filter(|r| is_over(r)).map(|r| (r.since, r.context)).collect();
        if ended.len() > MOST_ENDED {
            ended.sort_unstable();
            for (_, context) in &ended[..ended.len() - MOST_ENDED] {
                self.roots.remove(context);
                self.calibrations.forget(*context);
                self.served.remove(context);
            }
        }
    }
}
