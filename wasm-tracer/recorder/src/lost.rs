//! Ranges of numbers that will never arrive, kept until a batch that says so was accepted.

use proto::fields::{batch, lost, lost_reason};

use crate::wire::Writer;

const RANGES: usize = 24;

/// One range.
#[derive(Clone, Copy)]
struct Range {
    from: u64,
    to: u64,
    reason: u32,
    /// Context that they were of; 0: any.
    context: u32,
    /// When it last changed, in changes.
    stamp: u64,
}

/// All ranges not yet told.
pub struct Losses {
    ranges: [Range; RANGES],
    count: usize,
    changes: u64,
    /// Events lost since the start.
    pub events: u64,
}

impl Losses {
    pub const EMPTY: Losses = Losses {
        ranges: [Range { from: 0, to: 0, reason: 0, context: 0, stamp: 0 }; RANGES],
        count: 0,
        changes: 0,
        events: 0,
    };

    fn all(&self) -> &[Range] {
        self.ranges.get(..self.count).unwrap_or(&[])
    }

    /// Is there nothing to tell?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What [`Losses::told`] needs when a batch with all of these is accepted.
    pub fn stamp(&self) -> u64 {
        self.changes
    }

    /// Adds a range; one that touches another of the same reason is joined to it.
    pub fn add(&mut self, from: u64, to: u64, reason: u32, context: u32) {
        // What a skeleton did not hold was never in the buffer: it speaks of no trouble with shipping.
        if reason != lost_reason::SKELETON {
            self.events = self.events.saturating_add(to.saturating_sub(from).saturating_add(1));
        }
        self.changes = self.changes.saturating_add(1);
        let mut new = Range { from, to, reason, context, stamp: self.changes };
        let touching = self.all().iter().position(|r| {
            (r.reason, r.context) == (reason, context)
                && r.from <= to.saturating_add(1)
                && from <= r.to.saturating_add(1)
        });
        // Without room the nearest older range grows over what lies between: better said too much lost
        // than a hole of which nobody knows.
        let full = (self.count == RANGES).then(|| self.nearest(from));
        if let Some(at) = touching.or(full) {
            if let Some(range) = self.ranges.get_mut(at) {
                new.from = new.from.min(range.from);
                new.to = new.to.max(range.to);
                if range.context != context {
                    new.context = 0;
                }
                *range = new;
            }
            return;
        }
        if let Some(place) = self.ranges.get_mut(self.count) {
            *place = new;
            self.count += 1;
        }
    }

    fn nearest(&self, from: u64) -> usize {
        let mut best = (u64::MAX, 0);
        for (at, range) in self.all().iter().enumerate() {
            let distance = from.abs_diff(range.to).min(from.abs_diff(range.from));
            if distance < best.0 {
                best = (distance, at);
            }
        }
        best.1
    }

    /// A batch with all ranges up to a stamp was accepted.
    pub fn told(&mut self, stamp: u64) {
        let mut kept = 0;
        for at in 0..self.count {
            let Some(range) = self.ranges.get(at).copied() else { break };
            if range.stamp > stamp {
                if let Some(to) = self.ranges.get_mut(kept) {
                    *to = range;
                }
                kept += 1;
            }
        }
        self.count = kept;
    }

    /// Writes all of them.
    pub fn write(&self, to: &mut Writer<'_>) {
        for range in self.all() {
            let start = to.begin(batch::LOST);
            to.number(lost::FROM_SEQUENCE, range.from);
            to.number(lost::TO_SEQUENCE, range.to);
            to.number(lost::REASON, u64::from(range.reason));
            to.words(lost::CONTEXTS, &[range.context]);
            to.end(start);
        }
    }
}
