//! The plugin's calls that are out, and what became of the others, by root and cluster.

use proto::fields::{call_count, call_outcome, counters};

use crate::bytes::Text;
use crate::histogram::Histogram;
use crate::skeleton::Keeper;
use crate::wire::Writer;

const SETS: usize = 16;
const WAYS: usize = 8;
const CLUSTERS: usize = 64;
const COUNTS: usize = 72;
/// Index of all clusters beyond the first 64.
const OTHER: u8 = CLUSTERS as u8;
/// A call without a timeout is waited for this long.
const UNBOUNDED: u64 = 600_000_000;
/// Beyond its timeout a call is waited for this long.
const GRACE: u64 = 5_000_000;

/// A call that is out.
#[derive(Clone, Copy)]
pub struct Out {
    /// 0: the place is free.
    pub call: u32,
    pub root: u32,
    /// Context that started it.
    pub context: u32,
    /// Its stream's events are kept.
    pub recorded: bool,
    /// The stream in whose skeleton they are kept; 0: in none.
    pub owner: u32,
    /// Its context was known when it started: if it is no longer, the answer is late.
    pub watched: bool,
    cluster: u8,
    at: u64,
    until: u64,
}

impl Out {
    const EMPTY: Out = Out {
        call: 0,
        root: 0,
        context: 0,
        recorded: false,
        owner: 0,
        watched: false,
        cluster: 0,
        at: 0,
        until: 0,
    };
}

#[derive(Clone, Copy)]
struct Count {
    root: u32,
    cluster: u8,
    outcome: u8,
    /// Its root has ended: the row may be another's.
    gone: bool,
    count: u64,
    duration: Histogram,
}

/// All of them.
pub struct Calls {
    /// Sets of places: ids count up, so they spread evenly over the sets.
    out: [[Out; WAYS]; SETS],
    clusters: [Text<48>; CLUSTERS],
    counts: [Count; COUNTS],
}

impl Calls {
    pub const EMPTY: Calls = Calls {
        out: [[Out::EMPTY; WAYS]; SETS],
        clusters: [Text::EMPTY; CLUSTERS],
        counts: [Count {
            root: 0,
            cluster: 0,
            outcome: 0,
            gone: false,
            count: 0,
            duration: Histogram::EMPTY,
        }; COUNTS],
    };

    fn cluster(&mut self, name: &[u8]) -> u8 {
        let name = name.get(..48).unwrap_or(name);
        for (at, known) in self.clusters.iter_mut().enumerate() {
            if known.is_empty() {
                known.set(name);
            }
            if known.get() == name {
                return at as u8;
            }
        }
        OTHER
    }

    /// A dispatch was accepted; false: there is no place for the call.
    pub fn started(
        &mut self,
        (root, context, keeper, watched): (u32, u32, Keeper, bool),
        call: u32,
        cluster: &[u8],
        (now, timeout_millis): (u64, u32),
    ) -> bool {
        let cluster = self.cluster(cluster);
        let wait = match timeout_millis {
            0 => UNBOUNDED,
            millis => u64::from(millis) * 1000 + GRACE,
        };
        let until = now.saturating_add(wait);
        let set = self.set(call);
        let free = |o: &&mut Out| o.call == call || o.call == 0 || o.until < now;
        let Some(place) = set.iter_mut().find(free) else { return false };
        let (recorded, owner) = (keeper.recorded, keeper.owner);
        *place = Out { call, root, context, recorded, owner, watched, cluster, at: now, until };
        true
    }

    /// A stream was promoted.
    pub fn promoted(&mut self, context: u32) {
        for out in self.out.iter_mut().flatten().filter(|out| out.owner == context) {
            (out.recorded, out.owner) = (true, 0);
        }
    }

    /// A dispatch was refused.
    pub fn rejected(&mut self, root: u32, cluster: &[u8]) {
        let cluster = self.cluster(cluster);
        self.count(root, cluster, call_outcome::REJECTED, None);
    }

    /// A call that is out.
    pub fn get(&mut self, call: u32) -> Option<Out> {
        self.set(call).iter().find(|o| o.call == call && call != 0).copied()
    }

    /// The low two bits of an id say what kind of call it is.
    fn set(&mut self, call: u32) -> &mut [Out] {
        match self.out.get_mut((call >> 2) as usize % SETS) {
            Some(set) => set,
            None => &mut [],
        }
    }

    /// The answer to a call came.
    pub fn answered(&mut self, call: u32, outcome: u32, now: u64) {
        let found = self.set(call).iter_mut().find(|o| o.call == call && call != 0);
        let Some(out) = found else { return };
        let was = *out;
        out.call = 0;
        self.count(was.root, was.cluster, outcome, Some(now.saturating_sub(was.at)));
    }

    /// The answer came to a call that found no place: when it started, and to which cluster, is not
    /// known.
    pub fn answered_without_a_place(&mut self, root: u32, outcome: u32) {
        self.count(root, OTHER, outcome, None);
    }

    /// A root has ended: the host cancels its calls without a callback. Its rows stay until another needs
    /// one.
    pub fn root_is_gone(&mut self, root: u32) {
        for count in self.counts.iter_mut().filter(|count| count.root == root) {
            count.gone = true;
        }
        for out in self.out.iter_mut().flatten().filter(|out| out.root == root) {
            out.call = 0;
        }
    }

    /// Is a call of this context out?
    pub fn any_of(&self, context: u32) -> bool {
        self.out.iter().flatten().any(|out| out.call != 0 && out.context == context)
    }

    /// Forgets calls whose answer is overdue; is any left?
    pub fn any_out(&mut self, now: u64) -> bool {
        let mut any = false;
        for out in self.out.iter_mut().flatten() {
            if out.until < now {
                out.call = 0;
            }
            any |= out.call != 0;
        }
        any
    }

    fn count(&mut self, root: u32, cluster: u8, outcome: u32, micros: Option<u64>) {
        let outcome = outcome as u8;
        let same = |c: &Count| c.root == root && c.cluster == cluster && c.outcome == outcome;
        let found = self.counts.iter().position(|c| c.count > 0 && same(c));
        let free = || self.counts.iter().position(|c| c.count == 0);
        let gone = || self.counts.iter().position(|c| c.gone);
        // Without a place the nearest thing counts: another root's or cluster's of the same outcome.
        let like = || self.counts.iter().rposition(|c| c.outcome == outcome);
        let at = found.or_else(free).or_else(gone).or_else(like);
        let Some(count) = at.and_then(|at| self.counts.get_mut(at)) else { return };
        if count.count == 0 || count.gone && !same(count) {
            *count =
                Count { root, cluster, outcome, gone: false, count: 0, duration: Histogram::EMPTY };
        }
        count.count = count.count.saturating_add(1);
        if let Some(micros) = micros {
            count.duration.add(micros);
        }
    }

    /// Writes the counts that fit.
    pub fn write(&self, to: &mut Writer<'_>) {
        if to.is_full() {
            return;
        }
        for count in self.counts.iter().filter(|c| c.count > 0) {
            let before = to.length();
            let start = to.begin(counters::CALLS);
            to.number(call_count::ROOT, u64::from(count.root));
            if let Some(cluster) = self.clusters.get(usize::from(count.cluster)) {
                to.bytes(call_count::CLUSTER, cluster.get());
            }
            to.number(call_count::OUTCOME, u64::from(count.outcome));
            to.number(call_count::COUNT, count.count);
            count.duration.write(call_count::DURATION, to);
            to.end(start);
            if to.is_full() {
                return to.back_to(before);
            }
        }
    }
}
