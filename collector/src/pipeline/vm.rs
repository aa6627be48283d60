//! One instance in the pipeline: its timelines, and which of its batches the journal must keep.

use std::collections::{BTreeMap, BTreeSet};

use timeline::Instance;
use timeline::ids::{ContextId, InstanceId, Micros, Sequence, TimelineId};

use super::Report;
use crate::decode::{Fuse, SourceCounters};
use crate::store::{BatchId, Resume};

/// Batches after a hole are folded at the latest so long after they came (the instance waits 10 s).
const HOLE: Micros = Micros(15_000_000);

/// One instance.
pub(super) struct Vm {
    /// The domain's part of it.
    pub instance: Instance,
    /// Its entry in the deadlines.
    pub deadline: Option<Micros>,
    /// Arrival of its last batch.
    pub heard: Micros,
    /// What its recorder had counted at its last batch, as far as it was added. None: what was added,
    /// if anything, was added by the process before this one.
    pub counted: Option<SourceCounters>,
    /// SHA-256 of the module that was instrumented.
    pub original: Option<[u8; 32]>,
    /// Why its recorder records nothing now; None: it does.
    pub fuse: Option<Fuse>,
    /// When its recorder last said so, on its own clock: batches come in any order.
    told: Micros,
    /// Names of its plugins, by their roots.
    pub plugins: BTreeMap<u32, String>,
    /// Context ids up to here may be of timelines whose batches the journal has let go.
    pub used_until: ContextId,
    /// Gaps counted.
    pub gaps: usize,
    /// Something changed since the last sweep.
    pub is_dirty: bool,
    /// First numbers of the timelines that are open or not stored yet.
    needed: BTreeSet<(u64, TimelineId)>,
    /// Batches in the journal, by their first number.
    held: BTreeMap<(u64, BatchId), Held>,
    /// All numbers below are folded.
    frontier: u64,
}

struct Held {
    /// Last number, or the first if there is none.
    last: u64,
    events: u64,
    arrived: Micros,
}

impl Vm {
    /// What is known of it.
    pub fn report(&self) -> Report {
        // A new one's counts begin at zero before the first has come.
        let came = |counted: &&SourceCounters| **counted != SourceCounters::default();
        Report {
            status: self.instance.status(),
            original: self.original,
            fuse: self.fuse,
            at_source: self.counted.as_ref().filter(came).map(SourceCounters::totals),
        }
    }

    /// An instance of which nothing has come.
    pub fn new(id: InstanceId, resumes_at: Option<Resume>) -> Vm {
        Vm {
            instance: match resumes_at {
                Some(resume) => Instance::resuming(id, resume.next),
                None => Instance::new(id),
            },
            deadline: None,
            heard: Micros(0),
            counted: resumes_at.is_none().then(SourceCounters::default),
            original: None,
            fuse: None,
            told: Micros(0),
            plugins: BTreeMap::new(),
            used_until: resumes_at.map_or(ContextId(0), |resume| resume.used_until),
            gaps: 0,
            is_dirty: false,
            needed: BTreeSet::new(),
            held: BTreeMap::new(),
            // Recorders number from 0 or 1.
            frontier: resumes_at.map_or(1, |resume| resume.next.0.max(1)),
        }
    }

    /// Its recorder says at a moment of its clock whether it records.
    pub fn tell(&mut self, fuse: Option<Fuse>, at: Micros) {
        if at >= self.told {
            self.told = at;
            self.fuse = fuse;
        }
    }

    /// The journal has a batch of it.
    pub fn hold(&mut self, id: BatchId, first: u64, events: u64, arrived: Micros) {
        let last = (first + events).saturating_sub(1).max(first);
        self.held.insert((first, id), Held { last, events, arrived });
        self.is_dirty = true;
    }

    /// A timeline needs the events from a number on.
    pub fn need(&mut self, first: u64, id: TimelineId) {
        self.needed.insert((first, id));
    }

    /// It needs them no longer.
    pub fn release(&mut self, first: u64, id: TimelineId) {
        self.needed.remove(&(first, id));
        self.is_dirty = true;
    }

    /// Batches that the journal may let go: all of whose timelines, and of all before them, are
    /// stored. Only from the front, so that a replay finds no holes.
    pub fn releasable(&mut self, now: Micros) -> Vec<BatchId> {
        let floor = self.needed.first().map_or(u64::MAX, |(first, _)| *first);
        let mut free = Vec::new();
        while let Some(entry) = self.held.first_entry() {
            let (first, id) = *entry.key();
            let held = entry.get();
            let is_folded = first <= self.frontier || now.since(held.arrived) > HOLE;
            if held.last >= floor || !is_folded {
                break;
            }
            self.frontier = self.frontier.max(first + held.events);
            free.push(id);
            entry.remove();
        }
        self.is_dirty = !self.held.is_empty();
        free
    }

    /// Where it goes on should it be let go and heard again.
    pub fn resume(&self) -> Resume {
        Resume { next: Sequence(self.frontier), used_until: ContextId(u32::MAX) }
    }

    /// Number of batches that the journal keeps for it.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Is nothing of it open or unstored?
    pub fn is_quiet(&self) -> bool {
        self.needed.is_empty() && self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: InstanceId = InstanceId([1; 16]);

    fn id(number: u8) -> TimelineId {
        TimelineId([number; 16])
    }

    #[test]
    fn a_batch_stays_while_a_timeline_of_it_or_of_one_before_is_open() {
        let mut vm = Vm::new(INSTANCE, None);
        vm.hold(BatchId(1), 0, 10, Micros(0));
        vm.hold(BatchId(2), 10, 10, Micros(0));
        vm.hold(BatchId(3), 20, 10, Micros(0));
        vm.need(12, id(1));
        assert_eq!(vm.releasable(Micros(0)), [BatchId(1)]);
        vm.need(25, id(2));
        vm.release(12, id(1));
        assert_eq!(vm.releasable(Micros(0)), [BatchId(2)]);
        vm.release(25, id(2));
        assert_eq!(vm.releasable(Micros(0)), [BatchId(3)]);
        assert!(vm.is_quiet());
    }

    #[test]
    fn a_batch_behind_a_hole_stays_until_the_instance_has_stopped_waiting_for_it() {
        let mut vm = Vm::new(INSTANCE, None);
        vm.hold(BatchId(1), 0, 10, Micros(0));
        vm.hold(BatchId(3), 20, 10, Micros(0));
        assert_eq!(vm.releasable(Micros(0)), [BatchId(1)]);
        assert_eq!(vm.releasable(Micros(14_000_000)), []);
        assert_eq!(vm.releasable(Micros(16_000_000)), [BatchId(3)]);
    }
}
