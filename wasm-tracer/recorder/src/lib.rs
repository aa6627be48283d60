//! The flight recorder: sees every callback and hostcall of one VM, keeps them in a bounded buffer, and
//! ships them to the collector from the tick.
//!
//! Runs inside a plugin, so: no heap, no floats, no recursion, no indirect calls (the graft has no
//! table), no panics. It never blocks a stream, never changes an action, never lets the answer to its
//! own call reach the plugin, and counts what it could not keep. The host is a trait ([`Host`]), so the
//! same code runs natively in tests.
#![cfg_attr(not(test), no_std)]

mod annotate;
mod answer;
mod batch;
mod blackbox;
mod bytes;
mod calls;
mod counters;
mod event;
mod forbidden;
mod fuse;
mod halve;
mod histogram;
mod host;
mod hostcalls;
mod info;
mod invoke;
mod lost;
mod output;
mod pairs;
mod ring;
mod roots;
mod settings;
mod ship;
mod skeleton;
mod status;
mod streams;
mod ticks;
mod warn;
mod wire;

pub use host::{Host, Refused, UNTOUCHED};
pub use skeleton::Skeleton;

/// Bytes of the baked configuration.
pub const CONFIG_SIZE: usize = abi::graft::config::SIZE;

/// Status of the ABI when the host could not write an answer: the arena was too small.
pub const INVALID_MEMORY_ACCESS: u32 = abi::Status::InvalidMemoryAccess.number();

/// One VM's recorder. All zero until it starts, so that it costs no bytes in the module.
pub struct Recorder {
    started: bool,
    /// The context whose plugin is in its on_tick, 0: none.
    ticking: u32,
    tick_began: u64,
    /// The plugin set a timer of which it is not known whose it is.
    unsure_timers: bool,
    /// The black box left already in this entry.
    trapped: bool,
    /// The plugin exited before.
    exited: bool,
    /// The host has no monotonic clock.
    wall_only: bool,
    /// The host has no clock at all.
    clockless: bool,
    /// By how many ns the wall clock was set back, in all, since it stands in for the monotonic one.
    wall_behind: u64,
    instance: [u8; 16],
    /// Of the sampling, and of the next random number.
    seed: u64,
    random: u64,
    /// The last reading of the clock, monotonic ns and µs.
    nanos: u64,
    now: u64,
    /// Number of the last invocation.
    entry: u64,
    depth: u32,
    /// Number and context of the callback that returned last, if nothing was entered since.
    left: (u32, u32),
    frames: [invoke::Frame; invoke::FRAMES],
    /// Root whose timer the host means now: that of the context that the plugin made effective, until
    /// the VM call returns.
    timer_of: u32,
    node: bytes::Text<64>,
    settings: settings::Settings,
    roots: roots::Roots,
    streams: streams::Streams,
    calls: calls::Calls,
    counters: counters::Counters,
    output: output::Output,
    readings: forbidden::Readings,
    fuse: fuse::Fuse,
    warnings: warn::Warnings,
    shipping: ship::Shipping,
    /// For messages that are built before they are written elsewhere.
    scratch: [u8; 2048],
    ring: ring::Ring,
}

impl Recorder {
    /// A recorder that has not started.
    #[allow(clippy::new_without_default)] // a const for a static, not a value to be had anywhere
    pub const fn new() -> Recorder {
        Recorder {
            started: false,
            ticking: 0,
            tick_began: 0,
            unsure_timers: false,
            trapped: false,
            exited: false,
            wall_only: false,
            clockless: false,
            wall_behind: 0,
            instance: [0; 16],
            seed: 0,
            random: 0,
            nanos: 0,
            now: 0,
            entry: 0,
            depth: 0,
            left: (0, 0),
            frames: [invoke::Frame::EMPTY; invoke::FRAMES],
            timer_of: 0,
            node: bytes::Text::EMPTY,
            settings: settings::Settings::EMPTY,
            roots: roots::Roots::EMPTY,
            streams: streams::Streams::EMPTY,
            calls: calls::Calls::EMPTY,
            counters: counters::Counters::EMPTY,
            output: output::Output::EMPTY,
            readings: forbidden::Readings::EMPTY,
            fuse: fuse::Fuse::EMPTY,
            warnings: warn::Warnings::EMPTY,
            shipping: ship::Shipping::EMPTY,
            scratch: [0; 2048],
            ring: ring::Ring::EMPTY,
        }
    }

    /// Has it started?
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// Starts at the VM's first entry (never while the host restricts hostcalls): reads the baked
    /// configuration and the environment, and takes a random instance id.
    pub fn start(&mut self, baked: &[u8], host: &mut impl Host) {
        self.started = true;
        self.settings.read(baked, host.environment());
        self.ring.start(self.settings.buffer_bytes);
        host.random(&mut self.instance);
        if self.instance == [0; 16] {
            self.name_by_the_clocks(host);
        }
        self.seed = bytes::hash(&self.instance, 0);
        self.random = self.seed | 1;
        self.warn_of_settings(host);
    }

    /// An instance id where the host gives no random bytes: the times of this start in ns differ from
    /// those of any other.
    fn name_by_the_clocks(&mut self, host: &mut impl Host) {
        let mut seed = host.wall_nanos().unwrap_or(0);
        for half in self.instance.chunks_exact_mut(8) {
            let time = host.monotonic_nanos().unwrap_or(0).to_le_bytes();
            seed = bytes::hash(&time, seed);
            bytes::copy(half, &seed.to_le_bytes());
        }
    }

    /// Reads the clock: monotonic µs, or the wall clock's where there is no other. That is settled by the
    /// first refusal: a host that forbids the monotonic clock logs an error each time, and times of two
    /// clocks in one instance would fit nowhere.
    fn clock(&mut self, host: &mut impl Host) -> u64 {
        let monotonic = if self.wall_only { None } else { host.monotonic_nanos() };
        self.wall_only = monotonic.is_none();
        self.nanos = match monotonic {
            Some(nanos) => nanos,
            None if self.clockless => self.nanos,
            None => match host.wall_nanos() {
                Some(wall) => self.never_back(wall),
                None => self.no_clock(host),
            },
        };
        self.now = self.nanos / 1000;
        self.now
    }

    /// Without any clock nothing is recorded, and the plugin's timer is left to it.
    fn no_clock(&mut self, host: &mut impl Host) -> u64 {
        if self.nanos == 0 {
            self.clockless = true;
            self.warn(warn::Cause::Capability, 0, host);
        }
        self.nanos
    }

    /// The wall clock as a clock that never goes back: once it is set back, all deadlines (the plugin's
    /// ticks too) would wait that much longer. From then on readings are ahead of it by as much.
    fn never_back(&mut self, wall: u64) -> u64 {
        let reading = wall.saturating_add(self.wall_behind);
        let fell = self.nanos.saturating_sub(reading);
        self.wall_behind = self.wall_behind.saturating_add(fell);
        reading.saturating_add(fell)
    }

    /// xorshift64: for back-off, not for secrets.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
