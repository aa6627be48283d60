//! What the recorder is told: baked in by the instrumenter, overridden by the VM's environment.

use core::ops::RangeInclusive;

use abi::graft::config::{self, most, range};

use crate::bytes::{self, Text, decimal, number, u32_at};

/// Bytes of the buffer at most; what the memory is made for.
pub const BUFFER_BYTES: u32 = *range::BUFFER_BYTES.end();
/// How the names of variables begin.
const PREFIX: &[u8] = b"WASM_TRACER_";
/// Pages that Envoy's V8 gives a memory at most, whatever the module declares: 1 GiB (seen on 1.40).
const PAGES_OF_HOST: u32 = 16_384;
/// A rate of everything.
pub const MILLION: u32 = 1_000_000;

/// All settings. All zero until [`Settings::read`].
pub struct Settings {
    pub cluster: Text<{ most::CLUSTER }>,
    pub authority: Text<{ most::AUTHORITY }>,
    pub token: Text<{ most::TOKEN }>,
    /// Comma separated names of headers to record.
    pub headers: Text<{ most::HEADERS }>,
    pub rate_millionths: u32,
    pub buffer_bytes: u32,
    pub flush_millis: u32,
    pub heartbeat_seconds: u32,
    pub log_level: u32,
    pub warn_seconds: u32,
    pub enabled: bool,
    pub all_hostcalls: bool,
    /// Every stream is named when its headers come, so that it is found by its request id while it hangs.
    pub name_early: bool,
    /// Pages that the memory may have in all, the recorder's included.
    pub memory_maximum: u32,
    pub abi: Text<16>,
    pub host: Text<16>,
    pub sdk: Text<32>,
    pub tracer_version: Text<32>,
    pub original_sha256: Text<32>,
    /// Bit n: the original exports the callback with number n.
    pub callbacks: u64,
    /// Numbers of the hostcalls that the original imports.
    pub hostcalls: Text<96>,
    /// One of them starts a call.
    pub dispatches: bool,
    /// Names of variables whose values were not taken, comma separated.
    pub not_taken: Text<256>,
}

impl Settings {
    pub const EMPTY: Settings = Settings {
        cluster: Text::EMPTY,
        authority: Text::EMPTY,
        token: Text::EMPTY,
        headers: Text::EMPTY,
        rate_millionths: 0,
        buffer_bytes: 0,
        flush_millis: 0,
        heartbeat_seconds: 0,
        log_level: 0,
        warn_seconds: 0,
        enabled: false,
        all_hostcalls: false,
        name_early: false,
        memory_maximum: 0,
        abi: Text::EMPTY,
        host: Text::EMPTY,
        sdk: Text::EMPTY,
        tracer_version: Text::EMPTY,
        original_sha256: Text::EMPTY,
        callbacks: 0,
        hostcalls: Text::EMPTY,
        dispatches: false,
        not_taken: Text::EMPTY,
    };

    /// Defaults, then the baked entries, then the environment.
    pub fn read(&mut self, baked: &[u8], environment: &[u8]) {
        self.cluster.set(b"wasm-tracer");
        self.tracer_version.set(env!("CARGO_PKG_VERSION").as_bytes());
        self.rate_millionths = MILLION;
        self.buffer_bytes = BUFFER_BYTES;
        self.flush_millis = 1000;
        self.heartbeat_seconds = 10;
        self.log_level = 3;
        self.warn_seconds = 60;
        self.enabled = true;
        self.memory_maximum = config::MOST_PAGES;
        self.read_baked(baked);
        for text in environment.split(|byte| *byte == 0) {
            self.read_variable(text);
        }
        if self.authority.is_empty() {
            let cluster = self.cluster;
            self.authority.set(cluster.get());
        }
        self.buffer_bytes = nearest(self.buffer_bytes, range::BUFFER_BYTES);
        self.flush_millis = nearest(self.flush_millis, range::FLUSH_MILLIS);
        self.heartbeat_seconds = nearest(self.heartbeat_seconds, range::HEARTBEAT_SECONDS);
        self.rate_millionths = self.rate_millionths.min(MILLION);
        self.memory_maximum = self.memory_maximum.min(PAGES_OF_HOST);
        self.warn_seconds = nearest(self.warn_seconds, range::WARN_SECONDS);
    }

    fn read_baked(&mut self, baked: &[u8]) {
        let length = number(baked.get(..2).unwrap_or(&[])) as usize;
        let entries = baked.get(2..length.saturating_add(2)).unwrap_or(&[]);
        let mut at = 0;
        while let Some(head) = entries.get(at..at + 3) {
            let tag = head.first().copied().unwrap_or(0);
            let size = number(head.get(1..).unwrap_or(&[])) as usize;
            at += 3;
            let Some(value) = entries.get(at..at + size) else { return };
            at += size;
            self.entry(tag, value);
        }
    }

    fn entry(&mut self, tag: u8, value: &[u8]) {
        let word = u32_at(value, 0).unwrap_or(0);
        let flag = value.first().is_some_and(|byte| *byte != 0);
        match tag {
            config::CLUSTER => self.cluster.set(value),
            config::AUTHORITY => self.authority.set(value),
            config::RATE_MILLIONTHS => self.rate_millionths = word,
            config::BUFFER_BYTES => self.buffer_bytes = word,
            config::FLUSH_MILLIS => self.flush_millis = word,
            config::HEARTBEAT_SECONDS => self.heartbeat_seconds = word,
            config::HEADERS => self.headers.set(value),
            config::LOG_LEVEL => self.log_level = word,
            config::ENABLED => self.enabled = flag,
            config::WARN_SECONDS => self.warn_seconds = word,
            config::ALL_HOSTCALLS => self.all_hostcalls = flag,
            config::NAME_EARLY => self.name_early = flag,
            config::MEMORY_MAXIMUM => self.memory_maximum = word,
            config::ABI => self.abi.set(value),
            config::HOST => self.host.set(value),
            config::SDK => self.sdk.set(value),
            config::ORIGINAL_SHA256 => self.original_sha256.set(value),
            config::CALLBACKS => self.callbacks = number(value),
            config::HOSTCALLS => {
                self.hostcalls.set(value);
                self.dispatches = value.iter().any(|number| starts_a_call(*number));
            }
            config::TRACER_VERSION => self.tracer_version.set(value),
            _ => {}
        }
    }

    /// One `WASM_TRACER_NAME=VALUE`. A value that cannot be read, or is too long, changes nothing (a
    /// name that was cut would be another name), and the variable's name is kept for a warning.
    fn read_variable(&mut self, text: &[u8]) {
        let Some(rest) = text.strip_prefix(PREFIX) else { return };
        let Some(at) = rest.iter().position(|byte| *byte == b'=') else { return };
        let name = rest.get(..at).unwrap_or(&[]);
        let value = rest.get(at + 1..).unwrap_or(&[]);
        let word = decimal(value);
        let is = |known: &[u8]| bytes::same(name, known);
        let taken = if is(b"CLUSTER") {
            self.cluster.set_whole(value)
        } else if is(b"AUTHORITY") {
            self.authority.set_whole(value)
        } else if is(b"TOKEN") {
            self.token.set_whole(value)
        } else if is(b"HEADERS") {
            self.headers.set_whole(value)
        } else if is(b"RATE") {
            set(&mut self.rate_millionths, millionths(value))
        } else if is(b"BUFFER_BYTES") {
            set(&mut self.buffer_bytes, word)
        } else if is(b"FLUSH_MILLIS") {
            set(&mut self.flush_millis, word)
        } else if is(b"HEARTBEAT_SECONDS") {
            set(&mut self.heartbeat_seconds, word)
        } else if is(b"LOG_LEVEL") {
            set(&mut self.log_level, log_level(value).or(word))
        } else if is(b"ENABLED") {
            set(&mut self.enabled, yes_or_no(value))
        } else if is(b"NAME_EARLY") {
            set(&mut self.name_early, yes_or_no(value))
        } else if is(b"WARN_SECONDS") {
            set(&mut self.warn_seconds, word)
        } else {
            true
        };
        if !taken {
            if !self.not_taken.is_empty() {
                self.not_taken.push(b", ");
            }
            self.not_taken.push(PREFIX);
            self.not_taken.push(name);
        }
    }

    /// Does the original export a callback?
    pub fn exports(&self, callback: abi::Callback) -> bool {
        self.callbacks >> callback.number() & 1 == 1
    }
}

fn starts_a_call(number: u8) -> bool {
    abi::Hostcall::from_number(u32::from(number)).is_some_and(abi::Hostcall::is_dispatch)
}

fn nearest(number: u32, range: RangeInclusive<u32>) -> u32 {
    number.clamp(*range.start(), *range.end())
}

fn set<T>(place: &mut T, value: Option<T>) -> bool {
    value.map(|value| *place = value).is_some()
}

/// `0.01` in millionths, without floats; None if it is no share of 0 to 1.
fn millionths(text: &[u8]) -> Option<u32> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let decimals = text.get(point + 1..).unwrap_or(&[]);
    let whole = match text.get(..point)? {
        [] if decimals.is_empty() => return None,
        [] => 0,
        digits => decimal(digits)?,
    };
    let mut value = whole.checked_mul(MILLION)?;
    let mut place = MILLION / 10;
    for byte in decimals {
        value = value.checked_add(decimal(core::slice::from_ref(byte))?.checked_mul(place)?)?;
        place /= 10;
    }
    (value <= MILLION).then_some(value)
}

fn yes_or_no(text: &[u8]) -> Option<bool> {
    const WORDS: [&[u8]; 8] = [b"0", b"1", b"false", b"true", b"no", b"yes", b"off", b"on"];
    WORDS.iter().position(|word| *word == text).map(|at| at % 2 == 1)
}

fn log_level(text: &[u8]) -> Option<u32> {
    const WORDS: [&[u8]; 6] = [b"trace", b"debug", b"info", b"warn", b"error", b"critical"];
    let word = if text == b"warning" { b"warn" } else { text };
    WORDS.iter().position(|known| *known == word).map(|at| at as u32)
}
