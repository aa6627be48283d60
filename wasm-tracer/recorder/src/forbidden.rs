//! Readings that the host's capability restriction forbids. A host answers each with 10 and logs an
//! error (host-semantics §1.1), so they are asked again only rarely, and the log says once
//! what is missing.

use abi::{Status, map};

use crate::host::{Host, Refused};
use crate::pairs::Pairs;
use crate::ship::FORBIDDEN_WAIT;
use crate::wire::Writer;
use crate::{Recorder, bytes};

/// What a forbidden hostcall answers; a reading that the host does try answers otherwise when it finds
/// nothing.
const FORBIDDEN: u32 = Status::InternalFailure.number();
const WARN: u32 = 3;

/// One kind of reading.
pub struct Reading {
    /// It was answered otherwise once, so it is allowed: capabilities hold for a VM's life.
    allowed: bool,
    /// The log says that it is forbidden.
    told: bool,
    /// Monotonic µs before which it is not asked again.
    until: u64,
}

impl Reading {
    pub const EMPTY: Reading = Reading { allowed: false, told: false, until: 0 };

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

    /// Is the log still to say that it is forbidden?
    fn is_untold(&self) -> bool {
        self.until != 0 && !self.allowed && !self.told
    }
}

/// Those that are made more than once.
pub struct Readings {
    pub header_pairs: Reading,
    pub header_value: Reading,
    pub property: Reading,
    pub buffer: Reading,
    pub status: Reading,
}

impl Readings {
    pub const EMPTY: Readings = Readings {
        header_pairs: Reading::EMPTY,
        header_value: Reading::EMPTY,
        property: Reading::EMPTY,
        buffer: Reading::EMPTY,
        status: Reading::EMPTY,
    };
}

impl Recorder {
    /// Status code among the headers that answer a call; 0 without any. Where one of the two ways to read
    /// it is forbidden the other may not be.
    pub(crate) fn call_status(&mut self, host: &mut impl Host) -> u32 {
        let (now, which) = (self.now, map::CALL_RESPONSE_HEADERS);
        let reading = &mut self.readings.header_value;
        if reading.may_ask(now) {
            let value = reading.note(now, host.header_value(which, STATUS));
            if value != Err(FORBIDDEN) {
                return value.ok().and_then(bytes::decimal).unwrap_or(0);
            }
        }
        let reading = &mut self.readings.header_pairs;
        if !reading.may_ask(now) {
            return 0;
        }
        let Ok(pairs) = reading.note(now, host.header_pairs(which)) else { return 0 };
        let status = Pairs::new(pairs).find(|(name, _)| *name == STATUS);
        status.and_then(|(_, value)| bytes::decimal(value)).unwrap_or(0)
    }

    /// The first bytes of a buffer, if the host lets them be read.
    pub(crate) fn read_buffer<'h>(
        &mut self,
        buffer: u32,
        length: u32,
        host: &'h mut impl Host,
    ) -> Option<&'h [u8]> {
        let reading = &mut self.readings.buffer;
        if !reading.may_ask(self.now) {
            return None;
        }
        reading.note(self.now, host.buffer(buffer, length)).ok()
    }

    /// In a tick: says what was found to be forbidden since the last one.
    pub(crate) fn tell_of_forbidden(&mut self, host: &mut impl Host) {
        let Readings { header_pairs, header_value, property, buffer, status } = &mut self.readings;
        // Their names as literals: a look at the abi's rows would bring all of them along.
        let all: [(_, &[u8]); 5] = [
            (header_pairs, b" proxy_get_header_map_pairs"),
            (header_value, b" proxy_get_header_map_value"),
            (property, b" proxy_get_property"),
            (buffer, b" proxy_get_buffer_bytes"),
            (status, b" proxy_get_status"),
        ];
        let mut writer = Writer::new(&mut self.scratch);
        writer.raw(b"wasm-tracer: the host's capability restriction forbids");
        let bare = writer.length();
        for (reading, name) in all {
            if reading.is_untold() {
                reading.told = true;
                writer.raw(name);
            }
        }
        let length = writer.length();
        if length > bare {
            writer.raw(b"; allow them to have what they tell");
            let length = writer.length();
            host.log(WARN, self.scratch.get(..length).unwrap_or(&[]));
        }
    }
}

const STATUS: &[u8] = b":status";
