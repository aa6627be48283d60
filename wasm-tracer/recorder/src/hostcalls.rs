//! Hostcalls of the plugin, after they returned.

use abi::{Direction, Hostcall, ParamKind, Record, Role, StreamSide, pseudo};
use proto::fields::{lost_reason, mark};

use crate::event::{Event, TEXT};
use crate::host::Host;
use crate::pairs::Pairs;
use crate::skeleton;
use crate::streams::flag;
use crate::{Recorder, bytes};

/// Number of the first hostcall.
pub(crate) const FIRST: usize = 64;
const NONE: u8 = u8::MAX;
/// Numbers of hostcalls that are kept, from the first one on.
pub(crate) const KINDS: usize = kinds();

/// What of a hostcall's parameters becomes what: made from the abi's rows at compile time. Positions
/// are those of wasm.
#[derive(Clone, Copy)]
struct Shape {
    /// Bit n: parameter n is a number to keep (a number, or the size of bytes).
    numbers: u16,
    /// Position of the call id that was passed.
    call: u8,
    /// Position of the address where the host writes a call id.
    call_out: u8,
    /// Position of the address of the text to keep; its size follows.
    text: u8,
    /// Position of the address of a call's header pairs; their size follows.
    headers: u8,
    /// Position of the timeout.
    timeout: u8,
}

impl Shape {
    const EMPTY: Shape =
        Shape { numbers: 0, call: NONE, call_out: NONE, text: NONE, headers: NONE, timeout: NONE };

    const fn of(hostcall: Hostcall) -> Shape {
        let mut shape = Shape::EMPTY;
        let params = hostcall.row().params;
        let (mut at, mut position) = (0, 0u8);
        while at < params.len() {
            let param = &params[at];
            if let Some(number) = param.number_at() {
                shape.numbers |= 1 << (position + number as u8);
            }
            match (param.role, param.kind) {
                (Role::CallId, ParamKind::Out) => shape.call_out = position,
                (Role::CallId, _) => shape.call = position,
                (Role::Text, _) => shape.text = position,
                (Role::Headers, _) => shape.headers = position,
                (Role::Timeout, _) => shape.timeout = position,
                (Role::Plain | Role::Side, _) => {}
            }
            position += param.kind.width() as u8;
            at += 1;
        }
        shape
    }
}

const fn kinds() -> usize {
    let (mut at, mut most) = (0, FIRST);
    while at < Hostcall::ALL.len() {
        let hostcall = Hostcall::ALL[at];
        if !matches!(hostcall.record(), Record::Never) && hostcall as usize > most {
            most = hostcall as usize;
        }
        at += 1;
    }
    most + 1 - FIRST
}

static SHAPES: [Shape; KINDS] = {
    let mut shapes = [Shape::EMPTY; KINDS];
    let mut at = 0;
    while at < Hostcall::ALL.len() {
        let kind = Hostcall::ALL[at] as usize - FIRST;
        if kind < KINDS {
            shapes[kind] = Shape::of(Hostcall::ALL[at]);
        }
        at += 1;
    }
    shapes
};

/// A parameter, 0 if there is none at that position.
fn param(params: &[u32; 12], at: u8) -> u32 {
    params.get(usize::from(at)).copied().unwrap_or(0)
}

/// A text read from the plugin: it lies at the front of the scratch memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct Read {
    pub length: usize,
    pub marks: u32,
}

impl Recorder {
    /// The short way for hostcalls that tell nothing when all goes well: true if counting was all that
    /// had to be done. Asked only of those with [`Record::WhenTelling`].
    pub fn counted(&mut self, kind: u32, status: u32) -> bool {
        let annotates = kind == Hostcall::CallForeignFunction.number();
        if status != 0
            || annotates
            || self.settings.all_hostcalls
            || self.top().is_some_and(|f| f.response)
        {
            return false;
        }
        self.counters.hostcall(kind, false);
        true
    }

    /// After a hostcall of the plugin returned. `params` are those of wasm; addresses are absolute.
    pub fn hostcall(&mut self, kind: u32, status: u32, params: &[u32; 12], host: &mut impl Host) {
        if self.top().is_none_or(|frame| frame.plugin_since == 0) {
            return self.hostcall_returned(kind, status, params, host);
        }
        self.clock(host);
        let began = self.nanos;
        self.hostcall_returned(kind, status, params, host);
        self.own_time(began, host);
        let took = self.nanos.saturating_sub(began);
        if let Some(frame) = self.top() {
            frame.plugin_since = frame.plugin_since.saturating_add(took);
        }
    }

    fn hostcall_returned(
        &mut self,
        kind: u32,
        status: u32,
        params: &[u32; 12],
        host: &mut impl Host,
    ) {
        let Some(hostcall) = Hostcall::from_number(kind) else { return };
        self.counters.hostcall(kind, status != 0);
        let [first, second, third, ..] = *params;
        match hostcall {
            Hostcall::Log => return self.log_line(first, second, third, status, host),
            Hostcall::FdWrite if status == 0 => {
                return self.standard_output(first, second, third, host);
            }
            Hostcall::CallForeignFunction if self.annotated(status, params, host) => return,
            Hostcall::SetEffectiveContext if status == 0 => self.switched(first, host),
            Hostcall::ContinueStream if status == 0 => match StreamSide::from_number(first) {
                Some(StreamSide::Request | StreamSide::Downstream) => {
                    self.resumed(Direction::Request, host);
                }
                Some(_) => self.resumed(Direction::Response, host),
                None => {}
            },
            Hostcall::ContinueRequest if status == 0 => self.resumed(Direction::Request, host),
            Hostcall::ContinueResponse if status == 0 => self.resumed(Direction::Response, host),
            Hostcall::SendLocalResponse if status == 0 => self.replied(host),
            _ => {}
        }
        if hostcall.is_dispatch() {
            self.clock(host);
        }
        if hostcall.is_dispatch() || self.is_kept(hostcall, status) {
            self.note(hostcall, status, params, host);
        }
    }

    fn is_kept(&mut self, hostcall: Hostcall, status: u32) -> bool {
        let all = self.settings.all_hostcalls;
        let Some(frame) = self.top() else { return false };
        let telling = status != 0 || frame.response || all;
        frame.keeper.keeps()
            && match hostcall.record() {
                Record::Always => true,
                Record::WhenTelling => telling,
                Record::Never => false,
            }
    }

    /// Reads what a hostcall's shape says, follows a dispatch, writes the event.
    fn note(&mut self, hostcall: Hostcall, status: u32, params: &[u32; 12], host: &mut impl Host) {
        let Some(shape) = SHAPES.get((hostcall.number() as usize).wrapping_sub(FIRST)) else {
            return;
        };
        let mut args = [0u32; 8];
        let mut count = 0;
        for (at, value) in params.iter().enumerate() {
            if shape.numbers >> at & 1 == 1 {
                if let Some(arg) = args.get_mut(count) {
                    *arg = *value;
                }
                count += 1;
                if shape.headers != NONE && at == usize::from(shape.headers) + 1 {
                    if let Some(bits) = args.get_mut(count) {
                        *bits = self.pseudo_headers(param(params, shape.headers), *value, host);
                    }
                    count += 1;
                }
            }
        }
        let mut text = Read::default();
        if shape.text != NONE {
            let size = param(params, shape.text.wrapping_add(1));
            text = self.read_text(param(params, shape.text), size, host);
        }
        let mut call = if shape.call == NONE { 0 } else { param(params, shape.call) };
        if shape.call_out != NONE && status == 0 {
            let mut word = [0; 4];
            if host.read(&mut word, param(params, shape.call_out)) {
                call = u32::from_le_bytes(word);
            } else {
                self.bad_pointer(&mut text.marks);
            }
        }
        if hostcall.is_dispatch() {
            self.dispatched(status, call, param(params, shape.timeout), text.length, host);
        }
        self.write_hostcall(hostcall.number(), status, &args, call, text, host);
    }

    /// Writes a hostcall's event if its invocation is recorded.
    pub(crate) fn write_hostcall(
        &mut self,
        kind: u32,
        status: u32,
        args: &[u32],
        call: u32,
        text: Read,
        host: &mut impl Host,
    ) {
        let known_until = self.known_until();
        let at = self.now;
        let Some(frame) = self.top() else { return };
        let (keeper, context, entry) = (frame.keeper, frame.context, frame.entry);
        let event = Event {
            kind,
            context,
            entry,
            at,
            took: 0,
            args,
            result: status,
            call,
            text: self.scratch.get(..text.length).unwrap_or(&[]),
            marks: text.marks,
        };
        skeleton::keep_in(&mut self.ring, keeper, &event, known_until, host);
    }

    /// The hostcalls that follow are about another context. What is done to a stream by an invocation that
    /// its skeleton does not hold is missing there.
    fn switched(&mut self, context: u32, host: &mut impl Host) {
        let Some(frame) = self.top() else { return };
        frame.effective = context;
        let keeper = frame.keeper;
        let Some(stream) = self.streams.get(context) else { return };
        let (is_recorded, slot) = (stream.has(flag::RECORDED), stream.slot);
        if stream.has(flag::SKELETON) && keeper.owner != context {
            Self::break_skeleton(slot, host);
        } else if is_recorded && !keeper.recorded && !self.promoted(keeper, host).recorded {
            // It is kept nowhere, so of the stream something is missing from here on.
            self.ring.skip_one(self.known_until(), lost_reason::SKELETON, context);
        }
    }

    /// A dispatch returned; its cluster's name lies in the scratch memory.
    fn dispatched(
        &mut self,
        status: u32,
        call: u32,
        timeout: u32,
        cluster: usize,
        host: &mut impl Host,
    ) {
        let now = self.now;
        let Some(frame) = self.top() else { return };
        frame.dispatched = true;
        if !frame.timed {
            (frame.timed, frame.at) = (true, now);
        }
        let (effective, kind, keeper) = (frame.effective, frame.kind, frame.keeper);
        let root = self.root_of(effective);
        if let Some(stream) = self.streams.get(effective) {
            stream.flags |= flag::DISPATCHED;
            if kind != abi::Callback::RequestHeaders.number() {
                stream.flags |= flag::BEYOND_HEADERS;
            }
        }
        let late = kind == abi::Callback::RequestBody.number()
            || kind == abi::Callback::RequestTrailers.number();
        if let Some(root) = self.roots.get(root)
            && late
        {
            root.dispatched_late = true;
        }
        let cluster = self.scratch.get(..cluster).unwrap_or(&[]);
        if status == 0 {
            let watched = self.streams.knows(effective) || self.roots.knows(effective);
            let owner = (root, effective, keeper, watched);
            let placed = self.calls.started(owner, call, cluster, (now, timeout));
            if placed && let Some(stream) = self.streams.get(keeper.owner) {
                stream.calls_out = stream.calls_out.saturating_add(1);
            } else if !placed {
                // Whose its answer is will not be known.
                Self::break_skeleton(keeper.slot, host);
            }
        } else {
            self.calls.rejected(root, cluster);
            self.promoted(keeper, host);
        }
    }

    fn resumed(&mut self, direction: Direction, host: &mut impl Host) {
        self.clock(host);
        self.released(direction);
        let Some(effective) = self.top().map(|frame| frame.effective) else { return };
        let Some(stream) = self.streams.get(effective) else { return };
        if stream.calls_out > 0 || stream.has(flag::REPLIED) {
            self.promote(effective, host);
        }
    }

    fn released(&mut self, direction: Direction) {
        let now = self.now;
        let Some(effective) = self.top().map(|frame| frame.effective) else { return };
        if let Some(stream) = self.streams.get(effective) {
            let root = stream.root;
            if let Some(since) = stream.release(direction) {
                self.counters.pause(root, direction, now.saturating_sub(since));
            }
        }
    }

    fn replied(&mut self, host: &mut impl Host) {
        self.resumed(Direction::Request, host);
        self.released(Direction::Response);
        let Some(frame) = self.top() else { return };
        frame.replied = true;
        let effective = frame.effective;
        if let Some(stream) = self.streams.get(effective) {
            stream.flags |= flag::REPLIED;
            if stream.has(flag::RESPONDED) {
                self.promote(effective, host);
            }
        }
    }

    /// Reads a text of the plugin into the scratch memory, as much as is kept of one.
    pub(crate) fn read_text(&mut self, at: u32, size: u32, host: &mut impl Host) -> Read {
        let take = (size as usize).min(TEXT);
        let mut read = Read::default();
        if size as usize > TEXT {
            read.marks |= mark::TEXT_CUT;
        }
        if take == 0 {
            return read;
        }
        if host.read(self.scratch.get_mut(..take).unwrap_or(&mut []), at) {
            read.length = take;
        } else {
            self.bad_pointer(&mut read.marks);
        }
        read
    }

    fn bad_pointer(&mut self, marks: &mut u32) {
        *marks |= mark::BAD_POINTER;
        self.counters.bad_pointers = self.counters.bad_pointers.saturating_add(1);
    }

    /// A line of the plugin's log.
    fn log_line(&mut self, level: u32, at: u32, size: u32, status: u32, host: &mut impl Host) {
        let all = self.settings.all_hostcalls;
        if level < self.settings.log_level && !all {
            return;
        }
        let size_kept = size.min(TEXT as u32) as u16;
        let whole = Read { length: usize::from(size_kept), marks: 0 };
        let most = if all { Some(whole) } else { self.may_log(size_kept) };
        // A panic's text is wanted for a black box even if its stream has said enough.
        if most.is_none() && level < crate::output::ERROR {
            return;
        }
        let mut text = self.read_text(at, size, host);
        self.remember_words(text.length);
        let Some(most) = most else { return };
        text.marks |= most.marks;
        self.suspect_panic(text.length, host);
        text.length = text.length.min(most.length);
        self.write_hostcall(Hostcall::Log.number(), status, &[level], 0, text, host);
    }

    /// Bits of the pseudo headers among a call's header pairs, as below. A map that fits is read whole.
    fn pseudo_headers(&mut self, address: u32, size: u32, host: &mut impl Host) -> u32 {
        match self.scratch.get_mut(..size as usize) {
            Some(map) if !map.is_empty() => {
                if !host.read(map, address) {
                    return 0;
                }
                Pairs::new(map).fold(0, |bits, (name, _)| bits | pseudo_header(name))
            }
            _ => pseudo_headers(address, size, host),
        }
    }
}

fn pseudo_header(name: &[u8]) -> u32 {
    match name {
        b":method" => pseudo::METHOD,
        b":path" => pseudo::PATH,
        b":authority" | b"host" => pseudo::AUTHORITY,
        _ => 0,
    }
}

/// Bits of the pseudo headers among a call's header pairs ([`pseudo`]).
/// Read in pieces: a count, pairs of sizes, then names and values each ended by a NUL.
fn pseudo_headers(address: u32, size: u32, host: &mut impl Host) -> u32 {
    const MOST: u32 = 64;
    let mut word = [0; 4];
    if size < 4 || !host.read(&mut word, address) {
        return 0;
    }
    let count = u32::from_le_bytes(word);
    if count > size / 8 {
        return 0;
    }
    let mut bits = 0;
    let mut name_at = address.wrapping_add(4).wrapping_add(count.wrapping_mul(8));
    for pair in 0..count.min(MOST) {
        let mut sizes = [0; 8];
        if bits == pseudo::ALL || !host.read(&mut sizes, address.wrapping_add(4 + pair * 8)) {
            return bits;
        }
        let name_size = bytes::u32_at(&sizes, 0).unwrap_or(0);
        let value_size = bytes::u32_at(&sizes, 4).unwrap_or(0);
        let mut name = [0; 12];
        let name = name.get_mut(..name_size as usize);
        if let Some(name) = name
            && host.read(name, name_at)
        {
            bits |= pseudo_header(name);
        }
        name_at = name_at.wrapping_add(name_size).wrapping_add(value_size).wrapping_add(2);
    }
    bits
}
