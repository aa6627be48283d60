//! Reads what the writer wrote. None: it is cut or damaged.

use std::sync::Arc;

use abi::{AbiVersion, Dialect, HeadersStop, Host, Hostcall, Kind};

use super::{Before, part};
use crate::delivery::{Clock, MemorySample, Module, Root, StreamInfo};
use crate::event::{Event, Marks};
use crate::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence, TimelineId};
use crate::timeline::{Gap, Reason, Silence, State, Timeline, Unreached};

/// What is still to be read.
pub struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn number(&mut self) -> Option<u64> {
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

    pub fn many<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.count()?).map(|_| read(self)).collect()
    }

    /// The names of a timeline, and its surroundings.
    pub fn timeline(&mut self) -> Option<Timeline> {
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
        Some(Timeline {
            revision,
            state,
            known_until: Micros(self.number()?),
            node: Arc::from(self.text()?),
            root: Arc::new(self.root()?),
            module: Arc::new(self.module()?),
            ..Timeline::new(instance, context, generation)
        })
    }

    /// What stands before gaps and events.
    pub fn begun(&mut self) -> Option<(Dialect, Clock, StreamInfo)> {
        let dialect = self.dialect()?;
        let clock = Clock {
            wall_nanos: self.number()?,
            monotonic: Micros(self.number()?),
            wall_only: self.flag()?,
        };
        Some((dialect, clock, self.stream()?))
    }

    /// What a timeline lived through.
    pub fn lived(&mut self, timeline: &mut Timeline) -> Option<()> {
        (timeline.dialect, timeline.clock, timeline.stream) = self.begun()?;
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
        Some(())
    }

    pub fn silence(&mut self) -> Option<Option<Silence>> {
        if !self.flag()? {
            return Some(None);
        }
        Some(Some(Silence { since: Micros(self.number()?), open: self.small()? }))
    }

    pub fn unreached(&mut self) -> Option<Unreached> {
        let (id, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(Unreached { timeline: TimelineId(*id), plugin: self.text()? })
    }

    pub fn sample(&mut self) -> Option<MemorySample> {
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
