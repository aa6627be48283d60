//! What happens when its time has come: calls are answered, upstreams answer, timers fire.

use abi::{Callback, Direction};

use crate::clock::Due;
use crate::grpc::Step;
use crate::state::Root;
use crate::{StreamId, Vm, Who};

impl Vm {
    pub(super) fn happen(&mut self, due: Due) {
        match due {
            Due::Upstream(stream) => self.upstream_answers(stream),
            Due::Call(place) => self.call_answered(place),
            Due::Grpc(id) => self.grpc_goes_on(id),
            Due::Redis(id) => self.redis_answered(id),
            Due::Dns(root, id) => {
                self.with_message(root, vec![4, 127, 0, 0, 1], |vm| {
                    vm.enter(Callback::ResolveDns, &[root, id, 5], false);
                });
            }
            Due::Queue(root, queue) => _ = self.callback(Callback::QueueReady, &[root, queue]),
            Due::Tick(root) => self.tick(root),
        }
    }

    fn root(&mut self, root: u32) -> Option<&mut Root> {
        self.state().roots.get_mut(&root)
    }

    /// The response callback, on the root context, whether the stream lives or not.
    fn call_answered(&mut self, place: usize) {
        let state = self.state();
        let now = state.clock.now();
        let Some(call) = state.calls.get_mut(place) else { return };
        call.answered = Some(now);
        let (root_id, id, own) = (call.root, call.id, call.by == Who::Recorder);
        let Some(answer) = call.answer.take() else { return };
        let Some(root) = state.roots.get_mut(&root_id) else { return };
        if let Some((code, message)) = answer.failure {
            root.status = (code, message.into());
        }
        let args = [root_id, id, answer.headers.0.len() as u32, answer.body.len() as u32, 0];
        root.answer = Some(answer);
        self.enter(Callback::HttpCallResponse, &args, own);
        self.forget_answer(root_id);
        self.after_call();
    }

    /// First of what was deferred: the answer goes, and of the status only the code stays
    /// (`envoy Context::onHttpCallFailure, onGrpcCloseWrapper`).
    fn forget_answer(&mut self, root: u32) {
        if let Some(root) = self.root(root) {
            root.answer = None;
            root.message = None;
            root.metadata = None;
            root.status.1.clear();
        }
    }

    /// A callback with bytes to read.
    fn with_message(&mut self, root: u32, bytes: Vec<u8>, enter: impl Fn(&mut Vm)) {
        let Some(place) = self.root(root) else { return };
        place.message = Some(bytes);
        enter(self);
        if let Some(root) = self.root(root) {
            root.message = None;
        }
        self.after_call();
    }

    fn grpc_goes_on(&mut self, id: u32) {
        let state = self.state();
        let Some(call) = state.grpc.get_mut(&id) else { return };
        let Some((_, step)) = call.coming.pop_front() else { return };
        let root = call.root;
        let ends = !call.is_stream || matches!(step, Step::Close(..));
        call.remote_closed |= ends;
        match call.coming.front() {
            Some((after, _)) => _ = state.clock.arm_in_millis(*after, Due::Grpc(id)),
            None if ends && (!call.is_stream || call.local_closed) => _ = state.grpc.remove(&id),
            None => {}
        }
        self.grpc_step(root, id, step);
    }

    /// One callback of a gRPC call or stream.
    pub(crate) fn grpc_step(&mut self, root: u32, id: u32, step: Step) {
        let has_close = self.exported.contains(&Callback::GrpcClose);
        let Some(place) = self.root(root) else { return };
        let (callback, number) = match step {
            Step::InitialMetadata(metadata) => {
                let count = metadata.0.len() as u32;
                place.metadata = Some(metadata);
                (Callback::GrpcReceiveInitialMetadata, count)
            }
            Step::Message(message) => {
                let size = message.len() as u32;
                place.message = Some(message);
                (Callback::GrpcReceive, size)
            }
            Step::TrailingMetadata(metadata) => {
                let count = metadata.0.len() as u32;
                place.metadata = Some(metadata);
                (Callback::GrpcReceiveTrailingMetadata, count)
            }
            Step::Close(status, message) => {
                if has_close {
                    place.status = (status, message);
                }
                (Callback::GrpcClose, status)
            }
        };
        self.enter(callback, &[root, id, number], false);
        self.forget_answer(root);
        self.after_call();
    }

    /// Higress; sources in `crate::redis`.
    fn redis_answered(&mut self, id: u32) {
        let Some(call) = self.state().redis.remove(&id) else { return };
        let size = call.bytes.len() as u32;
        self.with_message(call.root, call.bytes, |vm| {
            let args = [call.root, id, call.status, size];
            vm.enter(Callback::RedisCallResponse, &args, false);
        });
    }

    fn tick(&mut self, root: u32) {
        // A timer can outlive its root; then nobody is called (`envoy Wasm::tickHandler`).
        let lives = self.state().roots.contains_key(&root);
        if !lives || !self.exported.contains(&Callback::Tick) {
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

    /// The host says of a call that nobody made that it failed.
    pub fn stray_answer(&mut self, root: u32, id: u32) {
        let Some(place) = self.root(root) else { return };
        place.status = (11, "reset".into());
        self.enter(Callback::HttpCallResponse, &[root, id, 0, 0, 0], false);
        self.forget_answer(root);
        self.after_call();
    }

    /// The host has the configuration looked at without using it.
    pub fn validate(&mut self, root: u32) {
        self.callback(Callback::ValidateConfiguration, &[root, 0]);
    }

    /// Somebody calls a function that the plugin offers, with these arguments.
    pub fn call_plugin(&mut self, root: u32, function: u32, arguments: &[u8]) {
        let size = arguments.len() as u32;
        self.with_message(root, arguments.to_vec(), |vm| {
            vm.enter(Callback::ForeignFunction, &[root, function, size], false);
        });
    }

    /// The host's statistics are told.
    pub fn stats(&mut self, root: u32, bytes: &[u8]) {
        let size = bytes.len() as u32;
        self.with_message(root, bytes.to_vec(), |vm| {
            vm.enter(Callback::StatsUpdate, &[root, size], false);
        });
    }

    /// HTTP/2 metadata come. Hosts go on whatever the plugin answers.
    pub fn metadata(&mut self, stream: StreamId, direction: Direction, count: u32) {
        let callback = match direction {
            Direction::Request => Callback::RequestMetadata,
            Direction::Response => Callback::ResponseMetadata,
        };
        if self.is_open(stream) {
            self.callback(callback, &[stream, count]);
        }
    }
}
