//! When a timeline is closed, and what is kept of it then.

use std::sync::Arc;

use abi::{CallKind, Callback, Dialect, Kind};

use super::{Correlator, Key, NEVER};
use crate::calls::{self, Outcome, ends_root};
use crate::delivery::{Module, Root};
use crate::diagnose::{Instant, diagnose};
use crate::ids::{CallId, Micros, Sequence};
use crate::instance::InstanceGap;
use crate::kept::Kept;
use crate::timeline::{Gap, Reason, Silence, State, Timeline, Update};

/// A timeline of which nothing is heard and nothing is awaited is closed after this.
const IDLE: Micros = Micros(600_000_000);
/// Added to the last timeout of a call before its callback is given up.
const GRACE: Micros = Micros::SECOND;
/// Closed timelines kept because a response callback may still come.
const MOST_DORMANT: usize = 1_024;

impl Correlator {
    /// Closes the timeline of which nothing was heard for longest.
    pub fn evict(&mut self, gaps: &[InstanceGap], instant: Instant) -> Option<Update> {
        loop {
            let &(_, key) = self.idle.first()?;
            let update = self.update(key, gaps, instant, Some(Reason::Evicted), true);
            if update.is_some() {
                return update;
            }
        }
    }

    pub(super) fn update(
        &mut self,
        key: Key,
        gaps: &[InstanceGap],
        instant: Instant,
        forced: Option<Reason>,
        touched: bool,
    ) -> Option<Update> {
        let root = self.held.get(&key).map(|held| self.root_around(&held.kept))?;
        let is_life = self.is_life(key);
        let held = self.held.get_mut(&key)?;
        // Untouched it may be that all stands which was said of it.
        let folded = match &held.kept {
            Kept::Folded(folded) if !touched => Some(folded.clone()),
            _ => None,
        };
        let timeline = held.kept.unfold();
        let around = Around {
            dialect: self.calibrations.of(root.context),
            root,
            module: self.module.clone(),
            node: self.node.clone(),
            silence: self.silence,
            gaps: if gaps.is_empty() { Vec::new() } else { Reach::of(timeline).among(gaps) },
        };
        // Without news only time can change what is said.
        let is_as_before = !touched && around.is_of(timeline);
        if is_as_before && folded.is_some() {
            let then = Instant::at(timeline.known_until);
            Arc::make_mut(timeline).assess(then);
        }
        let verdicts = is_as_before.then(|| diagnose(timeline, instant));
        let stands = verdicts.as_ref().is_some_and(|verdicts| verdicts.stand(timeline));
        let pending = match verdicts {
            Some(verdicts) if stands => verdicts.pending,
            verdicts => {
                let t = Arc::make_mut(timeline);
                around.surround(t);
                t.clock = self.clock;
                t.known_until = instant.known_until;
                match verdicts {
                    Some(verdicts) => t.judged(verdicts),
                    None => t.assess(instant),
                }
                t.pending.clone()
            }
        };
        let mut changed = !stands;
        let ends = Ends::of(held.deleted, timeline);
        let reason = ends.reason(instant).or(forced);
        let state = reason.map_or(State::Open, State::Closed);
        changed |= timeline.state != state;
        let told = timeline.revision > 0 || is_worth_telling(timeline);
        if changed {
            let t = Arc::make_mut(timeline);
            t.state = state;
            t.revision += u32::from(told);
        }
        let snapshot = timeline.clone();
        // A root's life gets something with every batch.
        held.kept = match folded {
            Some(folded) if !changed => Kept::Folded(folded),
            _ if is_life => Kept::Whole(snapshot.clone()),
            _ => Kept::of(&snapshot),
        };
        let kept = held.kept.clone();
        if let Some(deadline) = held.deadline.take() {
            self.deadlines.remove(&(deadline, key));
        }
        if held.idle != NEVER {
            self.idle.remove(&(held.idle, key));
        }
        if reason.is_none() {
            let later = |at: &Micros| *at >= instant.known_until;
            let next = pending.iter().map(|p| p.until).chain(ends.deadline).filter(later).min();
            held.deadline = next.map(|at| at.after(Micros(1)));
            held.idle = ends.last.after(IDLE);
            self.deadlines.extend(held.deadline.map(|at| (at, key)));
            self.idle.insert((held.idle, key));
        }
        // A callback that may still come finds its timeline.
        match reason {
            None => {}
            // The life of a root goes on until the root is deleted.
            Some(_) if is_life && !is_over(&snapshot, forced) => {}
            Some(Reason::TimedOut | Reason::Idle) => self.rest(key),
            // And a trap may be withdrawn.
            Some(Reason::InstanceEnded) if self.is_dead => self.rest(key),
            // So may the batch of a gap.
            Some(Reason::Ended | Reason::RootEnded) if !snapshot.gaps.is_empty() => self.rest(key),
            Some(_) => self.forget(key),
        }
        let (id, revision) = (snapshot.id, snapshot.revision);
        (changed && told).then_some(Update { id, revision, state, snapshot, kept })
    }

    /// The root of a timeline; that of a root's own with what it has served.
    fn root_around(&self, kept: &Kept) -> Arc<Root> {
        let mut root = self.root(kept.root_id());
        if kept.is_root()
            && let Some(served) = self.served.get(&kept.context()).filter(|served| **served > 0)
        {
            Arc::make_mut(&mut root).streams = *served;
        }
        root
    }

    /// Keeps a closed timeline for a callback that may still come.
    fn rest(&mut self, key: Key) {
        if let Some(held) = self.held.get_mut(&key)
            && !std::mem::replace(&mut held.resting, true)
        {
            self.open_streams -= usize::from(held.is_stream);
            self.dormant.push_back(key);
        }
        if self.dormant.len() > MOST_DORMANT
            && let Some(oldest) = self.dormant.pop_front()
        {
            self.forget(oldest);
        }
    }

    fn forget(&mut self, key: Key) {
        let Some(held) = self.held.remove(&key) else { return };
        if held.idle != NEVER {
            self.idle.remove(&(held.idle, key));
        }
        if held.resting {
            self.dormant.retain(|k| *k != key);
        } else {
            self.open_streams -= usize::from(held.is_stream);
        }
        let timeline = held.kept.whole();
        let mut out = Vec::new();
        for call in timeline.calls.iter().filter(|c| c.id != CallId(0)) {
            if self.owners.get(&call.id) == Some(&key) {
                self.owners.remove(&call.id);
                let is_out = call.outcome == Outcome::Pending || call.kind == CallKind::GrpcStream;
                out.extend(is_out.then_some(call.id));
            }
        }
        if self.lives.get(&timeline.context) == Some(&key) {
            self.lives.remove(&timeline.context);
        }
        if self.current.get(&timeline.context) == Some(&key) {
            self.current.remove(&timeline.context);
            self.generations.used(timeline.context, timeline.generation);
        }
        self.generations.give_away(&timeline, held.deleted, &out);
    }
}

/// What a timeline has of its instance.
struct Around {
    root: Arc<Root>,
    module: Arc<Module>,
    node: Arc<str>,
    dialect: Dialect,
    silence: Option<Silence>,
    gaps: Vec<Gap>,
}

impl Around {
    /// Does a timeline have it all?
    fn is_of(&self, t: &Timeline) -> bool {
        t.root == self.root
            && t.module == self.module
            && t.node == self.node
            && t.dialect == self.dialect
            && t.silence == self.silence
            && t.gaps == self.gaps
    }

    fn surround(self, t: &mut Timeline) {
        t.stream.root = self.root.context;
        t.root = self.root;
        t.module = self.module;
        t.node = self.node;
        t.dialect = self.dialect;
        t.silence = self.silence;
        t.gaps = self.gaps;
    }
}

/// What decides about closing.
pub(super) struct Ends {
    deleted: bool,
    /// The end of its root is among its events.
    root_ended: bool,
    out: bool,
    /// When the last call that is out is given up; None if one has no timeout.
    deadline: Option<Micros>,
    /// End of the last event.
    last: Micros,
}

impl Ends {
    /// Of a timeline and its calls as they are.
    pub(super) fn of(deleted: bool, timeline: &Timeline) -> Ends {
        let out = || timeline.calls.iter().filter(|c| c.outcome == Outcome::Pending);
        let mut limits = out().map(|c| c.timeout.map(|t| c.dispatched_at.after(t).after(GRACE)));
        let last = timeline.events.iter().map(|e| e.at.after(e.took)).max().unwrap_or_default();
        let root_ended = timeline.events.iter().any(|e| ends_root(e, timeline));
        Ends {
            deleted,
            root_ended,
            out: out().next().is_some(),
            deadline: limits
                .try_fold(None, |latest, limit| Some(latest.max(Some(limit?))))
                .flatten(),
            last,
        }
    }

    pub(super) fn reason(&self, instant: Instant) -> Option<Reason> {
        if self.root_ended {
            return Some(Reason::RootEnded);
        }
        if self.deleted && !self.out {
            return Some(Reason::Ended);
        }
        if self.deleted && self.deadline.is_some_and(|at| at < instant.known_until) {
            return Some(Reason::TimedOut);
        }
        (self.last.after(IDLE) <= instant.now).then_some(Reason::Idle)
    }
}

/// A root is worth telling of when it called somebody, or something is wrong with it.
fn is_worth_telling(timeline: &Timeline) -> bool {
    !timeline.is_root() || !timeline.calls.is_empty() || !timeline.findings.is_empty()
}

/// Is the root of a life gone?
fn is_over(life: &Timeline, forced: Option<Reason>) -> bool {
    let delete = Kind::Callback(Callback::Delete);
    forced == Some(Reason::RootEnded) || life.events.iter().any(|e| e.kind == delete)
}

/// Where a timeline lies among the numbers of its instance.
struct Reach<'a> {
    timeline: &'a Timeline,
    first: Sequence,
    last: Sequence,
    /// Its beginning is among its events.
    begun: bool,
    /// Nothing of it follows.
    ended: bool,
}

impl Reach<'_> {
    fn of(timeline: &Timeline) -> Reach<'_> {
        let numbers = timeline.events.iter().map(|e| e.sequence);
        let create = Kind::Callback(Callback::ContextCreate);
        // A root's life is at rest now and then, and goes on.
        let goes_on = timeline.is_root() && !timeline.is_errand();
        // What came late may be a dispatch, whose answer may lie in a gap.
        let awaits = || calls::of(timeline).iter().any(|call| call.outcome == Outcome::Pending);
        let is_closed = matches!(timeline.state, State::Closed(Reason::Ended));
        Reach {
            timeline,
            first: numbers.clone().min().unwrap_or_default(),
            last: numbers.max().unwrap_or(Sequence(u64::MAX)),
            begun: timeline.events.iter().any(|e| e.kind == create),
            ended: is_closed && !goes_on && !awaits(),
        }
    }

    /// Those gaps that may have swallowed events of the timeline.
    fn among(&self, gaps: &[InstanceGap]) -> Vec<Gap> {
        gaps.iter().filter(|gap| self.meets(gap)).map(|gap| gap.gap.clone()).collect()
    }

    fn meets(&self, gap: &InstanceGap) -> bool {
        let ids = [self.timeline.context, self.timeline.stream.root];
        if !gap.contexts.is_empty() && !gap.contexts.iter().any(|c| ids.contains(c)) {
            return false;
        }
        let Gap { from, to, .. } = gap.gap;
        // Hostcalls are numbered before their invocation, so the first one of an errand may be missing.
        let errand_begun = self.timeline.begins() && to.0.saturating_add(1) < self.first.0;
        if self.begun && to < self.first || errand_begun {
            return false;
        }
        !self.ended || from < self.last
    }
}
