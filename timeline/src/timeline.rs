//! A timeline: everything known of one context of one plugin, in order: of a stream, or of a root.

use std::sync::Arc;

use abi::{Callback, Dialect, Kind};

use crate::calls::Call;
use crate::delivery::{Clock, MemorySample, Module, Root, StreamInfo};
use crate::diagnose::{Instant, Verdicts, diagnose};
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::ids::{ContextId, Entry, InstanceId, Micros, Sequence, TimelineId};
use crate::kept::Kept;

/// What two readings of one clock, each with one of the wall's, may differ by: a thread can be kept waiting
/// between the two.
const READINGS_APART_NANOS: u128 = 10_000_000;

/// Everything known of one context of one plugin.
///
/// A stream has one. A root has one for its life (generation 0: create, vm_start, configure, done, delete,
/// the calls made in them and their response callbacks) and one for each errand: another invocation of the
/// root that dispatches (a tick, a queue item), with the response callbacks of its calls and what these
/// dispatch in turn.
///
/// `calls`, `findings`, `pending` and `unknown` follow from the rest ([`Timeline::assess`]); neither
/// the script nor the stored form carries them.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Its id: hash of instance, context and generation.
    pub id: TimelineId,
    /// Counts up whenever it changed.
    pub revision: u32,
    /// Still growing, or why not.
    pub state: State,
    /// The VM.
    pub instance: InstanceId,
    /// The stream context, or the root.
    pub context: ContextId,
    /// Of a stream: how often the context id had been used before in this instance. Of a root: 0 for its
    /// life; for an errand the number of the invocation that it began with.
    pub generation: u32,
    /// The plugin.
    pub root: Arc<Root>,
    /// What names the stream, and what the host said of it at its end.
    pub stream: StreamInfo,
    /// Envoy's node id, empty if not readable.
    pub node: Arc<str>,
    /// What was instrumented.
    pub module: Arc<Module>,
    /// The rules the VM runs under, as far as known.
    pub dialect: Dialect,
    /// One reading of both clocks, for display.
    pub clock: Clock,
    /// Up to here the events are complete but for the gaps.
    pub known_until: Micros,
    /// Nothing has been heard of its instance for long, though it was to be expected.
    pub silence: Option<Silence>,
    /// Plugins behind this one that the request never reached, as far as their timelines are known.
    pub unreached: Vec<Unreached>,
    /// Numbers within its life that are missing and may have been its own.
    pub gaps: Vec<Gap>,
    /// The events, in the order in which they happened ([`Event::order`]).
    pub events: Vec<Event>,
    /// The VM's memory as it went, a few samples: in the life of its eldest root.
    pub memory: Vec<MemorySample>,
    /// The calls it owns, in the order of their dispatch.
    pub calls: Vec<Call>,
    /// What is wrong with it, worst first, causes before facts.
    pub findings: Vec<Finding>,
    /// What cannot be said yet.
    pub pending: Vec<PendingVerdict>,
    /// What cannot be said because something is missing.
    pub unknown: Vec<UnknownVerdict>,
}

/// Whether a timeline still grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It grows.
    Open,
    /// It does not, unless a later event reopens it.
    Closed(Reason),
}

/// Why a timeline is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The stream ended, or the root has done what it began, and no call is out.
    Ended,
    /// The stream ended, and the last timeout of a call passed without its response callback.
    TimedOut,
    /// Nothing happened for ten minutes and no call has a timeout.
    Idle,
    /// Its root context ended.
    RootEnded,
    /// The instance ended.
    InstanceEnded,
    /// There were too many open timelines.
    Evicted,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 6] = [
        Reason::Ended,
        Reason::TimedOut,
        Reason::Idle,
        Reason::RootEnded,
        Reason::InstanceEnded,
        Reason::Evicted,
    ];

    /// Its word in API and script notation.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Ended => "ended",
            Reason::TimedOut => "timed_out",
            Reason::Idle => "idle",
            Reason::RootEnded => "root_ended",
            Reason::InstanceEnded => "instance_ended",
            Reason::Evicted => "evicted",
        }
    }

    /// Reads the word.
    pub fn from_name(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// An instance of which nothing is heard any more, and nothing says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Up to here its events were known, on its own clock.
    pub since: Micros,
    /// Timelines that were open then.
    pub open: u32,
}

/// A plugin behind the one that kept a request, which never got it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreached {
    /// Its name.
    pub plugin: String,
    /// Its timeline of the same request: it begins with the request's end.
    pub timeline: TimelineId,
}

/// Missing sequence numbers that may have belonged to a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First number.
    pub from: Sequence,
    /// Last number, inclusive.
    pub to: Sequence,
    /// Why, for people.
    pub reason: String,
}

/// A diagnosis that cannot answer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingVerdict {
    /// The diagnosis.
    pub code: &'static str,
    /// Ask again when `known_until` is past it.
    pub until: Micros,
}

/// A diagnosis that cannot answer because something is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVerdict {
    /// The diagnosis.
    pub code: &'static str,
    /// What is missing, a sentence.
    pub gap: String,
}

/// What changed: one timeline, whole.
#[derive(Clone, Debug)]
pub struct Update {
    /// The timeline's id.
    pub id: TimelineId,
    /// Its revision.
    pub revision: u32,
    /// Its state.
    pub state: State,
    /// All of it.
    pub snapshot: Arc<Timeline>,
    /// The same, for who keeps it.
    pub kept: Kept,
}

impl Update {
    /// A timeline as it is now.
    pub fn of(snapshot: Arc<Timeline>) -> Update {
        Update {
            id: snapshot.id,
            revision: snapshot.revision,
            state: snapshot.state,
            kept: Kept::of(&snapshot),
            snapshot,
        }
    }
}

impl Timeline {
    /// An empty timeline of a context, all else at its default.
    pub fn new(instance: InstanceId, context: ContextId, generation: u32) -> Timeline {
        let (root, module, node) = (Arc::default(), Arc::default(), Arc::from(""));
        Timeline::within(instance, context, generation, root, module, node)
    }

    /// The same, with what it shares with others of its instance.
    pub(crate) fn within(
        instance: InstanceId,
        context: ContextId,
        generation: u32,
        root: Arc<Root>,
        module: Arc<Module>,
        node: Arc<str>,
    ) -> Timeline {
        Timeline {
            id: TimelineId::of(instance, context, generation),
            revision: 0,
            state: State::Open,
            instance,
            context,
            generation,
            root,
            stream: StreamInfo { context, ..StreamInfo::default() },
            node,
            module,
            dialect: Dialect::from_tables(None, None),
            clock: Clock::default(),
            known_until: Micros(0),
            silence: None,
            unreached: Vec::new(),
            gaps: Vec::new(),
            events: Vec::new(),
            memory: Vec::new(),
            calls: Vec::new(),
            findings: Vec::new(),
            pending: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Works out calls and verdicts anew from events, gaps and `known_until`.
    pub fn assess(&mut self, instant: Instant) {
        self.calls = crate::calls::of(self);
        let verdicts = diagnose(self, instant);
        self.judged(verdicts);
    }

    pub(crate) fn judged(&mut self, verdicts: Verdicts) {
        self.findings = verdicts.findings;
        self.pending = verdicts.pending;
        self.unknown = verdicts.unknown;
    }

    /// The finding to name first: the worst, a cause before a fact; a fact only where no cause explains it.
    pub fn headline(&self) -> Option<&Finding> {
        self.findings.first()
    }

    /// How bad it is; None if nothing was found.
    pub fn severity(&self) -> Option<Severity> {
        self.headline().map(|finding| finding.severity)
    }

    /// Start of its first event on the instance's clock.
    pub fn started(&self) -> Micros {
        let first = self.events.iter().map(|e| e.at).min();
        first.or_else(|| self.memory.first().map(|sample| sample.at)).unwrap_or_default()
    }

    /// From its first event to the end of its last one, which may be a callback long after the stream.
    pub fn span(&self) -> Micros {
        let end = self.events.iter().map(|e| e.at.after(e.took)).max().unwrap_or_default();
        end.since(self.started())
    }

    /// Time in its callbacks. None: of some event it was not measured how long it took.
    pub fn plugin_time(&self) -> Option<Micros> {
        if !self.events.iter().all(Event::is_timed) {
            return None;
        }
        let callbacks = self.events.iter().filter(|e| matches!(e.kind, Kind::Callback(_)));
        Some(Micros(callbacks.map(|e| e.took.0).sum()))
    }

    /// How long the stream lived: from its first event to its delete, or so far.
    pub fn duration(&self) -> Micros {
        self.deleted().map_or_else(|| self.span(), |end| end.since(self.started()))
    }

    /// When its delete returned; None if it has none.
    pub fn deleted(&self) -> Option<Micros> {
        let is_delete =
            |e: &&Event| e.kind == Kind::Callback(Callback::Delete) && e.context == self.context;
        let delete = self.events.iter().find(is_delete);
        delete.map(|delete| delete.at.after(delete.took))
    }

    /// A time of the instance's clock as nanoseconds since 1970; None if no clock was read.
    pub fn wall_nanos(&self, at: Micros) -> Option<u64> {
        if self.clock.wall_nanos == 0 {
            return None;
        }
        let nanos =
            self.clock.wall_nanos as i128 + (at.0 as i128 - self.clock.monotonic.0 as i128) * 1_000;
        u64::try_from(nanos).ok()
    }

    /// Are its times and another's of one clock? All VMs of a process read the same; node ids alone do not
    /// tell it, but two machines whose clocks began at one moment there are none.
    pub fn shares_clock(&self, other: &Timeline) -> bool {
        let began =
            |clock: &Clock| i128::from(clock.wall_nanos) - i128::from(clock.monotonic.0) * 1_000;
        let (own, others) = (&self.clock, &other.clock);
        self.instance == other.instance
            || !self.node.is_empty()
                && self.node == other.node
                && own.wall_nanos != 0
                && others.wall_nanos != 0
                && own.wall_only == others.wall_only
                && began(own).abs_diff(began(others)) <= READINGS_APART_NANOS
    }

    /// Is it a root's: of its life, or of an errand?
    pub fn is_root(&self) -> bool {
        self.context == self.root.context
    }

    /// Is it of an errand of a root?
    pub fn is_errand(&self) -> bool {
        self.is_root() && self.generation != 0
    }

    /// Is it an invocation of its root, whose own timeline has it with the time that it took, and which a stream
    /// is told of?
    pub fn is_told_of(&self, event: &Event) -> bool {
        let is_its_call = || self.calls.iter().any(|call| call.id == event.call);
        !self.is_root() && event.context == self.root.context && !is_its_call()
    }

    /// Does it have its beginning?
    pub fn begins(&self) -> bool {
        self.events.first().is_some_and(|e| match self.is_errand() {
            true => errand(e.entry) == self.generation,
            false => e.kind == Kind::Callback(Callback::ContextCreate),
        })
    }

    /// What it is of where it is a root's, for people: `root of auth (tick)`, `root of auth (life)`.
    pub fn root_phrase(&self) -> Option<String> {
        let began = match self.events.first()?.kind {
            Kind::Callback(callback) if self.is_errand() => callback.row().name,
            _ => "life",
        };
        let plugin = match self.root.plugin.as_str() {
            "" => "a plugin without a name",
            name => name,
        };
        self.is_root().then(|| format!("root of {plugin} ({began})"))
    }

    /// The call that a finding is about.
    pub fn call_of(&self, finding: &Finding) -> Option<&Call> {
        self.calls.iter().find(|call| finding.is_about(call))
    }

    /// The event with a number.
    pub fn event(&self, sequence: Sequence) -> Option<&Event> {
        self.events.iter().find(|e| e.sequence == sequence)
    }
}

/// Generation of the errand that begins with an invocation: the same whatever else was seen of its root.
pub(crate) fn errand(entry: Entry) -> u32 {
    (entry.0 as u32).max(1)
}

#[cfg(test)]
mod tests {
    use crate::ids::Micros;
    use crate::script;

    #[test]
    fn clocks_are_one_where_they_began_at_one_moment_on_one_node() {
        let of = |instance: u8, node: &str, clock: &str| {
            let lines = format!("instance {instance:032x}\nnode {node:?}\n{clock}\n");
            script::parse(&lines).expect("a script")
        };
        let clock = "clock wall 1000000000000000000 at 5.000000";
        let timeline = of(1, "gateway", clock);
        for (shares, instance, node, clock) in [
            (true, 1, "gateway", clock),
            (true, 2, "gateway", clock),
            (true, 2, "gateway", "clock wall 1000000002004000000 at 7.000000"),
            (true, 2, "gateway", "clock wall 1000000001996000000 at 7.000000"),
            (false, 2, "gateway", "clock wall 1000000002020000000 at 7.000000"),
            (false, 2, "gateway", "clock wall 1000000000000000000 at 5.000000 wall_only"),
            (false, 2, "gateway", ""),
            (false, 2, "other", clock),
            (false, 2, "", clock),
        ] {
            let other = of(instance, node, clock);
            assert_eq!(timeline.shares_clock(&other), shares, "{instance} {node} {clock}");
            assert_eq!(other.shares_clock(&timeline), shares, "{instance} {node} {clock}");
        }
        assert!(of(1, "gateway", "").shares_clock(&of(1, "gateway", "")));
        assert!(!of(1, "gateway", "").shares_clock(&of(2, "gateway", "")));
        assert!(!of(1, "", clock).shares_clock(&of(2, "", clock)));
    }

    #[test]
    fn of_a_stream_recorded_after_all_it_is_not_told_how_long_its_callbacks_took() {
        let of = |begin: &str| {
            let lines = format!(
                "known_until 9.000000
                 0.000000 #11 create 2 root 1{begin}
                 0.000113 #13 request_headers 2 n=10 end -> pause took=250us"
            );
            script::parse(&lines).expect("a script").plugin_time()
        };
        assert_eq!(of(" took=250us"), Some(Micros(500)));
        assert_eq!(of(" +promoted"), None);
    }
}
