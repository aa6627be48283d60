//! What a test says: start the VM, send requests, let time pass, change the configuration.

pub mod compare;
mod happen;
mod look;
mod upstream;

pub use upstream::Upstream;
pub(crate) use upstream::UpstreamStep;

use abi::{Callback, Direction, Hostcall};

use crate::clock::Due;
use crate::state::Root;
use crate::stream::Stream;
use crate::{Answer, Callee, Chaos, Failing, Headers, Redis, Service, StreamId, Vm, Watch};

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

    /// Ends a root context: on_done and, unless the plugin wants to wait, on_delete. Only once on_done
    /// has answered false can `proxy_done` end it (`cpp-host src/wasm.cc: startShutdown, done`).
    pub fn end_root(&mut self, root: u32) {
        if self.callback(Callback::Done, &[root]) == Some(0) {
            if let Some(root) = self.state().roots.get_mut(&root) {
                root.done_pending = true;
            }
            return;
        }
        self.delete_root(root);
    }

    /// on_delete; calls are cancelled without a callback.
    pub(crate) fn delete_root(&mut self, root: u32) {
        self.callback(Callback::Delete, &[root]);
        let state = self.state();
        state.roots.remove(&root);
        state.clock.disarm(Due::Tick(root));
        for (place, call) in state.calls.iter().enumerate() {
            if call.root == root {
                state.clock.disarm(Due::Call(place));
            }
        }
        state.grpc.retain(|_, call| call.root != root);
        state.redis.retain(|_, call| call.root != root);
    }

    pub(crate) fn new_context(&mut self) -> u32 {
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

    /// So many calls, queries and messages the plugin may make; then a circuit breaker is open.
    pub fn most_calls(&mut self, count: u32) -> &mut Vm {
        self.state().calls_left = count;
        self
    }

    /// Makes a gRPC service known, by its cluster.
    pub fn service(&mut self, cluster: &str, service: Service) -> &mut Vm {
        self.state().services.insert(cluster.into(), service);
        self
    }

    /// Makes a Redis server known, by its cluster (Higress).
    pub fn redis(&mut self, cluster: &str, redis: Redis) -> &mut Vm {
        self.state().redis_servers.insert(cluster.into(), redis);
        self
    }

    /// Makes a foreign function known, and what it answers.
    pub fn foreign(&mut self, name: &str, answer: &[u8]) -> &mut Vm {
        self.state().foreign.insert(name.into(), answer.to_vec());
        self
    }

    /// Hosts of the upstream cluster with their attributes (Higress).
    pub fn upstream_hosts(&mut self, hosts: &[(&str, &str)]) -> &mut Vm {
        self.state().upstream_hosts = Headers::of(hosts);
        self
    }

    /// Answers the recorder's hostcalls at random from now on.
    pub fn chaos(&mut self, chaos: Chaos) -> &mut Vm {
        self.state().chaos = Some(chaos);
        self
    }

    /// Capability restriction: this callback is never called.
    pub fn withhold(&mut self, callback: Callback) -> &mut Vm {
        self.exported.remove(&callback);
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

    /// Writes into the plugin's memory, before it starts.
    pub fn poke(&mut self, address: u32, bytes: &[u8]) -> &mut Vm {
        if let Some(memory) = self.store.data().memory {
            let written = memory.write(&mut self.store, address as usize, bytes);
            debug_assert!(written.is_ok(), "{address} is outside of the memory");
        }
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
            local_response_asked: false,
            local_response_sent: false,
            ended: false,
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

    /// Lets time pass, up to a whole millisecond: the nanoseconds of hostcalls do not add up.
    pub fn run_millis(&mut self, millis: u64) {
        let limit = self.state().clock.now() / 1_000_000 * 1_000_000 + millis * 1_000_000;
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
}
