//! A timeline in few bytes, for the store: a version, the header, the events as steps.
//!
//! Calls and verdicts are not written: they follow from the rest, and a row of an older version is
//! so judged anew by the newer one.

mod read;

use std::sync::Arc;

use abi::{AbiVersion, Dialect, HeadersStop, Host};

use crate::delivery::{Module, Root, StreamInfo};
use crate::diagnose::Instant;
use crate::event::Event;
use crate::ids::Micros;
use crate::timeline::{Reason, State, Timeline};

use read::Reader;

/// First byte of what [`encode`] writes.
const VERSION: u8 = 4;
/// A version before: without samples of memory and a root's streams.
const VERSION_3: u8 = 3;
/// The one before it: without what never ran.
const VERSION_2: u8 = 2;
/// The first one: without silence.
const VERSION_1: u8 = 1;

/// Bytes that are no timeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Written by another version.
    #[error("the stored timeline has format {0}, which this version cannot read")]
    Version(u8),
    /// Cut or damaged.
    #[error("the stored timeline is damaged")]
    Damaged,
}

/// Writes a timeline without what follows from the rest of it.
pub fn encode(timeline: &Timeline) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + timeline.events.len() * 12);
    out.push(VERSION);
    out.extend_from_slice(&timeline.instance.0);
    let mut w = Writer { out };
    w.number(timeline.context.0.into());
    w.number(timeline.generation.into());
    w.number(timeline.revision.into());
    w.number(state_number(timeline.state));
    w.number(timeline.known_until.0);
    w.text(&timeline.node);
    w.root(&timeline.root);
    w.module(&timeline.module);
    w.lived(timeline);
    w.told(timeline);
    w.number(timeline.root.streams);
    w.samples(timeline);
    w.out
}

/// Reads a timeline and assesses it anew.
pub fn decode(bytes: &[u8]) -> Result<Timeline, CodecError> {
    match bytes.first() {
        Some(&(VERSION | VERSION_3 | VERSION_2 | VERSION_1)) => {}
        Some(&other) => return Err(CodecError::Version(other)),
        None => return Err(CodecError::Damaged),
    }
    let mut r = Reader { rest: &bytes[1..] };
    let mut timeline = r.timeline().ok_or(CodecError::Damaged)?;
    r.lived(&mut timeline).ok_or(CodecError::Damaged)?;
    if bytes[0] != VERSION_1 {
        timeline.silence = r.silence().ok_or(CodecError::Damaged)?;
    }
    if bytes[0] >= VERSION_3 {
        timeline.unreached = r.many(Reader::unreached).ok_or(CodecError::Damaged)?;
    }
    if bytes[0] == VERSION {
        Arc::make_mut(&mut timeline.root).streams = r.number().ok_or(CodecError::Damaged)?;
        timeline.memory = r.many(Reader::sample).ok_or(CodecError::Damaged)?;
    }
    if !r.rest.is_empty() {
        return Err(CodecError::Damaged);
    }
    timeline.assess(Instant::at(timeline.known_until));
    Ok(timeline)
}

/// Writes what a timeline has for itself, for [`read_own`]: without names and state, and without what it
/// shares with others of its instance.
pub(crate) fn own(timeline: &Timeline) -> Box<[u8]> {
    let mut w = Writer { out: Vec::with_capacity(256 + timeline.events.len() * 16) };
    w.number(timeline.known_until.0);
    w.lived(timeline);
    w.told(timeline);
    w.samples(timeline);
    // Copied, so that no room is left behind it.
    Box::from(w.out.as_slice())
}

/// Puts back what [`own`] wrote. None: it is cut or damaged.
pub(crate) fn read_own(bytes: &[u8], timeline: &mut Timeline) -> Option<()> {
    let mut r = Reader { rest: bytes };
    timeline.known_until = Micros(r.number()?);
    r.lived(timeline)?;
    timeline.silence = r.silence()?;
    timeline.unreached = r.many(Reader::unreached)?;
    timeline.memory = r.many(Reader::sample)?;
    Some(())
}

/// What names the stream, from what [`own`] wrote.
pub(crate) fn stream(bytes: &[u8]) -> Option<StreamInfo> {
    let mut r = Reader { rest: bytes };
    r.number()?;
    r.begun().map(|(_, _, stream)| stream)
}

fn state_number(state: State) -> u64 {
    match state {
        State::Open => 0,
        State::Closed(reason) => {
            1 + Reason::ALL.iter().position(|r| *r == reason).unwrap_or_default() as u64
        }
    }
}

/// What the steps of an event start from.
#[derive(Default)]
struct Before {
    sequence: u64,
    entry: u64,
    at: u64,
    context: u32,
}

/// Which parts of an event are written.
mod part {
    pub const CONTEXT: u64 = 1;
    pub const TOOK: u64 = 2;
    pub const ARGS: u64 = 4;
    pub const RESULT: u64 = 8;
    pub const CALL: u64 = 16;
    pub const TEXT: u64 = 32;
    pub const MARKS: u64 = 64;
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// A difference modulo 2^64, small in either direction.
    fn step(&mut self, from: u64, to: u64) {
        let step = to.wrapping_sub(from) as i64;
        self.number(((step << 1) ^ (step >> 63)) as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn optional_text(&mut self, text: &Option<String>) {
        self.number(text.is_some().into());
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn optional_number(&mut self, value: Option<u64>) {
        self.number(value.is_some().into());
        if let Some(value) = value {
            self.number(value);
        }
    }

    /// What it lived through: the rules, the clock, its names, the gaps, the events.
    fn lived(&mut self, timeline: &Timeline) {
        self.dialect(timeline.dialect);
        self.number(timeline.clock.wall_nanos);
        self.number(timeline.clock.monotonic.0);
        self.number(timeline.clock.wall_only.into());
        self.stream(&timeline.stream);
        self.number(timeline.gaps.len() as u64);
        for gap in &timeline.gaps {
            self.number(gap.from.0);
            self.number(gap.to.0);
            self.text(&gap.reason);
        }
        self.number(timeline.events.len() as u64);
        let mut before = Before::default();
        for event in &timeline.events {
            self.event(event, &mut before);
        }
    }

    /// What others say of it.
    fn told(&mut self, timeline: &Timeline) {
        self.number(timeline.silence.is_some().into());
        if let Some(silence) = timeline.silence {
            self.number(silence.since.0);
            self.number(silence.open.into());
        }
        self.number(timeline.unreached.len() as u64);
        for unreached in &timeline.unreached {
            self.out.extend_from_slice(&unreached.timeline.0);
            self.text(&unreached.plugin);
        }
    }

    fn samples(&mut self, timeline: &Timeline) {
        self.number(timeline.memory.len() as u64);
        for sample in &timeline.memory {
            self.number(sample.at.0);
            self.number(sample.pages.into());
            self.number(sample.streams);
        }
    }

    fn root(&mut self, root: &Root) {
        self.number(root.context.0.into());
        self.text(&root.plugin);
        self.text(&root.root_id);
        self.text(&root.vm_id);
        self.number(root.configuration_hash);
        self.number(root.since.0);
        self.number(root.ended.into());
    }

    fn host_and_abi(&mut self, host: Option<Host>, abi: Option<AbiVersion>) {
        self.text(host.map_or("", Host::name));
        self.text(abi.map_or("", AbiVersion::name));
    }

    fn module(&mut self, module: &Module) {
        self.text(&module.tracer_version);
        self.host_and_abi(module.host, module.abi);
        self.text(&module.sdk);
        self.number(module.callbacks);
        self.number(module.hostcalls.len() as u64);
        for hostcall in &module.hostcalls {
            self.number(hostcall.number().into());
        }
    }

    fn dialect(&mut self, dialect: Dialect) {
        self.host_and_abi(dialect.host, dialect.abi);
        self.number(match dialect.headers_stop {
            HeadersStop::Iteration => 0,
            HeadersStop::All => 1,
            HeadersStop::Unknown => 2,
        });
        self.number(dialect.calibrated.into());
    }

    fn stream(&mut self, stream: &StreamInfo) {
        self.number(stream.context.0.into());
        self.number(stream.root.0.into());
        for text in [
            &stream.request_id,
            &stream.traceparent,
            &stream.method,
            &stream.path,
            &stream.authority,
            &stream.protocol,
        ] {
            self.text(text);
        }
        self.optional_number(stream.response_code.map(u64::from));
        self.optional_number(stream.response_flags);
        self.optional_number(stream.duration_nanos);
        self.optional_text(&stream.response_code_details);
        self.optional_text(&stream.upstream_address);
        self.optional_text(&stream.connection_termination_details);
        self.optional_text(&stream.upstream_transport_failure_reason);
        self.number(stream.more.len() as u64);
        for (name, value) in &stream.more {
            self.text(name);
            self.text(value);
        }
        self.number(stream.headers_too_large.into());
    }

    fn event(&mut self, event: &Event, before: &mut Before) {
        let mut parts = 0;
        for (part, written) in [
            (part::CONTEXT, event.context.0 != before.context),
            (part::TOOK, event.took.0 != 0),
            (part::ARGS, !event.args.is_empty()),
            (part::RESULT, event.result != 0),
            (part::CALL, event.call.0 != 0),
            (part::TEXT, !event.text.is_empty()),
            (part::MARKS, event.marks.0 != 0),
        ] {
            parts |= if written { part } else { 0 };
        }
        self.number(event.kind.number().into());
        self.number(parts);
        self.step(before.sequence, event.sequence.0);
        self.step(before.entry, event.entry.0);
        self.step(before.at, event.at.0);
        if parts & part::CONTEXT != 0 {
            self.number(event.context.0.into());
        }
        if parts & part::TOOK != 0 {
            self.number(event.took.0);
        }
        if parts & part::ARGS != 0 {
            self.number(event.args.len() as u64);
            for arg in &event.args {
                self.number((*arg).into());
            }
        }
        if parts & part::RESULT != 0 {
            self.number(event.result.into());
        }
        if parts & part::CALL != 0 {
            self.number(event.call.0.into());
        }
        if parts & part::TEXT != 0 {
            self.bytes(&event.text);
        }
        if parts & part::MARKS != 0 {
            self.number(event.marks.0.into());
        }
        *before = Before {
            sequence: event.sequence.0,
            entry: event.entry.0,
            at: event.at.0,
            context: event.context.0,
        };
    }
}
