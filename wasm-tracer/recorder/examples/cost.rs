//! What recording costs a request, in instructions: run it under a counter,
//!
//! ```text
//! cargo build --release -p recorder --example cost
//! valgrind --tool=callgrind target/release/examples/cost call 20000
//! ```
//!
//! (a third number is the rate in millionths) and divide by the requests. Twice with different counts, and the start falls out. The host costs next
//! to nothing and its clock is virtual, so two runs give the same number.

use std::collections::VecDeque;

use abi::graft::config;
use abi::{Callback, Hostcall};
use encode::{baked, pairs};
use recorder::{Host, Recorder, Refused, Skeleton};

#[path = "../tests/support/encode.rs"]
mod encode;

const ROOT: u32 = 1;
/// Where the cluster's name, the call's headers and its id lie in the plugin's memory.
const PLUGIN_MEMORY: u32 = 1 << 16;
const CLUSTER: &[u8] = b"auth-service";

struct CheapHost {
    nanos: u64,
    arena: Vec<u8>,
    pairs: Vec<u8>,
    plugin: Vec<u8>,
    flying: VecDeque<u32>,
    next_call: u32,
    bytes: usize,
    hostcalls: u64,
    skeletons: Vec<Skeleton>,
}

impl CheapHost {
    fn lend(&mut self, bytes: &[u8]) -> Result<&[u8], Refused> {
        self.hostcalls += 1;
        self.arena[..bytes.len()].copy_from_slice(bytes);
        Ok(&self.arena[..bytes.len()])
    }
}

impl Host for CheapHost {
    fn monotonic_nanos(&mut self) -> Option<u64> {
        self.hostcalls += 1;
        self.nanos += 3000;
        Some(self.nanos)
    }
    fn wall_nanos(&mut self) -> Option<u64> {
        Some(self.nanos)
    }
    fn random(&mut self, into: &mut [u8]) {
        into.fill(7);
    }
    fn environment(&mut self) -> &[u8] {
        &[]
    }
    fn set_tick_period(&mut self, _millis: u32) -> u32 {
        self.hostcalls += 1;
        0
    }
    fn shipment(&mut self) -> &mut [u8] {
        &mut self.arena
    }
    fn ship(&mut self, _: &[u8], _: &[u8], length: usize, _: u32) -> (u32, u32) {
        self.bytes += length;
        self.next_call += 4;
        self.flying.push_back(self.next_call);
        (0, self.next_call)
    }
    fn header_value(&mut self, _map: u32, _key: &[u8]) -> Result<&[u8], Refused> {
        self.lend(b"200")
    }
    fn header_pairs(&mut self, _map: u32) -> Result<&[u8], Refused> {
        self.hostcalls += 1;
        Ok(&self.pairs)
    }
    fn property(&mut self, path: &[u8]) -> Result<&[u8], Refused> {
        match path {
            b"response\0code" => self.lend(&200u64.to_le_bytes()),
            b"request\0total_size" | b"response\0total_size" => self.lend(&230u64.to_le_bytes()),
            b"request\0duration" => self.lend(&2_300_000u64.to_le_bytes()),
            b"response\0code_details" => self.lend(b"via_upstream"),
            b"upstream\0address" => self.lend(b"127.0.0.1:8080"),
            b"request\0protocol" => self.lend(b"HTTP/1.1"),
            _ => Err(1),
        }
    }
    fn buffer(&mut self, _: u32, _: u32) -> Result<&[u8], Refused> {
        self.lend(b"{}")
    }
    fn status(&mut self) -> Result<(u32, &[u8]), Refused> {
        Ok((0, &[]))
    }
    fn log(&mut self, _: u32, _: &[u8]) {}
    fn read(&mut self, into: &mut [u8], from: u32) -> bool {
        let at = from.wrapping_sub(PLUGIN_MEMORY) as usize;
        let Some(bytes) = self.plugin.get(at..at.saturating_add(into.len())) else { return false };
        into.copy_from_slice(bytes);
        true
    }
    fn write(&mut self, _: u32, _: &[u8]) -> bool {
        false
    }
    fn base(&mut self) -> u32 {
        0x20_0000
    }
    fn pages(&mut self) -> u32 {
        4
    }
    fn plugin_pages(&mut self) -> u32 {
        32
    }
    fn skeletons(&mut self, wanted: usize) -> &mut [Skeleton] {
        while self.skeletons.len() < wanted {
            self.skeletons.push(Skeleton::EMPTY);
        }
        &mut self.skeletons
    }
    fn hostcalls(&mut self) -> u64 {
        self.hostcalls
    }
}

struct Vm {
    recorder: Box<Recorder>,
    host: CheapHost,
}

impl Vm {
    fn enter(&mut self, callback: Callback, context: u32, args: [u32; 4]) -> bool {
        self.recorder.enter(callback.number(), context, args, &mut self.host)
    }

    fn call(&mut self, callback: Callback, context: u32, args: [u32; 4], result: u32) {
        if self.enter(callback, context, args) {
            self.recorder.leave(callback.number(), context, result, &mut self.host);
        }
    }

    fn hostcall(&mut self, hostcall: Hostcall, params: &[u32]) {
        let mut all = [0; 12];
        all[..params.len()].copy_from_slice(params);
        self.recorder.hostcall(hostcall.number(), 0, &all, &mut self.host);
    }

    /// A host's timer, and the collector's answers.
    fn tick(&mut self) {
        while let Some(call) = self.host.flying.pop_front() {
            self.enter(Callback::HttpCallResponse, ROOT, [call, 1, 0, 0]);
        }
        self.host.nanos += 1_000_000;
        if !self.enter(Callback::Tick, ROOT, [0; 4]) {
            self.recorder.tick_end(ROOT, &mut self.host);
        }
    }

    /// Seven invocations, no hostcall.
    fn plain(&mut self, context: u32) {
        self.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        self.call(Callback::RequestHeaders, context, [9, 1, 0, 0], 0);
        self.call(Callback::ResponseHeaders, context, [6, 0, 0, 0], 0);
        self.call(Callback::ResponseBody, context, [120, 1, 0, 0], 0);
        self.end(context);
    }

    /// Eight invocations of which one calls, and twelve hostcalls that are only counted.
    fn with_call(&mut self, context: u32) {
        self.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        self.call(Callback::RequestHeaders, context, [9, 0, 0, 0], 0);
        self.enter(Callback::RequestBody, context, [14, 1, 0, 0]);
        for _ in 0..12 {
            self.hostcall(Hostcall::GetHeaderMapValue, &[0, PLUGIN_MEMORY, 6, 0, 0]);
        }
        let id = context * 4 + (1 << 24);
        let out = self.host.plugin.len() - 4;
        self.host.plugin[out..].copy_from_slice(&id.to_le_bytes());
        let out = PLUGIN_MEMORY + out as u32;
        let (name, headers) = (CLUSTER.len() as u32, self.host.plugin.len() as u32 - 4);
        let at = PLUGIN_MEMORY + name;
        let call = [PLUGIN_MEMORY, name, at, headers - name, 0, 0, 0, 0, 5000, out];
        self.hostcall(Hostcall::HttpCall, &call);
        self.recorder.leave(Callback::RequestBody.number(), context, 1, &mut self.host);
        self.enter(Callback::HttpCallResponse, ROOT, [id, 5, 12, 0]);
        self.hostcall(Hostcall::SetEffectiveContext, &[context]);
        self.hostcall(Hostcall::ContinueStream, &[0]);
        self.recorder.leave(Callback::HttpCallResponse.number(), ROOT, 0, &mut self.host);
        self.call(Callback::ResponseHeaders, context, [6, 0, 0, 0], 0);
        self.end(context);
    }

    fn end(&mut self, context: u32) {
        self.call(Callback::Log, context, [0; 4], 0);
        self.call(Callback::Done, context, [0; 4], 1);
        self.call(Callback::Delete, context, [0; 4], 0);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let with_call = arguments.next().as_deref() == Some("call");
    let mut number = || arguments.next().and_then(|text| text.parse::<u32>().ok());
    let (count, rate) = (number().unwrap_or(10_000), number().unwrap_or(1_000_000));
    let mut plugin = CLUSTER.to_vec();
    plugin.extend(pairs(&[(":method", "GET"), (":path", "/check"), (":authority", "callee")]));
    plugin.extend([0; 4]);
    let host = CheapHost {
        nanos: 5_000_000_000,
        arena: vec![0; 24 * 1024],
        pairs: pairs(&[
            (":authority", "127.0.0.1:10000"),
            (":path", "/orders/17?card=4111"),
            (":method", "POST"),
            (":scheme", "http"),
            ("user-agent", "bench"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "6f9a2d52-7d0c-4f7b-9d0e-0a1b2c3d4e5f"),
            ("x-envoy-expected-rq-timeout-ms", "15000"),
        ]),
        plugin,
        flying: VecDeque::new(),
        next_call: 0,
        bytes: 0,
        hostcalls: 0,
        skeletons: Vec::new(),
    };
    let mut vm = Vm { recorder: Box::new(Recorder::new()), host };
    // All that its phases below call.
    let rate = rate.to_le_bytes();
    let baked = baked(&[
        (config::HOSTCALLS, &[64, 72, 78, 82, 83]),
        (config::RATE_MILLIONTHS, rate.as_slice()),
    ]);
    vm.recorder.start(&baked, &mut vm.host);
    vm.call(Callback::ContextCreate, ROOT, [0; 4], 0);
    vm.call(Callback::Configure, ROOT, [2, 0, 0, 0], 1);
    let started = std::time::Instant::now();
    for request in 0..count {
        let context = 2 + request;
        if with_call {
            vm.with_call(context)
        } else {
            vm.plain(context)
        }
        if request % 20 == 19 {
            vm.tick();
        }
    }
    let nanos = started.elapsed().as_nanos() as u64 / u64::from(count.max(1));
    let hostcalls = vm.host.hostcalls as f64 / f64::from(count.max(1));
    let bytes = vm.host.bytes as u64 / u64::from(count.max(1));
    println!("{count} requests: {nanos} ns, {hostcalls:.1} hostcalls, {bytes} bytes shipped each");
}
