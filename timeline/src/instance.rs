//! One VM: takes deliveries in any order, counts what is missing, gives timelines.
//!
//! Here: the order of numbers, the clock, `known_until`. What the events mean is `correlate`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::black_box;
use crate::correlate::Correlator;
use crate::delivery::{Delivery, Lost, Module, OpenInvocation, Root};
use crate::event::Event;
use crate::heartbeat::Heartbeat;
use crate::ids::{ContextId, InstanceId, Micros, Sequence};
use crate::timeline::{Gap, Silence, Update};

/// How long a batch that came too early waits for those before it.
pub const OUT_OF_ORDER_WAIT: Micros = Micros(10_000_000);
/// Gaps remembered; beyond it the oldest are joined.
const MOST_GAPS: usize = 256;

/// One VM and its timelines.
pub struct Instance {
    id: InstanceId,
    /// Number of the next event in order; None before anything arrived.
    next: Option<u64>,
    /// What came too early, by its first number, with its arrival.
    waiting: BTreeMap<(u64, u64), (Delivery, Micros)>,
    /// Ranges that the recorder says it lost, not reached yet.
    lost: BTreeMap<u64, Lost>,
    /// Least arrival − monotonic time seen: what the collector's clock is ahead, and the network took.
    offset: Option<i128>,
    last_heard: Micros,
    heartbeat: Heartbeat,
    known_until: Micros,
    gaps: Vec<InstanceGap>,
    is_final: bool,
    /// What was open when it trapped; empty: it did not, as far as it said.
    black_box: Vec<OpenInvocation>,
    correlator: Correlator,
}

/// A gap and the contexts it may have been of; empty: any.
#[derive(Clone, Debug)]
pub(crate) struct InstanceGap {
    pub gap: Gap,
    pub contexts: Vec<ContextId>,
    /// None of its numbers was taken, so that a batch that comes late can fill it.
    pub is_fillable: bool,
}

/// What is known of an instance, for lists.
#[derive(Clone, Debug)]
pub struct InstanceStatus {
    /// The instance.
    pub id: InstanceId,
    /// What was instrumented.
    pub module: Arc<Module>,
    /// The plugins in it.
    pub roots: Vec<Arc<Root>>,
    /// Envoy's node id, empty if not readable.
    pub node: Arc<str>,
    /// Arrival of its last batch, on the collector's clock.
    pub last_heard: Micros,
    /// Up to here its events are complete but for the gaps, on its own clock.
    pub known_until: Micros,
    /// What was lost, most recent last.
    pub gaps: Vec<Gap>,
    /// Timelines that still grow.
    pub open_timelines: usize,
    /// It said that no further batch follows.
    pub is_final: bool,
    /// Invocations that were open when it trapped, the outermost first; empty: it lives, or left no
    /// black box.
    pub black_box: Vec<OpenInvocation>,
    /// Nothing has been heard of it for long, though it was to be expected.
    pub silence: Option<Silence>,
    /// Streams seen; 0: a canary or the main thread's VM.
    pub streams_seen: u64,
}

impl Instance {
    /// An instance of which nothing has arrived.
    pub fn new(id: InstanceId) -> Instance {
        Instance {
            id,
            next: None,
            waiting: BTreeMap::new(),
            lost: BTreeMap::new(),
            offset: None,
            last_heard: Micros(0),
            heartbeat: Heartbeat::default(),
            known_until: Micros(0),
            gaps: Vec::new(),
            is_final: false,
            black_box: Vec::new(),
            correlator: Correlator::new(id),
        }
    }

    /// An instance whose events before a number were taken, and are stored, by a process before.
    pub fn resuming(id: InstanceId, next: Sequence) -> Instance {
        Instance { next: Some(next.0), ..Instance::new(id) }
    }

    /// Did a context id have a timeline, as far as this remembers?
    pub fn has_met(&self, context: ContextId) -> bool {
        self.correlator.is_known(context)
    }

    /// A process before this one stored timelines of a context id, the last of this generation.
    pub fn used_before(&mut self, context: ContextId, generation: u32) {
        self.correlator.generations.used(context, generation);
    }

    /// Its id.
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// Takes one batch. `arrived`: the collector's monotonic clock.
    pub fn deliver(&mut self, delivery: Delivery, arrived: Micros) -> Vec<Update> {
        self.receive(delivery, arrived);
        self.advance(arrived)
    }

    /// The first half of [`Instance::deliver`]: events find their timelines. [`Instance::advance`] judges these.
    pub fn receive(&mut self, delivery: Delivery, arrived: Micros) {
        self.last_heard = self.last_heard.max(arrived);
        let is_empty = delivery.events.is_empty() && delivery.open.is_empty();
        self.heartbeat.heard(delivery.clock.monotonic, is_empty);
        let ahead = i128::from(arrived.0) - i128::from(delivery.clock.monotonic.0);
        self.offset = Some(self.offset.map_or(ahead, |least| least.min(ahead)));
        for lost in &delivery.lost {
            self.lost.insert(lost.from.0, lost.clone());
        }
        // Numbers begin at 1: a first batch with a higher one has others before it.
        self.next.get_or_insert(delivery.first_sequence.0.min(1));
        let key = (delivery.first_sequence.0, delivery.events.len() as u64);
        self.waiting
            .entry(key)
            .and_modify(|(kept, _)| kept.known_until = kept.known_until.max(delivery.known_until))
            .or_insert((delivery, arrived));
        self.take_in_order();
    }

    /// Lets time pass: gives up on what has been waited for too long, then evaluates. `arrived`: the
    /// collector's monotonic clock.
    pub fn advance(&mut self, arrived: Micros) -> Vec<Update> {
        let overdue = |(_, came): &(Delivery, Micros)| came.after(OUT_OF_ORDER_WAIT) <= arrived;
        while self.waiting.values().any(overdue) {
            let Some((&(first, _), _)) = self.waiting.first_key_value() else { break };
            let next = self.next.unwrap_or(first);
            if first > next {
                self.missing(
                    next,
                    first - 1,
                    "the batch with them did not arrive",
                    Vec::new(),
                    true,
                );
                self.next = Some(first);
            }
            self.take_in_order();
        }
        self.listen(arrived);
        let instant = self.context_of_verdicts(arrived);
        self.correlator.updates(&self.gaps, instant, self.is_final)
    }

    /// When to call [`Instance::advance`] next, on the collector's clock.
    pub fn next_deadline(&self) -> Option<Micros> {
        let waiting =
            self.waiting.values().map(|(_, arrived)| arrived.after(OUT_OF_ORDER_WAIT)).min();
        let idle = self.correlator.next_idle().and_then(|at| self.on_collector_clock(at));
        let is_awaited = self.is_to_be_heard() || self.is_trap_doubtful();
        let silent = is_awaited.then(|| self.silent_at());
        [waiting, idle, silent].into_iter().flatten().min()
    }

    /// Closes the timeline that has been quiet longest; None if none is open.
    pub fn evict(&mut self) -> Option<Update> {
        let context = self.context_of_verdicts(self.last_heard);
        self.correlator.evict(&self.gaps, context)
    }

    /// Up to here its events are complete but for the gaps, on its own clock.
    pub fn known_until(&self) -> Micros {
        self.known_until
    }

    /// Its own clock at a moment of the collector's: arrival − the least (arrival − mono) seen.
    pub fn now(&self, arrived: Micros) -> Micros {
        let now = i128::from(arrived.0) - self.offset.unwrap_or_default();
        Micros(u64::try_from(now).unwrap_or_default())
    }

    /// Timelines that still grow.
    pub fn open_timelines(&self) -> usize {
        self.correlator.open()
    }

    /// Did it leave a black box, and has not been heard of since?
    pub fn has_trapped(&self) -> bool {
        !self.black_box.is_empty()
    }

    /// Is nothing heard of it, though streams are open in it?
    pub fn is_silent(&self) -> bool {
        self.correlator.silence.is_some()
    }

    /// What is known of it.
    pub fn status(&self) -> InstanceStatus {
        let c = &self.correlator;
        InstanceStatus {
            id: self.id,
            module: c.module.clone(),
            roots: c.roots.values().cloned().collect(),
            node: c.node.clone(),
            last_heard: self.last_heard,
            known_until: self.known_until,
            gaps: self.gaps.iter().map(|g| g.gap.clone()).collect(),
            open_timelines: c.open(),
            is_final: self.is_final,
            black_box: self.black_box.clone(),
            silence: c.silence,
            streams_seen: c.streams_seen,
        }
    }

    /// Would silence mean something, and has it not been told?
    fn is_to_be_heard(&self) -> bool {
        let ended = self.is_final || !self.black_box.is_empty();
        // A log says nothing more once it is read.
        let is_read = self.correlator.module.is_of_a_log();
        !ended
            && !is_read
            && self.correlator.silence.is_none()
            && self.correlator.open_streams() > 0
    }

    /// When it is silent, should nothing more be heard: on the collector's clock.
    fn silent_at(&self) -> Micros {
        self.last_heard.after(self.heartbeat.silent_after())
    }

    /// It left a black box, and may still be heard of.
    fn is_trap_doubtful(&self) -> bool {
        self.has_trapped() && !self.correlator.is_dead
    }

    /// A trap that leaves no black box shows only as silence. With one, silence means
    /// that nothing will follow.
    fn listen(&mut self, arrived: Micros) {
        if arrived < self.silent_at() {
            self.correlator.heard(None);
        } else if self.is_to_be_heard() {
            let open = u32::try_from(self.correlator.open_streams()).unwrap_or(u32::MAX);
            let since = self.known_until;
            self.correlator.heard(Some(Silence { since, open }));
        } else if self.is_trap_doubtful() {
            self.correlator.died();
        }
    }

    fn on_collector_clock(&self, at: Micros) -> Option<Micros> {
        u64::try_from(i128::from(at.0) + self.offset?).ok().map(Micros)
    }

    fn context_of_verdicts(&self, arrived: Micros) -> crate::Instant {
        crate::Instant {
            now: self.now(arrived).max(self.known_until),
            known_until: self.known_until,
        }
    }

    fn take_in_order(&mut self) {
        while let Some(next) = self.next {
            if self.skip_lost(next) {
                continue;
            }
            match self.waiting.first_key_value() {
                Some((&(first, _), _)) if first <= next => {
                    if let Some((_, (delivery, _))) = self.waiting.pop_first() {
                        self.take(delivery, next);
                    }
                }
                _ => return,
            }
        }
    }

    /// Goes past a range that the recorder lost, if the next number lies in one.
    fn skip_lost(&mut self, next: u64) -> bool {
        while let Some(entry) = self.lost.first_entry() {
            if entry.get().to.0 < next {
                entry.remove();
            } else if entry.get().from.0 <= next {
                let lost = entry.remove();
                self.missing(next, lost.to.0, &lost.reason, lost.contexts, true);
                self.next = Some(lost.to.0.saturating_add(1));
                return true;
            } else {
                return false;
            }
        }
        false
    }

    fn take(&mut self, mut delivery: Delivery, next: u64) {
        let first = delivery.first_sequence.0;
        let end = first.saturating_add(delivery.events.len() as u64);
        // Events after the last batch: another root came after all.
        self.is_final = delivery.is_final || (self.is_final && end <= next);
        self.withdraw_black_box(&delivery, end > next);
        let open = std::mem::take(&mut delivery.open);
        if delivery.newer && end > next {
            let reason = "a newer recorder said more than this version understands";
            self.missing(first, end.saturating_sub(1), reason, Vec::new(), false);
        }
        // What was seen before is skipped by its number, unless a gap had been declared there.
        let seen = usize::try_from(next.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut events = std::mem::take(&mut delivery.events);
        self.fill(events.drain(..seen.min(events.len())).collect());
        let known_until = delivery.known_until;
        self.correlator.take(delivery, events);
        self.next = Some(next.max(end));
        self.known_until = self.known_until.max(known_until);
        self.keep_black_box(open, next.max(end));
    }

    /// Events that are new, or a batch that knows more than the black box did, prove that the VM lives.
    fn withdraw_black_box(&mut self, later: &Delivery, has_news: bool) {
        let Some(trapped) = self.black_box.first().map(|open| open.since) else { return };
        if has_news || later.known_until >= trapped {
            self.black_box.clear();
            self.correlator.lives_on();
        }
    }

    /// `next`: the number that the innermost open invocation would have had.
    fn keep_black_box(&mut self, mut open: Vec<OpenInvocation>, next: u64) {
        // One that came again says nothing new.
        if open.is_empty() || !self.black_box.is_empty() {
            return;
        }
        if let Some(innermost) = open.last_mut() {
            let logged = self.correlator.logged_in(innermost.entry);
            innermost.last_log = black_box::whole_text(&logged, &innermost.last_log);
        }
        self.correlator.trapped(&open, next);
        self.black_box = open;
    }

    fn missing(
        &mut self,
        from: u64,
        to: u64,
        reason: &str,
        contexts: Vec<ContextId>,
        is_fillable: bool,
    ) {
        let gap = Gap { from: Sequence(from), to: Sequence(to), reason: reason.to_owned() };
        self.correlator.gap(&contexts);
        self.gaps.push(InstanceGap { gap, contexts, is_fillable });
        if self.gaps.len() > MOST_GAPS {
            let second = self.gaps.remove(1);
            let first = &mut self.gaps[0];
            first.gap.to = first.gap.to.max(second.gap.to);
            first.contexts.clear();
            first.is_fillable = false;
        }
    }

    /// Takes events that came after their numbers had been given up, and makes the gaps smaller.
    fn fill(&mut self, events: Vec<Event>) {
        let missing = |s: Sequence| {
            let fillable = self.gaps.iter().filter(|g| g.is_fillable);
            fillable.map(|g| &g.gap).any(|g| g.from <= s && s <= g.to)
        };
        let late: Vec<Event> = events.into_iter().filter(|e| missing(e.sequence)).collect();
        let Some((from, to)) = late.first().zip(late.last()).map(|(a, b)| (a.sequence, b.sequence))
        else {
            return;
        };
        // A batch's numbers are dense, so what of it was missing is a run within each gap.
        if self.correlator.late(late) {
            self.gaps = std::mem::take(&mut self.gaps)
                .into_iter()
                .flat_map(|gap| without(gap, from, to))
                .collect();
        }
    }
}

/// What is left of a gap when a run of numbers has come.
fn without(gap: InstanceGap, from: Sequence, to: Sequence) -> impl Iterator<Item = InstanceGap> {
    let Gap { from: first, to: last, .. } = gap.gap;
    let parts = match gap.is_fillable && from <= last && to >= first {
        false => [Some((first, last)), None],
        true => [
            (from > first).then(|| (first, Sequence(from.0 - 1))),
            (to < last).then(|| (Sequence(to.0 + 1), last)),
        ],
    };
    parts.into_iter().flatten().map(move |(from, to)| {
        let mut part = gap.clone();
        (part.gap.from, part.gap.to) = (from, to);
        part
    })
}
