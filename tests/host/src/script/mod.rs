//! What a test says: start the VM, send requests, let time pass, change the configuration.

pub mod compare;

use abi::{Callback, Direction, Hostcall};

use crate::clock::Due;
use crate::state::Root;
use crate::stream::Stream;
use crate::{
    Answer, Call, Callee, Failing, Growths, Headers, Log, Nanos, State, StreamId, Vm, Watch, Who,
};

/// How the upstream treats the streams that reach it.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// Answers as soon as it has the headers.
    Early {
        /// After this many milliseconds.
        after_millis: u64,
        /// The answer.
        answer: UpstreamAnswer,
    },
    /// Reads the whole request first.
    Patient {
        /// After this many milliseconds.
        after_millis: u64,
        /// The answer.
        answer: UpstreamAnswer,
    },
    /// Closes the connection when it has the headers.
    Closes {
        /// After this many milliseconds.
        after_millis: u64,
    },
    /// Never answers.
    Silent,
}

/// What an upstream answers.
#[derive(Clone, Debug, Default)]
pub struct UpstreamAnswer {
    /// Headers with `:status`.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
    /// Trailers; none if empty.
    pub trailers: Headers,
}

pub(crate) enum UpstreamStep {
    Close,
    Answer { headers: Headers, body: Vec<u8>, trailers: Headers },
}

impl UpstreamAnswer {
    fn of(status: u32, body: &str) -> UpstreamAnswer {
        UpstreamAnswer {
            headers: Headers::of(&[(":status", &status.to_string()), ("x-upstream", "yes")]),
            body: body.as_bytes().to_vec(),
            trailers: Headers::default(),
        }
    }
}

impl Default for Upstream {
    fn default() -> Upstream {
        Upstream::patient(200, "hello")
    }
}

impl Upstream {
    /// Answers at once on headers alone.
    pub fn early(status: u32, body: &str) -> Upstream {
        Upstream::Early { after_millis: 3, answer: UpstreamAnswer::of(status, body) }
    }

    /// Answers when it has read the whole request.
    pub fn patient(status: u32, body: &str) -> Upstream {
        Upstream::Patient { after_millis: 3, answer: UpstreamAnswer::of(status, body) }
    }

    /// The same with response trailers.
    pub fn with_trailers(mut self, trailers: &[(&str, &str)]) -> Upstream {
        if let Upstream::Early { answer, .. } | Upstream::Patient { answer, .. } = &mut self {
            answer.trailers = Headers::of(trailers);
        }
        self
    }

    pub(crate) fn on_headers(&self) -> bool {
        matches!(self, Upstream::Early { .. } | Upstream::Closes { .. })
    }

    pub(crate) fn after_millis(&self) -> Option<u64> {
        match self {
            Upstream::Early { after_millis, .. }
            | Upstream::Patient { after_millis, .. }
            | Upstream::Closes { after_millis } => Some(*after_millis),
            Upstream::Silent => None,
        }
    }

    pub(crate) fn step(&self) -> UpstreamStep {
        match self {
            Upstream::Early { answer, .. } | Upstream::Patient { answer, .. } => {
                UpstreamStep::Answer {
                    headers: answer.headers.clone(),
                    body: answer.body.clone(),
                    trailers: answer.trailers.clone(),
                }
            }
            Upstream::Closes { .. } | Upstream::Silent => UpstreamStep::Close,
        }
    }
}

/// What vm_start and configure answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The new root context.
    pub root: u32,
    /// The plugin took its configuration; an absent callback counts as yes.
    pub accepted: bool,
}

impl Vm {
    /// Makes a root context with this configuration: the first, or after a configuration push one
    /// more beside the old.
    pub fn start(&mut self, configuration: &str) -> Start {
        self.start_plugin("plugin", configuration)
    }

    /// The same for a plugin of another name in the same VM.
    pub fn start_plugin(&mut self, plugin: &str, configuration: &str) -> Start {
        self.run_start_exports();
        let id = self.new_context();
        let bytes = configuration.as_bytes().to_vec();
        let size = bytes.len() as u32;
        let root = Root {
            plugin: plugin.into(),
            configuration: bytes,
            configuring: true,
            ..Default::default()
        };
        self.state().roots.insert(id, root);
        let answered = |vm: &Vm, callback, result: Option<u32>| match result {
            Some(result) => result != 0,
            None => !vm.exported.contains(&callback),
        };
        self.enter(Callback::ContextCreate, &[id, 0], false);
        let started = self.callback(Callback::VmStart, &[id, 0]);
        let mut accepted = answered(self, Callback::VmStart, started);
        if accepted {
            let configured = self.callback(Callback::Configure, &[id, size]);
            accepted = answered(self, Callback::Configure, configured);
        }
        if let Some(root) = self.state().roots.get_mut(&id) {
            root.configuring = false;
        }
        Start { root: id, accepted: accepted && !self.dead }
    }

    /// Ends a root context: on_done and, unless the plugin wants to wait, on_delete. Its calls are
    /// cancelled without a callback.
    pub fn end_root(&mut self, root: u32) {
        if let Some(root) = self.state().roots.get_mut(&root) {
            root.done_pending = true;
        }
        let done = self.callback(Callback::Done, &[root]).is_none_or(|done| done != 0);
        let released = self.state().roots.get(&root).is_none_or(|root| !root.done_pending);
        if !done && !released {
            return;
        }
        self.callback(Callback::Delete, &[root]);
        let state = self.state();
        state.roots.remove(&root);
        state.clock.disarm(Due::Tick(root));
        let calls: Vec<u32> = state.calls.iter().filter(|c| c.root == root).map(|c| c.id).collect();
        for call in calls {
            state.clock.disarm(Due::Call(call));
        }
    }

    fn new_context(&mut self) -> u32 {
        let state = self.state();
        let id = state.next_context;
        state.next_context += 1;
        id
    }

    /// How the upstream treats streams opened from now on.
    pub fn upstream(&mut self, upstream: Upstream) -> &mut Vm {
        self.upstream = upstream;
        self
    }

    /// Makes a cluster known, with its callee.
    pub fn callee(&mut self, cluster: &str, callee: Callee) -> &mut Vm {
        self.state().callees.insert(cluster.into(), callee);
        self
    }

    /// Makes hostcalls fail.
    pub fn fail(&mut self, failing: Failing) -> &mut Vm {
        self.state().failing.push(failing);
        self
    }

    /// Capability restriction: this hostcall answers 10, whoever makes it.
    pub fn refuse(&mut self, hostcall: Hostcall) -> &mut Vm {
        self.state().refused.insert(hostcall);
        self
    }

    /// Allows it again.
    pub fn allow(&mut self, hostcall: Hostcall) -> &mut Vm {
        self.state().refused.remove(&hostcall);
        self
    }

    /// When the plugin's memory is put beside the log.
    pub fn watch(&mut self, watch: Watch) -> &mut Vm {
        self.state().watch = watch;
        self
    }

    /// Sets an environment variable of the VM.
    pub fn environment(&mut self, name: &str, value: &str) -> &mut Vm {
        self.state().environment.push((name.into(), value.into()));
        self
    }

    /// Opens a stream: `open("POST /path", &[("x-callee", "after-200")], false)`.
    pub fn open(&mut self, line: &str, extra: &[(&str, &str)], end: bool) -> StreamId {
        let root = self.state().roots.keys().next_back().copied().unwrap_or(0);
        self.open_on(root, line, extra, end)
    }

    /// The same on a given root context.
    pub fn open_on(
        &mut self,
        root: u32,
        line: &str,
        extra: &[(&str, &str)],
        end: bool,
    ) -> StreamId {
        let id = self.new_context();
        let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
        let request_id = format!("00000000-0000-4000-8000-{id:012}");
        let mut headers = Headers::of(&[
            (":authority", "example.test"),
            (":path", path),
            (":method", method),
            (":scheme", "http"),
            ("user-agent", "script"),
            ("accept", "*/*"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", &request_id),
        ]);
        if !end {
            headers.add("content-type", b"text/plain");
        }
        headers.0.extend(Headers::of(extra).0);
        let stream = Stream {
            root,
            request: Default::default(),
            response: Default::default(),
            upstream: self.upstream.clone(),
            started: self.state().clock.now(),
            upstream_pending: false,
            request_dead: false,
            local_response_sent: false,
            logging: false,
            details: None,
            flags: 0,
            answer: Answer::default(),
        };
        self.state().streams.insert(id, stream);
        self.callback(Callback::ContextCreate, &[id, root]);
        self.headers_come(id, Direction::Request, headers, end);
        id
    }

    /// A request without body.
    pub fn get(&mut self, path: &str) -> StreamId {
        self.open(&format!("GET {path}"), &[], true)
    }

    /// A request with a body in one piece, and the end after it, as HTTP/1 has it.
    pub fn post(&mut self, path: &str, body: &str) -> StreamId {
        let id = self.open(&format!("POST {path}"), &[], false);
        self.body(id, body, false);
        self.body(id, "", true);
        id
    }

    /// A piece of request body.
    pub fn body(&mut self, stream: StreamId, piece: &str, end: bool) {
        self.body_comes(stream, Direction::Request, piece.as_bytes().to_vec(), end);
    }

    /// Request trailers.
    pub fn trailers(&mut self, stream: StreamId, trailers: &[(&str, &str)]) {
        self.trailers_come(stream, Direction::Request, Headers::of(trailers));
    }

    /// The client goes away.
    pub fn leave(&mut self, stream: StreamId) {
        self.client_leaves(stream);
    }

    /// Lets time pass.
    pub fn run_millis(&mut self, millis: u64) {
        let limit = self.state().clock.now() + millis * 1_000_000;
        while let Some(due) = self.state().clock.take_next(limit) {
            self.happen(due);
        }
        self.state().clock.advance_to(limit);
    }

    /// Lets time pass until something is so; `false` if it is not within the limit.
    pub fn run_until(&mut self, limit_millis: u64, condition: impl Fn(&Vm) -> bool) -> bool {
        let limit = self.state().clock.now() + limit_millis * 1_000_000;
        while !condition(self) {
            match self.state().clock.take_next(limit) {
                Some(due) => self.happen(due),
                None => return false,
            }
        }
        true
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Upstream(stream) => self.upstream_answers(stream),
            Due::Call(id) => self.call_answered(id),
            Due::Tick(root) => self.tick(root),
        }
    }

    /// The response callback, on the root context, whether the stream lives or not.
    fn call_answered(&mut self, id: u32) {
        let state = self.state();
        let now = state.clock.now();
        let Some(call) = state.calls.iter_mut().find(|call| call.id == id) else { return };
        call.answered = Some(now);
        let (root_id, own) = (call.root, call.by == Who::Recorder);
        let Some(answer) = call.answer.take() else { return };
        let Some(root) = state.roots.get_mut(&root_id) else { return };
        if let Some(failure) = answer.failure {
            root.status = failure;
        }
        let args = [root_id, id, answer.headers.0.len() as u32, answer.body.len() as u32, 0];
        root.answer = Some(answer);
        self.enter(Callback::HttpCallResponse, &args, own);
        if let Some(root) = self.state().roots.get_mut(&root_id) {
            root.answer = None;
        }
        self.after_call();
    }

    fn tick(&mut self, root: u32) {
        if !self.exported.contains(&Callback::Tick) {
            return;
        }
        self.callback(Callback::Tick, &[root]);
        let state = self.state();
        let millis = state.roots.get(&root).map_or(0, |root| root.tick_millis);
        state.clock.disarm(Due::Tick(root));
        if millis > 0 {
            state.clock.arm_in_millis(u64::from(millis), Due::Tick(root));
        }
    }

    /// What the client has got so far of a stream.
    pub fn answer(&self, stream: StreamId) -> Answer {
        match self.answers.get(&stream) {
            Some(answer) => answer.clone(),
            None => {
                let live = self.store.data().streams.get(&stream);
                live.map(|s| s.answer.clone()).unwrap_or_default()
            }
        }
    }

    /// What went on to the upstream: the headers, if they did, and the body.
    pub fn forwarded(&self, stream: StreamId) -> Option<(Headers, Vec<u8>)> {
        let stream = self.store.data().streams.get(&stream)?;
        let half = &stream.request;
        half.headers_forwarded.then(|| (half.headers.clone(), half.forwarded_body.clone()))
    }

    /// Does the stream context live?
    pub fn is_open(&self, stream: StreamId) -> bool {
        self.store.data().streams.contains_key(&stream)
    }

    /// Does the module export this callback?
    pub fn exports(&self, callback: Callback) -> bool {
        self.exported.contains(&callback)
    }

    /// Has the VM trapped?
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Everything that crossed the border.
    pub fn log(&self) -> &Log {
        &self.store.data().log
    }

    /// Calls dispatched by one of the two.
    pub fn calls(&self, by: Who) -> Vec<&Call> {
        self.store.data().calls.iter().filter(|call| call.by == by).collect()
    }

    /// Virtual time since the VM's start.
    pub fn now(&self) -> Nanos {
        self.store.data().clock.now()
    }

    /// Bytes of the VM's memory, the recorder's included.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// How often the VM's memory was seen to have grown.
    pub fn growths(&self) -> Growths {
        self.store.data().growths
    }

    /// The host's side, to look at.
    pub fn host(&self) -> &State {
        self.store.data()
    }
}
