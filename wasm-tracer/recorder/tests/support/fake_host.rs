//! The scripted host.

use abi::Hostcall;
use prost::Message;
use proto::v1::Batch;
use recorder::{Host, Refused, Skeleton, UNTOUCHED};

use super::encode::pairs;

/// Address of the plugin's memory that tests put texts in.
const PLUGIN_MEMORY: usize = 1 << 16;

/// One shipment.
pub struct Sent {
    pub call: u32,
    pub at: u64,
    pub cluster: String,
    pub headers: Vec<(String, String)>,
    pub bytes: usize,
    /// The batch as the recorder wrote it.
    pub raw: Vec<u8>,
    pub batch: Batch,
}

/// A host that does what the test says.
pub struct FakeHost {
    nanos: u64,
    /// What the wall clock was set ahead (or back) by, in ns.
    wall_ahead: i64,
    pub wall_only: bool,
    /// What reading a header map takes, in µs.
    pub pairs_micros: u64,
    /// Pages of the plugin's memory.
    pub plugin_pages: u32,
    pub environment: Vec<u8>,
    pub request: Vec<(String, String)>,
    pub response: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub properties: Vec<(String, Vec<u8>)>,
    pub pairs_refused: Option<u32>,
    pub properties_refused: Option<u32>,
    pub raw_pairs: Option<Vec<u8>>,
    pub dispatch_refused: Option<(u32, u32)>,
    pub status: (u32, Vec<u8>),
    /// Dispatches tried.
    pub dispatches: usize,
    pub sent: Vec<Sent>,
    pub in_flight: Vec<u32>,
    pub logs: Vec<(u32, String)>,
    pub periods_set: Vec<(u32, u32)>,
    pub timer_refused: bool,
    /// The hostcall that the capability restriction forbids, and how often it was tried.
    pub forbidden: Option<Hostcall>,
    pub refusals: usize,
    pub timers_asked: usize,
    pub next_call: u32,
    pub header_reads: usize,
    pub value_reads: usize,
    pub property_reads: usize,
    pub clock_reads: usize,
    context: u32,
    memory: Vec<u8>,
    used: usize,
    arena: Vec<u8>,
    made: u64,
    skeletons: Vec<Skeleton>,
    /// Skeletons that there is memory for.
    pub most_skeletons: usize,
}

impl FakeHost {
    pub fn new() -> FakeHost {
        let text = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        FakeHost {
            nanos: 5_000_000_000,
            wall_ahead: 0,
            wall_only: false,
            pairs_micros: 0,
            plugin_pages: 32,
            environment: Vec::new(),
            request: vec![
                text(":authority", "shop.example"),
                text(":path", "/orders/17?card=4111"),
                text(":method", "POST"),
                text("x-request-id", "6f9a2d52-7d0c-4f7b-9d0e-0a1b2c3d4e5f"),
                text("authorization", "Bearer of-the-client"),
                text("cookie", "session=1"),
                text("x-tenant", "blue"),
            ],
            response: Vec::new(),
            body: Vec::new(),
            properties: vec![
                ("plugin_name".into(), b"auth".to_vec()),
                ("plugin_root_id".into(), b"auth-root".to_vec()),
                ("plugin_vm_id".into(), b"vm".to_vec()),
                ("xds\0node\0id".into(), b"node-1".to_vec()),
                ("request\0protocol".into(), b"HTTP/1.1".to_vec()),
                ("response\0code".into(), 200u64.to_le_bytes().to_vec()),
                ("response\0flags".into(), 0u64.to_le_bytes().to_vec()),
                ("response\0code_details".into(), b"via_upstream".to_vec()),
                ("upstream\0address".into(), b"127.0.0.1:8080".to_vec()),
                ("request\0duration".into(), 5_000_000u64.to_le_bytes().to_vec()),
                ("request\0size".into(), 14u64.to_le_bytes().to_vec()),
                ("request\0total_size".into(), 230u64.to_le_bytes().to_vec()),
                ("response\0size".into(), 5u64.to_le_bytes().to_vec()),
                ("response\0total_size".into(), 120u64.to_le_bytes().to_vec()),
            ],
            pairs_refused: None,
            properties_refused: None,
            clock_reads: 0,
            raw_pairs: None,
            dispatch_refused: None,
            status: (0, Vec::new()),
            dispatches: 0,
            sent: Vec::new(),
            in_flight: Vec::new(),
            logs: Vec::new(),
            periods_set: Vec::new(),
            timer_refused: false,
            forbidden: None,
            refusals: 0,
            timers_asked: 0,
            next_call: 4,
            header_reads: 0,
            value_reads: 0,
            property_reads: 0,
            context: 0,
            memory: vec![0; 1 << 16],
            used: 0,
            arena: vec![0; 24 * 1024],
            made: 0,
            skeletons: Vec::new(),
            most_skeletons: usize::MAX,
        }
    }

    pub fn micros(&self) -> u64 {
        self.nanos / 1000
    }

    pub fn pass_micros(&mut self, micros: u64) {
        self.nanos += micros * 1000;
    }

    /// Somebody sets the wall clock.
    pub fn step_wall_seconds(&mut self, seconds: i64) {
        self.wall_ahead += seconds * 1_000_000_000;
    }

    pub fn in_context(&mut self, context: u32) {
        self.context = context;
    }

    /// Puts bytes into the plugin's memory: address and size.
    pub fn put(&mut self, bytes: &[u8]) -> (u32, u32) {
        if self.used + bytes.len() > self.memory.len() {
            self.used = 0;
        }
        let at = self.used;
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
        ((PLUGIN_MEMORY + at) as u32, bytes.len() as u32)
    }

    /// What a test expects to have been written into the plugin's memory.
    pub fn peek(&self, at: u32, size: usize) -> &[u8] {
        let start = at as usize - PLUGIN_MEMORY;
        &self.memory[start..start + size]
    }

    /// A hostcall that the capability restriction forbids: the host logs an error each time.
    fn forbids(&mut self, hostcall: Hostcall) -> bool {
        let forbidden = self.forbidden == Some(hostcall);
        self.refusals += usize::from(forbidden);
        forbidden
    }

    fn lend(&mut self, bytes: Vec<u8>) -> Result<&[u8], Refused> {
        self.made += 1;
        if bytes.len() > 16 * 1024 {
            return Err(6);
        }
        self.arena[..bytes.len()].copy_from_slice(&bytes);
        Ok(&self.arena[..bytes.len()])
    }
}

fn read_pairs(bytes: &[u8]) -> Vec<(String, String)> {
    let word =
        |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    let count = word(0);
    let mut at = 4 + count * 8;
    let mut take = |size: usize| {
        let text = String::from_utf8(bytes[at..at + size].to_vec()).expect("text");
        at += size + 1;
        text
    };
    (0..count).map(|i| (take(word(4 + i * 8)), take(word(8 + i * 8)))).collect()
}

impl Host for FakeHost {
    fn monotonic_nanos(&mut self) -> Option<u64> {
        self.clock_reads += 1;
        if self.forbids(Hostcall::ClockTimeGet) {
            return None;
        }
        (!self.wall_only).then_some(self.nanos)
    }

    fn wall_nanos(&mut self) -> Option<u64> {
        if self.forbids(Hostcall::GetCurrentTime) {
            return None;
        }
        Some((1_700_000_000_000_000_000 + self.nanos).saturating_add_signed(self.wall_ahead))
    }

    fn random(&mut self, into: &mut [u8]) {
        if self.forbids(Hostcall::RandomGet) {
            return;
        }
        for (at, byte) in into.iter_mut().enumerate() {
            *byte = 16 + at as u8;
        }
    }

    fn environment(&mut self) -> &[u8] {
        if self.forbids(Hostcall::EnvironGet) {
            return &[];
        }
        &self.environment
    }

    fn set_tick_period(&mut self, millis: u32) -> u32 {
        self.made += 1;
        self.timers_asked += 1;
        if self.timer_refused || self.forbids(Hostcall::SetTickPeriod) {
            return 10;
        }
        self.periods_set.push((self.context, millis));
        0
    }

    fn shipment(&mut self) -> &mut [u8] {
        &mut self.arena
    }

    fn ship(&mut self, cluster: &[u8], headers: &[u8], length: usize, _millis: u32) -> (u32, u32) {
        self.made += 1;
        self.dispatches += 1;
        if self.forbids(Hostcall::HttpCall) {
            return (10, UNTOUCHED);
        }
        if let Some((status, call)) = self.dispatch_refused {
            return (status, call);
        }
        let call = self.next_call;
        self.next_call += 4;
        assert_ne!(call, UNTOUCHED);
        let batch = Batch::decode(&self.arena[..length]).expect("prost reads what was shipped");
        self.sent.push(Sent {
            call,
            at: self.micros(),
            cluster: String::from_utf8_lossy(cluster).into_owned(),
            headers: read_pairs(headers),
            bytes: length,
            raw: self.arena[..length].to_vec(),
            batch,
        });
        self.in_flight.push(call);
        (0, call)
    }

    fn header_value(&mut self, map: u32, key: &[u8]) -> Result<&[u8], Refused> {
        self.value_reads += 1;
        if self.forbids(Hostcall::GetHeaderMapValue) {
            return Err(10);
        }
        let map = if map == 6 { &self.response } else { &self.request };
        let found = map.iter().find(|(name, _)| name.as_bytes() == key);
        let value = found.map(|(_, value)| value.clone().into_bytes());
        value.map_or(Err(1), |value| self.lend(value))
    }

    fn header_pairs(&mut self, map: u32) -> Result<&[u8], Refused> {
        if self.forbids(Hostcall::GetHeaderMapPairs) {
            return Err(10);
        }
        self.header_reads += 1;
        self.pass_micros(self.pairs_micros);
        if let Some(status) = self.pairs_refused {
            return Err(status);
        }
        if let Some(bytes) = self.raw_pairs.clone() {
            return self.lend(bytes);
        }
        let map = if map == 6 { &self.response } else { &self.request };
        let all: Vec<_> = map.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let bytes = pairs(&all);
        self.lend(bytes)
    }

    fn property(&mut self, path: &[u8]) -> Result<&[u8], Refused> {
        self.property_reads += 1;
        if self.forbids(Hostcall::GetProperty) {
            return Err(10);
        }
        if let Some(status) = self.properties_refused {
            return Err(status);
        }
        let found = self.properties.iter().find(|(name, _)| name.as_bytes() == path);
        let value = found.map(|(_, value)| value.clone());
        value.map_or(Err(1), |value| self.lend(value))
    }

    fn buffer(&mut self, buffer: u32, length: u32) -> Result<&[u8], Refused> {
        if self.forbids(Hostcall::GetBufferBytes) {
            return Err(10);
        }
        let bytes = if buffer == 7 { b"{}".to_vec() } else { self.body.clone() };
        let cut = bytes.len().min(length as usize);
        self.lend(bytes[..cut].to_vec())
    }

    fn status(&mut self) -> Result<(u32, &[u8]), Refused> {
        if self.forbids(Hostcall::GetStatus) {
            return Err(10);
        }
        let (code, message) = self.status.clone();
        Ok((code, self.lend(message)?))
    }

    fn log(&mut self, level: u32, message: &[u8]) {
        self.made += 1;
        if self.forbids(Hostcall::Log) {
            return;
        }
        self.logs.push((level, String::from_utf8_lossy(message).into_owned()));
    }

    fn read(&mut self, into: &mut [u8], from: u32) -> bool {
        let Some(start) = (from as usize).checked_sub(PLUGIN_MEMORY) else { return false };
        match self.memory.get(start..start.saturating_add(into.len())) {
            Some(bytes) => {
                into.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    fn write(&mut self, to: u32, from: &[u8]) -> bool {
        let Some(start) = (to as usize).checked_sub(PLUGIN_MEMORY) else { return false };
        match self.memory.get_mut(start..start.saturating_add(from.len())) {
            Some(bytes) => {
                bytes.copy_from_slice(from);
                true
            }
            None => false,
        }
    }

    fn base(&mut self) -> u32 {
        0x20_0000
    }

    fn pages(&mut self) -> u32 {
        4
    }

    fn plugin_pages(&mut self) -> u32 {
        self.plugin_pages
    }

    fn skeletons(&mut self, wanted: usize) -> &mut [Skeleton] {
        while self.skeletons.len() < wanted && self.skeletons.len() < self.most_skeletons {
            self.skeletons.extend((0..Skeleton::IN_A_PAGE).map(|_| Skeleton::EMPTY));
        }
        &mut self.skeletons
    }

    fn hostcalls(&mut self) -> u64 {
        self.made
    }
}
