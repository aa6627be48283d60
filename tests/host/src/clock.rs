//! The virtual clock and what is due on it.
//!
//! Time stands still while the plugin runs, but for one nanosecond at each of its hostcalls: two of
//! its readings differ, microseconds stay whole, and the recorder's readings move nothing.

use std::collections::BTreeMap;

use crate::StreamId;

/// Nanoseconds of virtual time.
pub type Nanos = u64;

/// Wall-clock time of the VM's start: 2026-01-01T00:00:00Z.
const WALL_START: Nanos = 1_767_225_600_000_000_000;
/// Monotonic time of the VM's start: not zero, as on a real machine.
const MONOTONIC_START: Nanos = 1_000_000_000_000;

/// Something that happens at a time. At equal times the order is that of the variants, so that it
/// does not depend on who armed a timer when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A call is answered, fails or times out: its place among all calls.
    Call(usize),
    /// The next thing on a gRPC call or stream.
    Grpc(u32),
    /// A Redis query is answered.
    Redis(u32),
    /// A name is resolved: root and id.
    Dns(u32, u32),
    /// A queue has a message for its root.
    Queue(u32, u32),
    /// The upstream answers a stream, or closes.
    Upstream(StreamId),
    /// A root context's timer.
    Tick(u32),
}

/// Virtual time and its timers.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    now: Nanos,
    /// What each hostcall of the recorder takes by its own readings, and what they took so far. To all
    /// others they take no time.
    pub recorder_takes: Nanos,
    recorder_took: Nanos,
    due: BTreeMap<(Nanos, Due), ()>,
}

impl Clock {
    /// Nanoseconds since the VM's start.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// What the wall clock reads.
    pub fn wall(&self) -> Nanos {
        WALL_START + self.now
    }

    /// What the monotonic clock reads.
    pub fn monotonic(&self) -> Nanos {
        MONOTONIC_START + self.now
    }

    /// A hostcall of the plugin happened.
    pub fn step(&mut self) {
        self.now += 1;
    }

    /// A hostcall of the recorder happened.
    pub fn recorder_step(&mut self) {
        self.recorder_took += self.recorder_takes;
    }

    /// What the recorder reads more than the clocks show.
    pub fn recorder_took(&self) -> Nanos {
        self.recorder_took
    }

    /// Goes on to a time, never back.
    pub fn advance_to(&mut self, at: Nanos) {
        self.now = self.now.max(at);
    }

    /// Arms a timer. Times are counted from the whole microsecond, so that the steps of hostcalls do
    /// not add up.
    pub fn arm_in_millis(&mut self, millis: u64, due: Due) -> Nanos {
        let at = self.now / 1_000 * 1_000 + millis * 1_000_000;
        self.due.insert((at, due), ());
        at
    }

    /// Disarms every timer of this kind.
    pub fn disarm(&mut self, due: Due) {
        self.due.retain(|(_, other), ()| *other != due);
    }

    /// Takes what is due first, if that is not after the limit, and goes on to its time.
    pub fn take_next(&mut self, limit: Nanos) -> Option<Due> {
        let (&(at, due), ()) = self.due.first_key_value()?;
        if at > limit {
            return None;
        }
        self.due.pop_first();
        self.advance_to(at);
        Some(due)
    }
}

/// Random bytes that are the same in every run.
#[derive(Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    /// The next bytes (splitmix64).
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let word = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}
