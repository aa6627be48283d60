//! The memory of the VM, in the life of its eldest root.

use super::Correlator;
use crate::delivery::MemorySample;
use crate::ids::{ContextId, Micros};
use crate::memory;

impl Correlator {
    /// Takes the VM's pages as of a moment; 0: they are not said.
    pub(super) fn remember(&mut self, pages: u32, at: Micros) {
        let Some(eldest) = self.eldest().filter(|_| pages > 0) else { return };
        let sample = MemorySample { at, pages, streams: self.served.values().sum() };
        let key = self.life(eldest);
        let Some(held) = self.held.get_mut(&key) else { return };
        let life = held.kept.open();
        memory::add(&mut life.memory, sample);
        let told = life.findings.iter().filter_map(|f| f.memory.last()).map(|s| s.pages).max();
        // Said anew when it has become worse, not with every page.
        let is_news = match (memory::growth(&life.memory), told) {
            (Some(_), Some(told)) => pages >= told.saturating_add(told / 8),
            (growth, told) => growth.is_some() != told.is_some(),
        };
        if is_news {
            self.touch(key);
        }
    }

    fn eldest(&self) -> Option<ContextId> {
        let alive = self.roots.values().filter(|root| !root.ended).map(|root| root.context);
        self.lives.keys().copied().min().or_else(|| alive.min())
    }
}
