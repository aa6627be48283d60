//! How often context ids were used: hosts count upwards, so reuse is rare, but it must be told apart.

use std::collections::{HashMap, VecDeque};

use crate::ids::ContextId;

/// Context ids whose last generation is remembered.
const MOST: usize = 4_096;

/// The last generation of contexts that are gone.
#[derive(Default)]
pub(crate) struct Generations {
    last: HashMap<ContextId, u32>,
    order: VecDeque<ContextId>,
}

impl Generations {
    /// Is anything known of a context?
    pub fn knows(&self, context: ContextId) -> bool {
        self.last.contains_key(&context)
    }

    /// Generation of its next use.
    pub fn next(&self, context: ContextId) -> u32 {
        self.last.get(&context).map_or(0, |last| last + 1)
    }

    /// Its last use had this generation.
    pub fn used(&mut self, context: ContextId, generation: u32) {
        if self.last.insert(context, generation).is_none() {
            self.order.push_back(context);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.last.remove(&oldest);
        }
    }
}
