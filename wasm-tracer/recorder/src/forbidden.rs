//! Readings that the host's capability restriction forbids. A host answers each with 10 and logs an
//! error (host-semantics, "capabilities"), so they are asked again only rarely.

use abi::Status;

use crate::host::Refused;
use crate::ship::FORBIDDEN_WAIT;

/// What a forbidden hostcall answers; a reading that the host does try answers otherwise when it finds
/// nothing.
const FORBIDDEN: u32 = Status::InternalFailure.number();

/// One kind of reading.
pub struct Reading {
    /// It was answered otherwise once, so it is allowed: capabilities hold for a VM's life.
    allowed: bool,
    /// Monotonic µs before which it is not asked again.
    until: u64,
}

impl Reading {
    pub const EMPTY: Reading = Reading { allowed: false, until: 0 };

    /// May the host be asked now?
    pub fn may_ask(&self, now: u64) -> bool {
        now >= self.until
    }

    /// Hands on what the host answered, and remembers if it forbids it.
    pub fn note<T>(&mut self, now: u64, answer: Result<T, Refused>) -> Result<T, Refused> {
        match answer {
            Err(FORBIDDEN) if !self.allowed => self.until = now.saturating_add(FORBIDDEN_WAIT),
            _ => self.allowed = true,
        }
        answer
    }
}

/// Those that are made for each stream.
pub struct Readings {
    pub header_pairs: Reading,
    pub property: Reading,
}

impl Readings {
    pub const EMPTY: Readings = Readings { header_pairs: Reading::EMPTY, property: Reading::EMPTY };
}
