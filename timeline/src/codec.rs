//! A timeline in few bytes, for the store: a version, the header, the events as steps.
//!
//! Calls and verdicts are not written: they follow from the rest, and a row of an older version is
//! so judged anew by the newer one.

use std::sync::Arc;

use abi::{AbiVersion, Dialect, HeadersStop, Host, Hostcall, Kind};

use crate::delivery::{Clock, MemorySample, Module, Root, StreamInfo};
use crate::diagnose::Instant;
use crate::event::{Event, Marks};
use crate::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence, TimelineId};
use crate::timeline::{Gap, Reason, Silence, State, Timeline, Unreached};

/// First byte of what [`encode`] writes.
const VERSION: u8 = 4;
/// A version before: without [`MemorySample`]s and a root's streams.
const VERSION_3: u8 = 3;
/// The one before it: without [`Unreached`] too.
const VERSION_2: u8 = 2;
/// The first one: without [`Silence`] too.
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
    w.dialect(timeline.dialect);
    w.number(timeline.clock.wall_nanos);
    w.number(timeline.clock.monotonic.0);
    w.number(timeline.clock.wall_only.into());
    w.stream(&timeline.stream);
    w.number(timeline.gaps.len() as u64);
    for gap in &timeline.gaps {
        w.number(gap.from.0);
        w.number(gap.to.0);
        w.text(&gap.reason);
    }
    w.number(timeline.events.len() as u64);
    let mut before = Before::default();
    for event in &timeline.events {
        w.event(event, &mut before);
    }
    w.number(timeline.silence.is_some().into());
    if let Some(silence) = timeline.silence {
        w.number(silence.since.0);
        w.number(silence.open.into());
    }
    w.number(timeline.unreached.len() as u64);
    for unreached in &timeline.unreached {
        w.out.extend_from_slice(&unreached.timeline.0);
        w.text(&unreached.plugin);
    }
    w.number(timeline.root.streams);
    w.number(timeline.memory.len() as u64);
    for sample in &timeline.memory {
        w.number(sample.at.0);
        w.number(sample.pages.into());
        w.number(sample.streams);
    }
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

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Some(value);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.number()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A number of things of at least one byte each, so that damage cannot ask for much memory.
    fn count(&mut self) -> Option<usize> {
        self.number()?.try_into().ok().filter(|count| *count <= self.rest.len())
    }

    fn step(&mut self, from: u64) -> Option<u64> {
        let step = self.number()?;
        Some(from.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg()))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn optional<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        Some(if self.flag()? { Some(read(self)?) } else { None })
    }

    fn many<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.count()?).map(|_| read(self)).collect()
    }

    fn timeline(&mut self) -> Option<Timeline> {
        let (instance, rest) = self.rest.split_first_chunk::<16>()?;
        self.rest = rest;
        let instance = InstanceId(*instance);
        let context = ContextId(self.small()?);
        let generation = self.small()?;
        let revision = self.small()?;
        let state = match self.number()? {
            0 => State::Open,
            n => State::Closed(*Reason::ALL.get(usize::try_from(n).ok()? - 1)?),
        };
        let mut timeline = Timeline {
            id: TimelineId::of(instance, context, generation),
            revision,
            state,
            known_until: Micros(self.number()?),
            node: Arc::from(self.text()?),
            root: Arc::new(self.root()?),
            module: Arc::new(self.module()?),
            dialect: self.dialect()?,
            clock: Clock {
                wall_nanos: self.number()?,
                monotonic: Micros(self.number()?),
                wall_only: self.flag()?,
            },
            stream: self.stream()?,
            ..Timeline::new(instance, context, generation)
        };
        timeline.gaps = self.many(|r| {
            Some(Gap { from: Sequence(r.number()?), to: Sequence(r.number()?), reason: r.text()? })
        })?;
        let count = self.count()?;
        timeline.events.reserve_exact(count.min(4_096));
        let mut before = Before::default();
        for _ in 0..count {
            let event = self.event(&mut before)?;
            timeline.events.push(event);
        }
        Some(timeline)
    }

    fn silence(&mut self) -> Option<Option<Silence>> {
        if !self.flag()? {
            return Some(None);
        }
        Some(Some(Silence { since: Micros(self.number()?), open: self.small()? }))
    }

    fn unreached(&mut self) -> Option<Unreached> {
        let (id, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(Unreached { timeline: TimelineId(*id), plugin: self.text()? })
    }

    fn sample(&mut self) -> Option<MemorySample> {
        let at = Micros(self.number()?);
        Some(MemorySample { at, pages: self.small()?, streams: self.number()? })
    }

    fn root(&mut self) -> Option<Root> {
        Some(Root {
            context: ContextId(self.small()?),
            plugin: self.text()?,
            root_id: self.text()?,
            vm_id: self.text()?,
            configuration_hash: self.number()?,
            since: Micros(self.number()?),
            ended: self.flag()?,
            streams: 0,
        })
    }

    fn host(&mut self) -> Option<Option<Host>> {
        let name = self.text()?;
        if name.is_empty() { Some(None) } else { Host::from_name(&name).map(Some) }
    }

    fn abi(&mut self) -> Option<Option<AbiVersion>> {
        let name = self.text()?;
        if name.is_empty() { Some(None) } else { AbiVersion::from_name(&name).map(Some) }
    }

    fn module(&mut self) -> Option<Module> {
        Some(Module {
            tracer_version: self.text()?,
            host: self.host()?,
            abi: self.abi()?,
            sdk: self.text()?,
            callbacks: self.number()?,
            hostcalls: self.many(|r| Hostcall::from_number(r.small()?))?,
        })
    }

    fn dialect(&mut self) -> Option<Dialect> {
        Some(Dialect {
            host: self.host()?,
            abi: self.abi()?,
            headers_stop: match self.number()? {
                0 => HeadersStop::Iteration,
                1 => HeadersStop::All,
                2 => HeadersStop::Unknown,
                _ => return None,
            },
            calibrated: self.flag()?,
        })
    }

    fn stream(&mut self) -> Option<StreamInfo> {
        Some(StreamInfo {
            context: ContextId(self.small()?),
            root: ContextId(self.small()?),
            request_id: self.text()?,
            traceparent: self.text()?,
            method: self.text()?,
            path: self.text()?,
            authority: self.text()?,
            protocol: self.text()?,
            response_code: self.optional(Self::small)?,
            response_flags: self.optional(Self::number)?,
            duration_nanos: self.optional(Self::number)?,
            response_code_details: self.optional(Self::text)?,
            upstream_address: self.optional(Self::text)?,
            connection_termination_details: self.optional(Self::text)?,
            upstream_transport_failure_reason: self.optional(Self::text)?,
            more: self.many(|r| Some((r.text()?, r.text()?)))?,
            headers_too_large: self.flag()?,
        })
    }

    fn event(&mut self, before: &mut Before) -> Option<Event> {
        let kind = Kind::from_number(self.small()?);
        let parts = self.number()?;
        before.sequence = self.step(before.sequence)?;
        before.entry = self.step(before.entry)?;
        before.at = self.step(before.at)?;
        if parts & part::CONTEXT != 0 {
            before.context = self.small()?;
        }
        let has = |part| parts & part != 0;
        Some(Event {
            sequence: Sequence(before.sequence),
            entry: Entry(before.entry),
            at: Micros(before.at),
            context: ContextId(before.context),
            kind,
            took: Micros(if has(part::TOOK) { self.number()? } else { 0 }),
            args: if has(part::ARGS) { self.many(Self::small)? } else { Vec::new() },
            result: if has(part::RESULT) { self.small()? } else { 0 },
            call: CallId(if has(part::CALL) { self.small()? } else { 0 }),
            text: if has(part::TEXT) { self.bytes()?.to_vec() } else { Vec::new() },
            marks: Marks(if has(part::MARKS) { self.small()? } else { 0 }),
        })
    }
}
