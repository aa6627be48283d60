//! Everything the host knows about one VM, where hostcalls can reach it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use abi::{AbiVersion, Direction, Hostcall};
use wasmtime::{Func, Global, Memory};

use crate::calls::{CallAnswer, Callee};
use crate::chaos::Chaos;
use crate::clock::{Clock, Random};
use crate::grpc::{GrpcCall, Service, Step};
use crate::memory::{Bounds, Growths, Watch};
use crate::redis::{Redis, RedisCall};
use crate::stream::Stream;
use crate::tcp::Connection;
use crate::{Call, Dialect, Headers, Line, Log, StreamId, What, Who};

/// A root context.
#[derive(Debug, Default)]
pub(crate) struct Root {
    pub plugin: String,
    pub configuration: Vec<u8>,
    pub tick_millis: u32,
    /// Set while a response callback runs.
    pub answer: Option<CallAnswer>,
    /// What `proxy_get_status` says; stays until it is set again.
    pub status: (u32, String),
    /// The configuration can be read.
    pub configuring: bool,
    /// Bytes of other callbacks: a gRPC message, a Redis answer, arguments of a foreign function.
    pub message: Option<Vec<u8>>,
    /// Metadata of a gRPC callback.
    pub metadata: Option<Headers>,
    pub done_pending: bool,
}

/// What hostcalls asked for and the host does when the VM has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    Resume(StreamId, Direction),
    LocalResponse {
        stream: StreamId,
        status: u32,
        headers: Headers,
        body: Vec<u8>,
        details: String,
    },
    Close(StreamId),
    /// `proxy_done` of a root that waited.
    RootDone(u32),
    GrpcStep {
        root: u32,
        id: u32,
        step: Step,
    },
    /// Higress: data for the filters behind this one.
    Inject(StreamId, Vec<u8>, bool),
    ResumeReading(StreamId),
    CloseConnection(StreamId),
}

/// Makes hostcalls fail.
#[derive(Clone, Debug)]
pub struct Failing {
    /// Which hostcall.
    pub hostcall: Hostcall,
    /// Made by whom.
    pub by: Who,
    /// With which status.
    pub status: u32,
    /// How often; then it works again.
    pub times: usize,
}

/// A shared queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub name: String,
    /// The root that registered it and is told of messages.
    pub root: u32,
    pub messages: VecDeque<Vec<u8>>,
}

/// The host's side of one VM.
pub struct State {
    pub(crate) dialect: Dialect,
    pub(crate) version: AbiVersion,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocator: Option<Func>,
    pub(crate) bounds: Bounds,
    pub(crate) watch: Watch,
    pub(crate) growths: Growths,
    /// Functions of the recorder: none of them may be live when the plugin makes a hostcall.
    pub(crate) recorder_functions: Option<std::ops::Range<u32>>,
    pub(crate) recorder_frames: Vec<String>,
    /// The recorder's stack pointer, and where it stands at rest.
    pub(crate) recorder_stack: Option<(Global, i32)>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) roots: BTreeMap<u32, Root>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) connections: BTreeMap<StreamId, Connection>,
    pub(crate) next_context: u32,
    pub(crate) current: u32,
    pub(crate) effective: u32,
    pub(crate) after_call: VecDeque<Deferred>,
    /// A local response was asked for in this invocation.
    pub(crate) replied: bool,
    /// Nearly every hostcall traps: a start export or the allocator runs.
    pub(crate) restricted: bool,
    pub(crate) calls: Vec<Call>,
    pub(crate) next_call: [u32; 2],
    /// Calls, queries and messages that the plugin may still make before a circuit breaker opens.
    pub(crate) calls_left: u32,
    /// The last ids of the plugin's other calls, by their kind.
    pub(crate) next_id: [u32; 4],
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) grpc: BTreeMap<u32, GrpcCall>,
    pub(crate) redis_servers: BTreeMap<String, Redis>,
    pub(crate) redis: BTreeMap<u32, RedisCall>,
    /// Foreign functions and what they answer.
    pub(crate) foreign: BTreeMap<String, Vec<u8>>,
    /// Higress: addresses and their attributes.
    pub(crate) upstream_hosts: Headers,
    pub(crate) callees: BTreeMap<String, Callee>,
    pub(crate) failing: Vec<Failing>,
    pub(crate) refused: BTreeSet<Hostcall>,
    /// Answers to the recorder's hostcalls that no host would give.
    pub(crate) chaos: Option<Chaos>,
    pub(crate) random: [Random; 2],
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) metrics: Vec<(String, i64)>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) log_level: u32,
}

impl State {
    pub(crate) fn new(dialect: Dialect, version: AbiVersion) -> State {
        State {
            dialect,
            version,
            memory: None,
            allocator: None,
            bounds: Bounds::Whole,
            watch: Watch::Nothing,
            growths: Growths::default(),
            recorder_functions: None,
            recorder_frames: Vec::new(),
            recorder_stack: None,
            clock: Clock::default(),
            log: Log::default(),
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_context: 1,
            current: 0,
            effective: 0,
            after_call: VecDeque::new(),
            replied: false,
            restricted: false,
            calls: Vec::new(),
            // Ids of their own for the recorder, so that the plugin's are those of an original run.
            next_call: [0, 0x0100_0000],
            calls_left: u32::MAX,
            next_id: [0, 1, 2, 3],
            services: BTreeMap::new(),
            grpc: BTreeMap::new(),
            redis_servers: BTreeMap::new(),
            redis: BTreeMap::new(),
            foreign: BTreeMap::new(),
            upstream_hosts: Headers::default(),
            callees: BTreeMap::new(),
            failing: Vec::new(),
            refused: BTreeSet::new(),
            chaos: None,
            random: [Random(1), Random(2)],
            environment: Vec::new(),
            shared: BTreeMap::new(),
            queues: Vec::new(),
            metrics: Vec::new(),
            properties: BTreeMap::new(),
            log_level: 2,
        }
    }

    /// The host's dialect.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The context that a hostcall means: the effective one if it lives, else the current one.
    pub(crate) fn context(&self) -> u32 {
        if self.knows(self.effective) { self.effective } else { self.current }
    }

    /// Does a context live?
    pub(crate) fn knows(&self, context: u32) -> bool {
        self.roots.contains_key(&context)
            || self.streams.contains_key(&context)
            || self.connections.contains_key(&context)
    }

    /// Takes one of the calls that the plugin may make; `false`: the circuit breaker is open.
    pub(crate) fn take_call(&mut self) -> bool {
        let left = self.calls_left.checked_sub(1);
        self.calls_left = left.unwrap_or(0);
        left.is_some()
    }

    /// The last call gets no answer.
    pub(crate) fn forget_last_call(&mut self) {
        if let Some(call) = self.calls.last_mut() {
            call.answer = None;
        }
    }

    /// The root of that context.
    pub(crate) fn root_id(&self) -> u32 {
        let context = self.context();
        let of_stream = self.streams.get(&context).map(|stream| stream.root);
        let of_connection = || self.connections.get(&context).map(|connection| connection.root);
        of_stream.or_else(of_connection).unwrap_or(context)
    }

    /// The stream of that context, if it is one.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.streams.get(&self.context())
    }

    /// Writes a line.
    pub(crate) fn note(&mut self, who: Who, what: What) {
        self.log.0.push(Line { at: self.clock.now(), who, what, memory: None });
    }

    /// The status that the script wants for this hostcall, if any.
    pub(crate) fn scripted_failure(&mut self, hostcall: Hostcall, by: Who) -> Option<u32> {
        let rule = self
            .failing
            .iter_mut()
            .find(|rule| rule.hostcall == hostcall && rule.by == by && rule.times > 0)?;
        rule.times -= 1;
        Some(rule.status)
    }
}
