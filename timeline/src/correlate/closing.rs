//! When a timeline is closed, and what is kept of it then.

use abi::{Callback, Kind};

use super::{Correlator, Key};
use crate::calls::Outcome;
use crate::diagnose::Instant;
use crate::ids::{CallId, Micros, Sequence};
use crate::instance::InstanceGap;
use crate::timeline::{Reason, State, Timeline, Update};

/// A timeline of which nothing is heard and nothing is awaited is closed after this.
const IDLE: Micros = Micros(600_000_000);
/// Added to the last timeout of a call before its callback is given up.
const GRACE: Micros = Micros::SECOND;
/// Closed timelines kept because a response callback may still come.
const MOST_DORMANT: usize = 1_024;

impl Correlator {
    /// Closes the timeline of which nothing was heard for longest.
    pub fn evict(&mut self, gaps: &[InstanceGap], instant: Instant) -> Option<Update> {
        let &(_, key) = self.idle.first()?;
        self.update(key, gaps, instant, Some(Reason::Evicted), true)
    }

    pub(super) fn update(
        &mut self,
        key: Key,
        gaps: &[InstanceGap],
        instant: Instant,
        forced: Option<Reason>,
        touched: bool,
    ) -> Option<Update> {
        let root = self.held.get(&key).map(|h| self.root(h.timeline.stream.root))?;
        let held = self.held.get_mut(&key)?;
        let t = &mut held.timeline;
        let was =
            (!touched).then(|| (t.state, t.findings.clone(), t.unknown.clone(), t.gaps.clone()));
        t.root = root;
        t.stream.root = t.root.context;
        t.module = self.module.clone();
        t.node = self.node.clone();
        t.dialect = self.calibration.dialect;
        t.clock = self.clock;
        t.known_until = instant.known_until;
        t.silence = self.silence;
        t.gaps = gaps.iter().filter(|g| concerns(g, t)).map(|g| g.gap.clone()).collect();
        t.assess(instant);
        let ends = Ends::of(held.deleted, &held.timeline);
        let reason = ends.reason(instant).or(forced);
        let t = &mut held.timeline;
        t.state = reason.map_or(State::Open, State::Closed);
        if let Some(deadline) = held.deadline.take() {
            self.deadlines.remove(&(deadline, key));
        }
        self.idle.remove(&(held.idle, key));
        let unchanged = was.is_some_and(|(state, findings, unknown, gaps)| {
            state == t.state && findings == t.findings && unknown == t.unknown && gaps == t.gaps
        });
        if !unchanged {
            t.revision += 1;
        }
        if reason.is_none() {
            let later = |at: &Micros| *at >= instant.known_until;
            let next = t.pending.iter().map(|p| p.until).chain(ends.deadline).filter(later).min();
            held.deadline = next.map(|at| at.after(Micros(1)));
            held.idle = ends.last.after(IDLE);
            self.deadlines.extend(held.deadline.map(|at| (at, key)));
            self.idle.insert((held.idle, key));
        }
        let (id, revision, state) = (t.id, t.revision, t.state);
        // A callback that may still come finds its timeline; else the timeline is given away whole.
        let keep = match reason {
            None => true,
            Some(Reason::TimedOut | Reason::Idle) => true,
            // So may the batch of a gap.
            Some(Reason::Ended) => !t.gaps.is_empty(),
            Some(_) => false,
        };
        if keep {
            let snapshot = (!unchanged).then(|| t.clone());
            if reason.is_some() {
                self.rest(key);
            }
            return snapshot.map(|snapshot| Update { id, revision, state, snapshot });
        }
        let snapshot = self.forget(key)?;
        (!unchanged).then_some(Update { id, revision, state, snapshot })
    }

    /// Keeps a closed timeline for a callback that may still come.
    fn rest(&mut self, key: Key) {
        if let Some(held) = self.held.get_mut(&key)
            && !std::mem::replace(&mut held.resting, true)
        {
            self.dormant.push_back(key);
        }
        if self.dormant.len() > MOST_DORMANT
            && let Some(oldest) = self.dormant.pop_front()
        {
            self.forget(oldest);
        }
    }

    fn forget(&mut self, key: Key) -> Option<Timeline> {
        let held = self.held.remove(&key)?;
        self.idle.remove(&(held.idle, key));
        if held.resting {
            self.dormant.retain(|k| *k != key);
        }
        let timeline = held.timeline;
        for call in timeline.calls.iter().filter(|c| c.id != CallId(0)) {
            if self.owners.get(&call.id) == Some(&key) {
                self.owners.remove(&call.id);
            }
        }
        if self.current.get(&timeline.context) == Some(&key) {
            self.current.remove(&timeline.context);
            self.generations.used(timeline.context, timeline.generation);
        }
        Some(timeline)
    }
}

/// What decides about closing (design §6).
struct Ends {
    deleted: bool,
    out: bool,
    /// When the last call that is out is given up; None if one has no timeout.
    deadline: Option<Micros>,
    /// End of the last event.
    last: Micros,
}

impl Ends {
    fn of(deleted: bool, timeline: &Timeline) -> Ends {
        let out = || timeline.calls.iter().filter(|c| c.outcome == Outcome::Pending);
        let limits: Option<Vec<Micros>> =
            out().map(|c| c.timeout.map(|t| c.dispatched_at.after(t).after(GRACE))).collect();
        let last = timeline.events.iter().map(|e| e.at.after(e.took)).max().unwrap_or_default();
        Ends {
            deleted,
            out: out().next().is_some(),
            deadline: limits.and_then(|l| l.into_iter().max()),
            last,
        }
    }

    fn reason(&self, instant: Instant) -> Option<Reason> {
        if self.deleted && !self.out {
            return Some(Reason::Ended);
        }
        if self.deleted && self.deadline.is_some_and(|at| at < instant.known_until) {
            return Some(Reason::TimedOut);
        }
        (self.last.after(IDLE) <= instant.now).then_some(Reason::Idle)
    }
}

/// May a gap have swallowed events of a timeline?
fn concerns(gap: &InstanceGap, timeline: &Timeline) -> bool {
    let ids = [timeline.context, timeline.stream.root];
    if !gap.contexts.is_empty() && !gap.contexts.iter().any(|c| ids.contains(c)) {
        return false;
    }
    let numbers = timeline.events.iter().map(|e| e.sequence);
    let first = numbers.clone().min().unwrap_or_default();
    let begun = timeline.events.iter().any(|e| e.kind == Kind::Callback(Callback::ContextCreate));
    if begun && gap.gap.to < first {
        return false;
    }
    let ended = matches!(timeline.state, State::Closed(Reason::Ended));
    let last = numbers.max().unwrap_or(Sequence(u64::MAX));
    !ended || gap.gap.from < last
}
