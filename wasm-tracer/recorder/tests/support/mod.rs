//! A scripted VM around the recorder: a host with a virtual clock, a plugin's memory, one timer a root,
//! and a collector that answers as the test says.
#![allow(dead_code, missing_docs)] // shared by several test binaries, none of which uses all of it

pub mod encode;
pub mod fake_host;

use std::collections::BTreeMap;

use abi::graft::ABSENT;
use abi::{Callback, Hostcall};
use encode::baked;
use fake_host::FakeHost;
use proto::v1::{Batch, Event};
use recorder::Recorder;

pub const ROOT: u32 = 1;

/// One VM with one plugin.
pub struct Vm {
    pub recorder: Box<Recorder>,
    pub host: FakeHost,
    /// When the plugin's own on_tick ran, in µs.
    pub plugin_ticks: Vec<u64>,
    /// What each callback takes.
    pub callback_micros: u64,
    /// What the plugin's on_tick takes.
    pub tick_micros: u64,
    roots: Vec<u32>,
    timers: BTreeMap<u32, (u32, u64)>,
}

impl Vm {
    /// A VM whose plugin has been configured.
    pub fn start() -> Vm {
        Vm::start_with(&[], "")
    }

    /// The same with more baked entries and an environment (`A=1 B=2`).
    pub fn start_with(more: &[(u8, &[u8])], environment: &str) -> Vm {
        let mut vm = Vm::bare(more, environment);
        vm.create_root(ROOT);
        vm
    }

    /// A VM without any root, whose host forbids a hostcall.
    pub fn forbidding(hostcall: Hostcall) -> Vm {
        Vm::forbidding_since(hostcall, 0)
    }

    /// The same, started so many µs later.
    pub fn forbidding_since(hostcall: Hostcall, micros: u64) -> Vm {
        let mut host = FakeHost::new();
        host.forbidden = Some(hostcall);
        host.pass_micros(micros);
        Vm::on(host, &[])
    }

    /// A VM without any root.
    pub fn bare(more: &[(u8, &[u8])], environment: &str) -> Vm {
        let mut host = FakeHost::new();
        host.environment =
            environment.split(' ').flat_map(|v| format!("{v}\0").into_bytes()).collect();
        Vm::on(host, more)
    }

    fn on(mut host: FakeHost, more: &[(u8, &[u8])]) -> Vm {
        let mut recorder = Box::new(Recorder::new());
        recorder.start(&baked(more), &mut host);
        Vm {
            recorder,
            host,
            plugin_ticks: Vec::new(),
            callback_micros: 100,
            tick_micros: 0,
            roots: Vec::new(),
            timers: BTreeMap::new(),
        }
    }

    pub fn create_root(&mut self, root: u32) {
        self.roots.push(root);
        self.call(Callback::ContextCreate, root, [0; 4], 0);
        self.call(Callback::VmStart, root, [0; 4], 1);
        self.call(Callback::Configure, root, [2, 0, 0, 0], 1);
    }

    /// Runs a callback of the plugin that does nothing.
    pub fn call(&mut self, callback: Callback, context: u32, args: [u32; 4], result: u32) {
        self.call_doing(callback, context, args, result, |_| {});
    }

    /// Runs a callback in whose course the plugin does something.
    pub fn call_doing(
        &mut self,
        callback: Callback,
        context: u32,
        args: [u32; 4],
        result: u32,
        doing: impl FnOnce(&mut Vm),
    ) {
        if self.enter(callback, context, args) {
            self.host.pass_micros(self.callback_micros);
            doing(self);
            self.leave(callback, context, result);
        }
    }

    pub fn enter(&mut self, callback: Callback, context: u32, args: [u32; 4]) -> bool {
        self.host.in_context(context);
        let run = self.recorder.enter(callback.number(), context, args, &mut self.host);
        self.note_timers();
        run
    }

    pub fn leave(&mut self, callback: Callback, context: u32, result: u32) {
        self.recorder.leave(callback.number(), context, result, &mut self.host);
        self.note_timers();
    }

    /// A callback that the plugin lacks.
    pub fn absent(&mut self, callback: Callback, context: u32, args: [u32; 4]) -> bool {
        let kind = callback.number() | ABSENT;
        let run = self.recorder.enter(kind, context, args, &mut self.host);
        if run {
            self.recorder.leave(kind, context, 1, &mut self.host);
        }
        run
    }

    /// A hostcall of the plugin with raw parameters.
    pub fn hostcall(&mut self, hostcall: Hostcall, status: u32, params: &[u32]) {
        let mut all = [0; 12];
        all[..params.len()].copy_from_slice(params);
        self.recorder.hostcall(hostcall.number(), status, &all, &mut self.host);
    }

    /// The plugin dispatches an HTTP call; the host gives it this id.
    pub fn http_call(&mut self, cluster: &str, id: u32, timeout_millis: u32) {
        self.host.next_call = self.host.next_call.max(id + 4);
        let headers = encode::pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
        let cluster = self.host.put(cluster.as_bytes());
        let headers = self.host.put(&headers);
        let out = self.host.put(&id.to_le_bytes());
        let params =
            [cluster.0, cluster.1, headers.0, headers.1, 0, 5, 0, 0, timeout_millis, out.0];
        self.hostcall(Hostcall::HttpCall, 0, &params);
    }

    pub fn log(&mut self, level: u32, line: &str) {
        let line = self.host.put(line.as_bytes());
        self.hostcall(Hostcall::Log, 0, &[level, line.0, line.1]);
    }

    /// The plugin writes to its standard output (1) or error output (2).
    pub fn output(&mut self, fd: u32, text: &str) {
        let text = self.host.put(text.as_bytes());
        let vector: Vec<u8> = [text.0, text.1].iter().flat_map(|w| w.to_le_bytes()).collect();
        let vector = self.host.put(&vector);
        self.hostcall(Hostcall::FdWrite, 0, &[fd, vector.0, 1, 0]);
    }

    /// A whole small request without a call: seven invocations.
    pub fn small_request(&mut self, context: u32) {
        self.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        self.call(Callback::RequestHeaders, context, [9, 1, 0, 0], 0);
        self.call(Callback::ResponseHeaders, context, [5, 0, 0, 0], 0);
        self.end(context);
    }

    /// Log, done, delete.
    pub fn end(&mut self, context: u32) {
        self.call(Callback::Log, context, [0; 4], 0);
        self.call(Callback::Done, context, [0; 4], 1);
        self.call(Callback::Delete, context, [0; 4], 0);
    }

    /// Period of a root's timer, 0 for none.
    pub fn period(&self, root: u32) -> u32 {
        self.timers.get(&root).map_or(0, |(period, _)| *period)
    }

    fn note_timers(&mut self) {
        let now = self.host.micros();
        for (context, millis) in self.host.periods_set.drain(..) {
            let root = if self.roots.contains(&context) { context } else { ROOT };
            self.timers.insert(root, (millis, now + u64::from(millis) * 1000));
        }
    }

    /// Lets time pass; timers fire when they are due.
    pub fn pass_millis(&mut self, millis: u64) {
        let end = self.host.micros() + millis * 1000;
        loop {
            self.note_timers();
            let next = self.timers.iter().filter(|(_, (period, _))| *period > 0);
            let Some((root, (_, due))) = next.min_by_key(|(_, (_, due))| *due) else { break };
            let (root, due) = (*root, *due);
            if due > end {
                break;
            }
            self.host.pass_micros(due.saturating_sub(self.host.micros()));
            self.tick(root);
        }
        self.host.pass_micros(end.saturating_sub(self.host.micros()));
    }

    /// The host's timer of a root fires now.
    pub fn tick(&mut self, root: u32) {
        if self.enter(Callback::Tick, root, [0; 4]) {
            self.plugin_ticks.push(self.host.micros());
            self.host.pass_micros(self.tick_micros);
            self.leave(Callback::Tick, root, 0);
        }
        self.recorder.tick_end(root, &mut self.host);
        // The host sets the timer anew when the tick has returned (Envoy `Wasm::tickHandler`).
        if let Some((period, due)) = self.timers.get_mut(&root) {
            *due = self.host.micros() + u64::from(*period) * 1000;
        }
        self.note_timers();
    }

    /// The collector answers the shipment with this call id.
    pub fn answer(&mut self, call: u32, status: u32) {
        self.answer_with(call, &[(":status", &status.to_string())]);
    }

    pub fn answer_with(&mut self, call: u32, headers: &[(&str, &str)]) {
        self.host.response = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let count = headers.len() as u32;
        let passed = self.enter(Callback::HttpCallResponse, ROOT, [call, count, 0, 0]);
        assert!(!passed, "the answer to a shipment reached the plugin");
    }

    /// Answers everything that is in flight.
    pub fn answer_all(&mut self, status: u32) {
        for call in std::mem::take(&mut self.host.in_flight) {
            self.answer(call, status);
        }
    }

    /// All batches sent so far, oldest first.
    pub fn batches(&self) -> Vec<Batch> {
        self.host.sent.iter().map(|sent| sent.batch.clone()).collect()
    }

    pub fn last_batch(&self) -> Batch {
        self.host.sent.last().expect("nothing was shipped").batch.clone()
    }

    /// Ships everything, and answers it, until nothing is left to say.
    pub fn drain(&mut self) {
        for _ in 0..200 {
            self.answer_all(200);
            self.pass_millis(100);
        }
    }
}

/// An event with its number and the values that the wire leaves out.
#[derive(Clone, Debug)]
pub struct Read {
    pub sequence: u64,
    pub entry: u64,
    pub at: u64,
    pub context: u32,
    pub event: Event,
}

/// The events of a batch, as a reader understands them.
pub fn events(batch: &Batch) -> Vec<Read> {
    let (mut entry, mut at, mut context) = (batch.first_entry, batch.first_at_micros, 0);
    let mut all = Vec::new();
    for (index, event) in batch.events.iter().enumerate() {
        if index > 0 {
            entry = (entry as i64 + 1 + event.entry_step) as u64;
            at = (at as i64 + event.at_step_micros) as u64;
        } else {
            assert_eq!((event.entry_step, event.at_step_micros), (0, 0));
            assert_ne!(event.context, 0, "the first event names its context");
        }
        if event.context != 0 {
            context = event.context;
        }
        let sequence = batch.first_sequence + index as u64;
        all.push(Read { sequence, entry, at, context, event: event.clone() });
    }
    all
}

/// The events of all batches with a kind.
pub fn of_kind(batches: &[Batch], kind: u32) -> Vec<Read> {
    batches.iter().flat_map(events).filter(|read| read.event.kind == kind).collect()
}
