//! Events of one VM, in order, to timelines: which stream or root an invocation belongs to, what has to
//! be judged anew.

mod closing;
mod errands;
mod generations;
mod late;
mod memory;
mod roots;
mod trapped;
mod vain;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use abi::{Callback, Dialect, Kind};

use crate::calibrate::{self, Calibrations, Watch};
use crate::delivery::{Clock, Delivery, Module, Root, StreamInfo};
use crate::diagnose::Instant;
use crate::event::{Event, Marks};
use crate::ids::{CallId, ContextId, Entry, InstanceId, Micros};
use crate::instance::InstanceGap;
use crate::kept::Kept;
use crate::numbers::NumberMap;
use crate::timeline::{Reason, Silence, Timeline, Update};

use generations::Generations;

/// Not idle yet: it was not judged.
const NEVER: Micros = Micros(u64::MAX);
/// So many events have room at once: nearly every request has fewer.
const USUAL: usize = 16;

/// Key of a timeline within its instance: the order in which they began.
type Key = u64;

pub(crate) struct Correlator {
    id: InstanceId,
    pub module: Arc<Module>,
    pub node: Arc<str>,
    pub roots: BTreeMap<ContextId, Arc<Root>>,
    calibrations: Calibrations,
    /// Streams that each of them has seen.
    served: BTreeMap<ContextId, u64>,
    pub streams_seen: u64,
    /// Nothing is heard of the instance.
    pub silence: Option<Silence>,
    /// It trapped, and no sign of life came since for long enough.
    pub is_dead: bool,
    clock: Clock,
    next_key: Key,
    held: NumberMap<Key, Held>,
    /// The latest timeline of each stream context.
    current: NumberMap<ContextId, Key>,
    /// The lives of roots that have not ended.
    lives: NumberMap<ContextId, Key>,
    /// Timelines of streams that still grow: held, and not resting.
    open_streams: usize,
    /// Calls that are out, and who awaits them.
    owners: NumberMap<CallId, Key>,
    /// Hostcalls whose invocation has not returned yet.
    unfinished: Vec<(Entry, Vec<Event>)>,
    /// Each once.
    touched: Vec<Key>,
    /// When a verdict can change by time alone: by known_until.
    deadlines: BTreeSet<(Micros, Key)>,
    /// When a timeline is idle, by now: of all open ones, the quietest first.
    idle: BTreeSet<(Micros, Key)>,
    dormant: VecDeque<Key>,
    pub generations: Generations,
    ended_roots: Vec<ContextId>,
    /// Said to have ended, and when that was said.
    ending_roots: Vec<(Micros, ContextId)>,
    /// Invocations that found no timeline after a gap: a late batch may name it.
    orphans: late::Orphans,
    /// What roots decided for no stream.
    vain: vain::Vain,
    /// Gaps have been filled: verdicts about them can change.
    is_refilled: bool,
}

struct Held {
    /// Of a stream, not of a root; a stream's root may come to be known later.
    is_stream: bool,
    /// Shared with who shows it; copied when it changes meanwhile.
    kept: Kept,
    watch: [Watch; 2],
    /// Nothing follows but response callbacks: a stream was deleted; of a root what follows is another errand.
    deleted: bool,
    /// It has got something since it was judged.
    touched: bool,
    /// Closed, and among the dormant ones.
    resting: bool,
    deadline: Option<Micros>,
    idle: Micros,
}

impl Held {
    /// To be judged anew, once.
    fn mark(&mut self, key: Key, touched: &mut Vec<Key>) {
        if !std::mem::replace(&mut self.touched, true) {
            touched.push(key);
        }
    }
}

impl Correlator {
    pub fn new(id: InstanceId) -> Correlator {
        Correlator {
            id,
            module: Arc::default(),
            node: Arc::from(""),
            roots: BTreeMap::new(),
            calibrations: Calibrations::new(),
            served: BTreeMap::new(),
            streams_seen: 0,
            silence: None,
            is_dead: false,
            clock: Clock::default(),
            next_key: 0,
            held: NumberMap::default(),
            current: NumberMap::default(),
            lives: NumberMap::default(),
            open_streams: 0,
            owners: NumberMap::default(),
            unfinished: Vec::new(),
            touched: Vec::new(),
            deadlines: BTreeSet::new(),
            idle: BTreeSet::new(),
            dormant: VecDeque::new(),
            generations: Generations::default(),
            ended_roots: Vec::new(),
            ending_roots: Vec::new(),
            orphans: late::Orphans::default(),
            vain: vain::Vain::default(),
            is_refilled: false,
        }
    }

    /// Timelines that still grow.
    pub fn open(&self) -> usize {
        self.idle.len()
    }

    /// Those of streams among them.
    pub fn open_streams(&self) -> usize {
        self.open_streams
    }

    /// When the next timeline is idle, on the instance's clock.
    pub fn next_idle(&self) -> Option<Micros> {
        self.idle.first().map(|(at, _)| *at)
    }

    /// Takes a delivery and those of its events that are new.
    pub fn take(&mut self, delivery: Delivery, events: Vec<Event>) {
        if *self.module != delivery.module {
            self.calibrations
                .tables(Dialect::from_tables(delivery.module.host, delivery.module.abi));
            self.module = Arc::new(delivery.module);
        }
        if *self.node != *delivery.node {
            self.node = Arc::from(delivery.node);
        }
        self.clock = delivery.clock;
        self.know_roots(delivery.roots, delivery.clock.monotonic);
        for event in events {
            self.event(event);
        }
        self.told_of_vain_again();
        self.remember(delivery.memory_pages, delivery.clock.monotonic);
        for stream in delivery.streams {
            self.stream(stream);
        }
        self.end_roots(delivery.known_until);
    }

    /// Events are missing, of some streams alone or of any: what waits for its invocation will not get it.
    pub fn gap(&mut self, of: &[ContextId]) {
        let is_of = |context: ContextId| of.is_empty() || of.contains(&context);
        self.orphans.open();
        let held = self.held.values_mut().filter(|held| is_of(held.kept.context()));
        held.for_each(|held| calibrate::lost(&mut held.watch));
        let lives = self.lives.iter().filter(|(root, _)| is_of(**root));
        self.mark(lives.map(|(_, key)| *key).collect());
        let is_missed = |e: &Event| is_of(e.context) || e.marks.has(Marks::PROMOTED);
        let unfinished = std::mem::take(&mut self.unfinished);
        let (alone, waiting): (Vec<_>, _) =
            unfinished.into_iter().partition(|(_, hostcalls)| hostcalls.iter().any(is_missed));
        self.unfinished = waiting;
        for (_, hostcalls) in alone {
            self.invocation(None, hostcalls);
        }
    }

    /// Hostcalls are written when they return, before the invocation around them.
    fn event(&mut self, event: Event) {
        let at = self.unfinished.iter().position(|(entry, _)| *entry == event.entry);
        match (event.kind, at) {
            (Kind::Hostcall(_), Some(at)) => self.unfinished[at].1.push(event),
            (Kind::Hostcall(_), None) => self.unfinished.push((event.entry, vec![event])),
            (_, Some(at)) if matches!(event.kind, Kind::Callback(_)) => {
                let (_, hostcalls) = self.unfinished.swap_remove(at);
                self.invocation(Some(event), hostcalls);
            }
            _ => self.invocation(Some(event), Vec::new()),
        }
    }

    /// One invocation and the hostcalls made in it.
    fn invocation(&mut self, invocation: Option<Event>, hostcalls: Vec<Event>) {
        let Some(context) = invocation.as_ref().or(hostcalls.first()).map(|e| e.context) else {
            return;
        };
        let callback = match invocation.as_ref().map(|e| e.kind) {
            Some(Kind::Callback(callback)) => Some(callback),
            _ => None,
        };
        let home = match (callback, &invocation) {
            (Some(Callback::ContextCreate), Some(event)) => match event.arg(0) {
                0 => {
                    self.meet_root(event);
                    Some(self.life(context))
                }
                root => Some(self.begin(context, ContextId(root))),
            },
            (Some(callback), Some(event)) if callback.is_response() => {
                self.of_answer(event, &hostcalls)
            }
            (Some(callback), Some(event)) if self.is_of_root(callback, context) => {
                self.of_root(callback, event, &hostcalls)
            }
            _ if self.roots.contains_key(&context) => None,
            _ => Some(self.of_context(context)),
        };
        let is_placed = self.borrowed(home, &hostcalls);
        let is_unowned = callback.is_some_and(Callback::is_response)
            && home.is_none()
            && invocation.as_ref().is_some_and(|e| !self.owners.contains_key(&e.call));
        if is_unowned || !is_placed {
            self.orphans.keep(invocation.as_ref(), &hostcalls);
        }
        let is_of_stream = |key: Key| self.held.get(&key).is_some_and(|held| held.is_stream);
        if callback.is_some_and(Callback::is_on_root)
            && !home.is_some_and(is_of_stream)
            && let Some(event) = &invocation
        {
            self.told_of_vain(event, &hostcalls);
        }
        let Some(key) = home else { return };
        self.vain.came_late(key, invocation.as_ref());
        for event in &hostcalls {
            if event.is_dispatch() && event.result == 0 && event.call != CallId(0) {
                self.owners.insert(event.call, key);
            }
        }
        let of = self.held.get(&key).map(|held| self.root_id(held.kept.root_id()));
        let Some((held, root)) = self.held.get_mut(&key).zip(of) else { return };
        let mut shown = false;
        if let Some(event) = &invocation {
            let calibration = self.calibrations.root(root);
            let context = held.kept.context();
            shown = calibration.see(&mut held.watch, context, event, &hostcalls);
            held.deleted |= callback == Some(Callback::Delete) && event.context == context;
        }
        insert(held.kept.open(), invocation.into_iter().chain(hostcalls));
        self.touch(key);
        // What its streams show is told of the root.
        if shown && let Some(life) = self.lives.get(&root) {
            self.touch(*life);
        }
    }

    /// Hostcalls that another context's invocation made on a stream (set_effective_context) belong
    /// to that stream's timeline too.
    ///
    /// False if one of these streams is not known.
    fn borrowed(&mut self, home: Option<Key>, hostcalls: &[Event]) -> bool {
        let Some(first) = hostcalls.iter().position(is_switch) else { return true };
        let mut all = true;
        for group in hostcalls[first..].chunk_by(|_, next| !is_switch(next)) {
            let context = ContextId(group[0].arg(0));
            let key = self.current.get(&context).copied().or_else(|| self.gone_on(context));
            all &= key.is_some() || self.roots.contains_key(&context);
            if let Some(key) = key.filter(|key| Some(*key) != home)
                && let Some(held) = self.held.get_mut(&key)
                && held.kept.read().event(group[0].sequence).is_none()
            {
                calibrate::decided(&mut held.watch, context, group);
                insert(held.kept.open(), group.iter().cloned());
                self.touch(key);
            }
        }
        all
    }

    fn of_context(&mut self, context: ContextId) -> Key {
        match self.current.get(&context).copied().or_else(|| self.gone_on(context)) {
            Some(key) => key,
            None => self.begin(context, ContextId(0)),
        }
    }

    fn begin(&mut self, context: ContextId, root: ContextId) -> Key {
        let generation = match self.current.get(&context).and_then(|key| self.held.get(key)) {
            Some(before) => before.kept.generation() + 1,
            None => self.generations.next(context),
        };
        self.streams_seen += 1;
        let key = self.hold(context, generation, root, false);
        self.current.insert(context, key);
        key
    }

    /// An empty timeline.
    fn hold(&mut self, context: ContextId, generation: u32, root: ContextId, deleted: bool) -> Key {
        let key = self.next_key;
        self.next_key += 1;
        let (module, node) = (self.module.clone(), self.node.clone());
        let mut timeline =
            Timeline::within(self.id, context, generation, self.root(root), module, node);
        timeline.events.reserve(USUAL);
        timeline.stream.root = root;
        let is_stream = !timeline.is_root();
        self.open_streams += usize::from(is_stream);
        let held = Held {
            is_stream,
            kept: Kept::Whole(Arc::new(timeline)),
            watch: Default::default(),
            deleted,
            touched: false,
            resting: false,
            deadline: None,
            idle: NEVER,
        };
        self.held.insert(key, held);
        key
    }

    /// The root of a context; where only one plugin is in the VM it needs no name.
    fn root(&self, context: ContextId) -> Arc<Root> {
        let context = self.root_id(context);
        let unknown = || Arc::new(Root { context, ..Root::default() });
        self.roots.get(&context).cloned().unwrap_or_else(unknown)
    }

    /// A stream whose root is not known (0) is of the only one there is.
    fn root_id(&self, context: ContextId) -> ContextId {
        let only = || self.roots.keys().next().filter(|_| self.roots.len() == 1);
        if context == ContextId(0) { only().copied().unwrap_or(context) } else { context }
    }

    fn stream(&mut self, stream: StreamInfo) {
        let Some(key) = self.current.get(&stream.context).copied() else { return };
        if let Some(held) = self.held.get_mut(&key) {
            held.kept.open().stream.merge(stream);
            self.touch(key);
        }
    }

    fn touch(&mut self, key: Key) {
        let Some(held) = self.held.get_mut(&key) else { return };
        held.mark(key, &mut self.touched);
        // The closed ones are many and rarely touched: search only for one of them.
        if std::mem::take(&mut held.resting) {
            self.open_streams += usize::from(held.is_stream);
            self.dormant.retain(|k| *k != key);
        }
    }

    /// To be judged anew, although nothing of their own came.
    fn mark(&mut self, keys: Vec<Key>) {
        for key in keys {
            if let Some(held) = self.held.get_mut(&key) {
                held.mark(key, &mut self.touched);
            }
        }
    }

    /// Judges what was touched, or is due, once; closes what is at its end.
    pub fn updates(
        &mut self,
        gaps: &[InstanceGap],
        instant: Instant,
        is_final: bool,
    ) -> Vec<Update> {
        let mut due = std::mem::take(&mut self.touched);
        while let Some(&(at, key)) = self.deadlines.first()
            && at <= instant.known_until
        {
            self.deadlines.remove(&(at, key));
            due.push(key);
        }
        while let Some(&(at, key)) = self.idle.first()
            && at <= instant.now
        {
            self.idle.remove(&(at, key));
            due.push(key);
        }
        if std::mem::take(&mut self.is_refilled) {
            let with_gaps = |(key, held): (&Key, &Held)| held.kept.has_gaps().then_some(*key);
            due.extend(self.held.iter().filter_map(with_gaps));
        }
        let ended_roots = std::mem::take(&mut self.ended_roots);
        if is_final || !ended_roots.is_empty() {
            due.extend(self.held.keys());
        }
        due.sort_unstable();
        due.dedup();
        let mut updates = Vec::with_capacity(due.len());
        for key in due {
            let Some(held) = self.held.get_mut(&key) else { continue };
            let touched = std::mem::take(&mut held.touched);
            let forced = if ended_roots.contains(&held.kept.root().context) {
                Some(Reason::RootEnded)
            } else if is_final || self.is_dead {
                Some(Reason::InstanceEnded)
            } else {
                None
            };
            updates.extend(self.update(key, gaps, instant, forced, touched));
        }
        updates
    }
}

fn is_switch(event: &Event) -> bool {
    event.is_switch() && event.result == 0
}

/// Keeps the order; nearly always the new ones come last.
fn insert(timeline: &mut Timeline, new: impl Iterator<Item = Event>) {
    let events = &mut timeline.events;
    let old = events.len();
    events.extend(new);
    let start = old.saturating_sub(1);
    if !events[start..].is_sorted_by_key(Event::order) {
        events.sort_by_key(Event::order);
    }
}
