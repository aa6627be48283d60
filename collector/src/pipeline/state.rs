//! The pipeline's state and what each input does to it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use abi::{Callback, Kind};
use timeline::Kept;
use timeline::delivery::Delivery;
use timeline::event::Event;
use timeline::ids::{InstanceId, Micros, TimelineId};
use timeline::timeline::{State as TimelineState, Timeline, Update};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::WeakUnboundedSender;
use tracing::debug_span;

use super::chains::Chains;
use super::counts;
use super::known::{Known, Now};
use super::traffic::Traffic;
use super::vm::Vm;
use super::{Arrived, PluginReport, Question};
use crate::clock::{Clock, wall_millis};
use crate::decode::{REASONS, SourceCounters};
use crate::export::Outbox;
use crate::export::own::TARGET;
use crate::ingest::Command;
use crate::live::Live;
use crate::metrics::{Metrics, Names};
use crate::store::{Cursor, Resume, Row, Store};

/// Uses of one context id in one instance that are told apart after a restart.
const MOST_GENERATIONS: u32 = 256;
/// Timelines waiting for the store, beyond which no new batch is taken.
const UNSTORED: usize = 50_000;
/// An instance of which nothing is open is let go when silent for so long.
const SILENT: Micros = Micros(3_600_000_000);

/// What was counted of an instance is forgotten when silent for so long.
const FORGOTTEN: Micros = Micros(24 * 3_600_000_000);

/// What the pipeline works with.
pub struct Wiring {
    /// Time.
    pub clock: Clock,
    /// What is stored.
    pub store: Arc<dyn Store>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Who watches.
    pub live: Live,
    /// Where closed timelines go.
    pub keeper: Sender<Vec<Row>>,
    /// Where timelines are handed over to a trace backend, once each.
    pub outbox: Option<Outbox>,
    /// Where batches are let go.
    ///
    /// Weak: the committer feeds the pipeline, and ends first.
    pub committer: WeakUnboundedSender<Command>,
    /// Open timelines, at most.
    pub open_limit: usize,
    /// Bytes of the journal, at most.
    pub journal_limit: u64,
}

/// All that is not stored yet.
pub struct State {
    wiring: Wiring,
    vms: HashMap<InstanceId, Vm>,
    deadlines: BTreeSet<(Micros, InstanceId)>,
    known: HashMap<TimelineId, Known>,
    /// Closed and not stored.
    unstored: usize,
    waiting: Vec<OwnedSemaphorePermit>,
    chains: Chains,
    names: Names,
    traffic: Traffic,
    is_replay: bool,
    /// Where instances go on that a process before this one knew.
    resume: HashMap<InstanceId, Resume>,
    /// What was added of instances that were let go, and when they were last heard: one that was cut
    /// off for long comes back with all its counts.
    added: HashMap<InstanceId, (Micros, SourceCounters)>,
}

impl State {
    /// Nothing yet. What comes before [`State::replayed`] is a replay.
    pub fn new(wiring: Wiring, resume: HashMap<InstanceId, Resume>) -> State {
        State {
            wiring,
            vms: HashMap::new(),
            deadlines: BTreeSet::new(),
            known: HashMap::new(),
            unstored: 0,
            waiting: Vec::new(),
            chains: Chains::default(),
            names: Names::new(),
            traffic: Traffic::default(),
            is_replay: true,
            resume,
            added: HashMap::new(),
        }
    }

    /// The journal has been read; from here on it is news.
    pub fn replayed(&mut self, clock: Clock) {
        self.wiring.clock = clock;
        self.advance();
        self.is_replay = false;
    }

    /// Takes a batch.
    pub fn batch(&mut self, arrived: Arrived) {
        let begun = Instant::now();
        let Arrived { id, decoded, arrived, span, permit } = arrived;
        let is_news = !self.is_replay;
        let stage =
            is_news.then(|| debug_span!(target: TARGET, parent: &span, "correlate").entered());
        let original = decoded.original;
        let delivery = decoded.delivery;
        let instance = delivery.instance;
        self.meet(instance);
        self.recognize(&delivery);
        let Some(vm) = self.vms.get_mut(&instance) else { return };
        vm.hold(id, delivery.first_sequence.0, delivery.events.len() as u64, arrived);
        vm.heard = vm.heard.max(arrived);
        vm.original = original.or(vm.original);
        for root in delivery.roots.iter().filter(|root| !root.plugin.is_empty()) {
            vm.plugins.insert(root.context.0, root.plugin.clone());
        }
        if let Some(counters) = decoded.counters {
            let before = vm.counted.get_or_insert_with(|| counters.clone());
            if !self.is_replay {
                let (metrics, names) = (&self.wiring.metrics, &mut self.names);
                counts::count_sources(metrics, names, &vm.plugins, before, &counters);
            }
            before.raise_to(counters);
            vm.tell(decoded.fuse, delivery.clock.monotonic);
        }
        vm.instance.receive(delivery, arrived);
        drop(stage);
        let _stage =
            is_news.then(|| debug_span!(target: TARGET, parent: &span, "diagnose").entered());
        let updates = vm.instance.advance(arrived);
        self.reschedule(instance);
        self.apply(instance, updates);
        self.limit_open();
        if self.unstored > UNSTORED {
            self.waiting.extend(permit);
        }
        self.wiring.metrics.stage("correlate", begun.elapsed());
    }

    fn meet(&mut self, instance: InstanceId) {
        if self.vms.contains_key(&instance) {
            return;
        }
        let mut vm = Vm::new(instance, self.resume.remove(&instance));
        if self.is_replay {
            vm.counted = None;
        }
        if let Some((_, counters)) = self.added.remove(&instance) {
            vm.counted = Some(counters);
        }
        self.vms.insert(instance, vm);
    }

    /// A context id that is used again begins a timeline of the next generation, also when a process
    /// before this one saw its last use. Rare, so it may read the store.
    fn recognize(&mut self, delivery: &Delivery) {
        let Some(vm) = self.vms.get_mut(&delivery.instance) else { return };
        let begins = |event: &&Event| {
            event.kind == Kind::Callback(Callback::ContextCreate) && event.arg(0) != 0
        };
        for event in delivery.events.iter().filter(begins) {
            if event.context > vm.used_until || vm.instance.has_met(event.context) {
                continue;
            }
            let before = |generation: &u32| {
                let id = TimelineId::of(delivery.instance, event.context, *generation);
                let stored = self.wiring.store.get(id).unwrap_or_else(|error| {
                    tracing::error!(timeline = %id, %error, "cannot read what a timeline follows");
                    None
                });
                stored.is_some_and(|t| t.events.iter().any(|e| e.sequence < event.sequence))
            };
            if let Some(last) = (0..MOST_GENERATIONS).take_while(before).last() {
                vm.instance.used_before(event.context, last);
            }
        }
    }

    /// Timelines are stored.
    pub fn stored(&mut self, stored: &[(TimelineId, u32)]) {
        for (id, revision) in stored {
            let Entry::Occupied(mut entry) = self.known.entry(*id) else { continue };
            if entry.get().now.revision != *revision || entry.get().now.is_open {
                entry.get_mut().may_be_stored = true;
                continue;
            }
            let known = entry.remove();
            self.unstored -= 1;
            if let Some(vm) = self.vms.get_mut(&known.now.kept.instance()) {
                vm.release(known.first, *id);
            }
        }
        if self.unstored <= UNSTORED {
            self.waiting.clear();
        }
    }

    /// Answers a question.
    pub fn answer(&self, question: Question) {
        // Who asked may be gone.
        match question {
            Question::Timeline(id, reply) => {
                let _ = reply.send(self.known.get(&id).map(|known| known.now.kept.clone()));
            }
            Question::List(query, after, most, reply) => {
                let mut list: Vec<_> = self
                    .known
                    .values()
                    .filter(|known| after.is_none_or(|after| known.place < after))
                    .filter(|known| known.may_match(&query))
                    .collect();
                list.sort_unstable_by_key(|known| std::cmp::Reverse(known.place));
                if !query.looks_inside() {
                    list.truncate(most);
                }
                let placed = |known: &Known| (known.place, known.now.kept.clone());
                let _ = reply.send(list.into_iter().map(placed).collect());
            }
            Question::Traffic(reply) => {
                let _ = reply.send(self.traffic.report(self.wiring.clock.now()));
            }
            Question::Plugin(plugin, reply) => {
                let mut counted = PluginReport::default();
                self.vms.values().for_each(|vm| counted.add(vm, &plugin));
                counted.vms.sort_unstable_by_key(|vm| vm.instance);
                let _ = reply.send(counted);
            }
            Question::Instances(reply) => {
                let _ = reply.send(self.vms.values().map(Vm::report).collect());
            }
        }
    }

    /// When [`State::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| self.wiring.clock.instant(*at))
    }

    /// Lets time pass for the instances that wait for it.
    pub fn advance(&mut self) {
        let now = self.wiring.clock.now();
        let due: Vec<_> = self
            .deadlines
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, instance)| *instance)
            .collect();
        for instance in due {
            let Some(vm) = self.vms.get_mut(&instance) else { continue };
            let updates = vm.instance.advance(now);
            self.reschedule_after(instance, now);
            self.apply(instance, updates);
        }
    }

    /// Lets batches go, looks after bounds, forgets silent instances.
    pub fn sweep(&mut self) {
        let now = self.wiring.clock.now();
        let mut free = Vec::new();
        for vm in self.vms.values_mut().filter(|vm| vm.is_dirty) {
            free.extend(vm.releasable(now));
            let gaps = vm.instance.status().gaps.len();
            self.wiring.metrics.gaps.inc_by(gaps.saturating_sub(vm.gaps) as u64);
            vm.gaps = gaps;
        }
        if let Some(committer) = self.wiring.committer.upgrade()
            && !free.is_empty()
        {
            // The committer is gone only when the process ends.
            let _ = committer.send(Command::Forget(free));
        }
        self.limit_journal();
        let (deadlines, added, resume) = (&mut self.deadlines, &mut self.added, &mut self.resume);
        added.retain(|instance, (heard, _)| {
            let stays = now.since(*heard) < FORGOTTEN;
            if !stays {
                resume.remove(instance);
            }
            stays
        });
        self.vms.retain(|instance, vm| {
            let stays = !vm.is_quiet() || now.since(vm.heard) < SILENT;
            if let Some(at) = vm.deadline.filter(|_| !stays) {
                deadlines.remove(&(at, *instance));
            }
            if let Some(counters) = vm.counted.take_if(|_| !stays) {
                added.insert(*instance, (vm.heard, counters));
            }
            if !stays {
                resume.insert(*instance, vm.resume());
            }
            stays
        });
        self.count_instances();
        let metrics = &self.wiring.metrics;
        metrics.open.set((self.known.len() - self.unstored) as i64);
        metrics.pending.set(self.known.values().map(|known| i64::from(known.now.pending)).sum());
    }

    fn count_instances(&mut self) {
        let metrics = &self.wiring.metrics;
        counts::gauge_memory(metrics, &mut self.names, self.vms.values());
        metrics.instances.set(self.vms.len() as i64);
        let of = |is: fn(&Vm) -> bool| self.vms.values().filter(|vm| is(vm)).count() as i64;
        metrics.trapped.set(of(|vm| vm.instance.has_trapped()));
        metrics.silent.set(of(|vm| vm.instance.is_silent()));
        for reason in REASONS {
            let down = |vm: &&Vm| vm.fuse.is_some_and(|fuse| fuse.reason == reason);
            let count = self.vms.values().filter(down).count();
            metrics.turned_down.get_or_create(&[("reason", reason)]).set(count as i64);
        }
    }

    fn apply(&mut self, instance: InstanceId, updates: Vec<Update>) {
        let mut rows = Vec::new();
        for mut update in updates {
            for other in self.chains.tell(&mut update, self.wiring.clock.now()) {
                rows.extend(self.update(other.snapshot.instance, other));
            }
            rows.extend(self.update(instance, update));
        }
        if !rows.is_empty() {
            // The keeper is gone only when the process ends; the journal has it all.
            let _ = self.wiring.keeper.send(rows);
        }
    }

    /// Notes a timeline's new state. A row if it is to be stored.
    fn update(&mut self, instance: InstanceId, update: Update) -> Option<Row> {
        let (mut timeline, mut kept) = (update.snapshot, update.kept);
        let first = timeline.events.iter().map(|e| e.sequence.0).min().unwrap_or(u64::MAX);
        let is_closed = timeline.state != TimelineState::Open;
        let vm = self.vms.get_mut(&instance)?;
        let (before, (may_be_stored, was_closed), started_nanos) = match self.known.entry(update.id)
        {
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                let was_open = known.now.is_open;
                let first = first.min(known.first);
                if first != known.first {
                    vm.release(known.first, update.id);
                    vm.need(first, update.id);
                    known.first = first;
                }
                // A closed one is on its way into the store.
                known.may_be_stored |= !was_open;
                known.was_closed |= !was_open;
                // Its instance does not know of the revisions that others of its request gave it.
                if timeline.revision <= known.now.revision {
                    Arc::make_mut(&mut timeline).revision = known.now.revision + 1;
                    kept = Kept::of(&timeline);
                }
                known.now = Now::of(&timeline, kept);
                let once = (known.may_be_stored, known.was_closed);
                (Some(was_open), once, known.place.started)
            }
            Entry::Vacant(entry) => {
                // A log may be imported again when the numbers of its events are long forgotten.
                let is_of_a_log = timeline.module.is_of_a_log();
                let may_be_stored =
                    self.is_replay || update.revision > 1 || !timeline.begins() || is_of_a_log;
                vm.need(first, update.id);
                let started_nanos = started_nanos(&timeline);
                let is_part = self.wiring.outbox.is_some() && !timeline.begins();
                let was_closed =
                    update.revision > 1 || is_part && is_stored(&*self.wiring.store, update.id);
                let place = Cursor { started: started_nanos, id: update.id };
                let now = Now::of(&timeline, kept);
                entry.insert(Known { place, now, first, may_be_stored, was_closed });
                (None, (may_be_stored, was_closed), started_nanos)
            }
        };
        match (before, is_closed) {
            (None | Some(true), true) => self.unstored += 1,
            (Some(false), false) => self.unstored -= 1,
            _ => {}
        }
        let begins = before.is_none() && !timeline.is_root();
        let ends = is_closed && !was_closed;
        if !self.is_replay && (begins || ends) {
            let now = self.wiring.clock.now();
            let plugin = self.names.plugin(&timeline.root.plugin);
            if ends {
                self.traffic.closed(now, &plugin, &timeline.findings);
                counts::count_close(&self.wiring.metrics, &mut self.names, &timeline);
            }
            if begins {
                self.traffic.began(now, plugin);
            }
        }
        if is_closed && !self.is_replay {
            match &self.wiring.outbox {
                Some(outbox) if was_closed => outbox.changed_again(),
                Some(outbox) => outbox.offer(&timeline),
                None => {}
            }
        }
        if !self.is_replay {
            self.wiring.live.send(&timeline);
        }
        let closed_millis = wall_millis();
        is_closed.then_some(Row { timeline, started_nanos, closed_millis, may_be_stored })
    }

    fn reschedule(&mut self, instance: InstanceId) {
        self.reschedule_after(instance, Micros(0));
    }

    /// A deadline that an instance leaves in the past is taken up a moment later.
    fn reschedule_after(&mut self, instance: InstanceId, now: Micros) {
        let Some(vm) = self.vms.get_mut(&instance) else { return };
        let next = vm
            .instance
            .next_deadline()
            .map(|at| if at <= now { now.after(Micros::from_millis(10)) } else { at });
        if next == vm.deadline {
            return;
        }
        if let Some(at) = vm.deadline {
            self.deadlines.remove(&(at, instance));
        }
        if let Some(at) = next {
            self.deadlines.insert((at, instance));
        }
        vm.deadline = next;
    }

    fn limit_open(&mut self) {
        while self.known.len() - self.unstored > self.wiring.open_limit {
            if !self.busiest().is_some_and(|instance| self.evict(instance)) {
                return;
            }
        }
    }

    /// A long open timeline keeps its instance's batches in the journal; when these fill it, the
    /// quietest are closed. Should they go on, it is under the same id, and the store makes them whole.
    fn limit_journal(&mut self) {
        let bytes = self.wiring.metrics.journal_bytes();
        if bytes < self.wiring.journal_limit / 4 * 3 {
            return;
        }
        let Some(instance) = self.busiest() else { return };
        for _ in 0..1000 {
            if !self.evict(instance) {
                return;
            }
        }
    }

    /// Of the instances with something to close, the one of which the journal keeps most.
    fn busiest(&self) -> Option<InstanceId> {
        let can_give = self.vms.iter().filter(|(_, vm)| vm.instance.open_timelines() > 0);
        can_give.max_by_key(|(_, vm)| vm.held()).map(|(instance, _)| *instance)
    }

    fn evict(&mut self, instance: InstanceId) -> bool {
        let Some(update) = self.vms.get_mut(&instance).and_then(|vm| vm.instance.evict()) else {
            return false;
        };
        self.wiring.metrics.evicted.inc();
        self.apply(instance, vec![update]);
        true
    }
}

/// Is a part of it stored? Asked of the few that come without their beginning.
fn is_stored(store: &dyn Store, id: TimelineId) -> bool {
    store.get(id).is_ok_and(|stored| stored.is_some())
}

/// When it began; now, if no clock was read.
fn started_nanos(timeline: &Timeline) -> i64 {
    let read = timeline.wall_nanos(timeline.started()).and_then(|nanos| i64::try_from(nanos).ok());
    read.unwrap_or_else(|| wall_millis().saturating_mul(1_000_000))
}
