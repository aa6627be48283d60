//! Callbacks: entry and return of each invocation.

use abi::graft::ABSENT;
use abi::{Callback, Phase, buffer};
use proto::fields::{call_failure, call_outcome, mark};

use crate::event::Event;
use crate::host::Host;
use crate::skeleton::{self, Keeper};
use crate::streams::flag;
use crate::{Recorder, bytes};

/// Invocations open at once that are watched. A host nests them rarely, and never this deep.
pub const FRAMES: usize = 8;

/// One open invocation.
#[derive(Clone, Copy)]
pub struct Frame {
    pub kind: u32,
    pub context: u32,
    pub root: u32,
    pub entry: u64,
    pub at: u64,
    pub args: [u32; 5],
    pub call: u32,
    pub marks: u32,
    /// Context that hostcalls apply to.
    pub effective: u32,
    /// Of a measured entry: when the recorder handed over to the plugin, ns, later by what the recorder
    /// took since. 0: it is not measured.
    pub plugin_since: u64,
    /// Where its events are kept.
    pub keeper: Keeper,
    /// Its time was read, and is not that of an entry before it.
    pub timed: bool,
    /// It answers a call.
    pub response: bool,
    /// It started a call.
    pub dispatched: bool,
    /// It sent a local response.
    pub replied: bool,
}

impl Frame {
    pub const EMPTY: Frame = Frame {
        kind: 0,
        context: 0,
        root: 0,
        entry: 0,
        at: 0,
        args: [0; 5],
        call: 0,
        marks: 0,
        effective: 0,
        plugin_since: 0,
        keeper: Keeper::NOBODY,
        timed: false,
        response: false,
        dispatched: false,
        replied: false,
    };
}

impl Recorder {
    /// Before a callback: `raw` is its number, with [`ABSENT`] if the plugin lacks it. False: it is not
    /// the plugin's business and must not reach it.
    pub fn enter(&mut self, raw: u32, context: u32, args: [u32; 4], host: &mut impl Host) -> bool {
        let absent = raw & ABSENT != 0;
        let Some(callback) = Callback::from_number(raw & !ABSENT) else { return true };
        let [first, ..] = args;
        self.timer_of = context;
        if callback == Callback::HttpCallResponse && self.is_ours(first) {
            self.left = (0, 0);
            self.counters.own_callbacks = self.counters.own_callbacks.saturating_add(1);
            self.shipment_answered(context, args, host);
            return false;
        }
        let follows = self.follows_at_once(callback, context);
        let measured = self.fuse.is_measured();
        let timed = measured || callback == Callback::Log || !self.is_quiet(context);
        let at = if follows || !timed { self.now } else { self.clock(host) };
        if callback == Callback::Tick && !self.plugin_tick_is_due(context, absent, at) {
            self.counters.own_callbacks = self.counters.own_callbacks.saturating_add(1);
            return false;
        }
        self.entry = self.entry.saturating_add(1);
        self.know(callback, context, first, at, host);
        self.promote_at_entry(callback, context, host);
        let [a1, a2, a3, a4] = args;
        let (root, keeper) = self.owner_of(context);
        let mut frame = Frame {
            kind: callback.number(),
            context,
            root,
            entry: self.entry,
            at,
            args: [a1, a2, a3, a4, 0],
            marks: if self.depth > 0 { mark::NESTED } else { 0 },
            effective: context,
            keeper,
            timed,
            response: callback.is_response(),
            ..Frame::EMPTY
        };
        let began = self.nanos;
        self.prepare(callback, &mut frame, host);
        if measured {
            self.own_time(began, host);
            frame.plugin_since = self.nanos;
        }
        if let Some(place) = self.frames.get_mut(self.depth as usize) {
            *place = frame;
        }
        self.depth = self.depth.saturating_add(1);
        true
    }

    /// Does this callback come with no time between it and the return of the one before? Envoy's
    /// `Context::decodeHeaders` and `onNewConnection` begin with on_context_create, and `onDestroy` is
    /// on_done and on_delete. Then the last reading of the clock holds.
    fn follows_at_once(&mut self, callback: Callback, context: u32) -> bool {
        let (before, same) = core::mem::take(&mut self.left);
        let wanted = match callback {
            Callback::RequestHeaders | Callback::NewConnection => Callback::ContextCreate,
            Callback::Delete => Callback::Done,
            _ => return false,
        };
        before == wanted.number() && same == context && self.depth == 0
    }

    /// After the original returned, or at once for a callback that the plugin lacks.
    pub fn leave(&mut self, raw: u32, context: u32, result: u32, host: &mut impl Host) {
        let absent = raw & ABSENT != 0;
        let Some(callback) = Callback::from_number(raw & !ABSENT) else { return };
        self.finish_output(host);
        let known_until = self.known_until();
        let frame = self.top().copied();
        self.depth = self.depth.saturating_sub(1);
        let Some(mut frame) = frame else { return };
        self.trapped &= self.depth > 0;
        let measured = frame.plugin_since != 0;
        let stops = callback.phase().is_some() && result != 0;
        // Nothing ran between the entry and the return of a callback that the plugin lacks.
        let timeless = absent || (!measured && !stops && self.is_quiet(context));
        let now = if timeless { self.now } else { self.clock(host) };
        if !frame.timed {
            frame.at = now;
        }
        let began = self.nanos;
        if measured {
            self.plugin_time(frame.plugin_since);
        }
        if let Some(phase) = callback.phase() {
            let is_odd = self.phase_returned(phase, &frame, result, now);
            if is_odd {
                frame.keeper = self.promoted(frame.keeper, host);
            }
        }
        match callback {
            Callback::RequestHeaders => self.name_at_headers(&frame, result, known_until, host),
            Callback::Log => self.name_at_log(&frame, known_until, host),
            _ => {}
        }
        let kept = match callback {
            Callback::ContextCreate | Callback::Log | Callback::Done | Callback::Delete => true,
            _ => !absent,
        };
        if kept {
            let event = Event {
                kind: frame.kind,
                context,
                entry: frame.entry,
                at: frame.at,
                took: now.saturating_sub(frame.at),
                args: &frame.args,
                result,
                call: frame.call,
                text: &[],
                marks: frame.marks,
            };
            skeleton::keep_in(&mut self.ring, frame.keeper, &event, known_until, host);
        }
        if self.depth == 0 {
            let took = now.saturating_sub(frame.at);
            self.counters.plugin_micros = self.counters.plugin_micros.saturating_add(took);
        }
        let root = match frame.effective == frame.context {
            true => frame.root,
            false => self.root_of(frame.effective),
        };
        self.timer_of = root;
        if matches!(callback, Callback::HttpCallResponse | Callback::GrpcClose) {
            self.forget_status_message(context);
        }
        match callback {
            Callback::Delete => self.deleted(context, now, host),
            Callback::Done if frame.root == context && context != 0 => {
                self.root_is_done(context, result != 0, host)
            }
            Callback::ContextCreate => {}
            _ => self.arm(root, now, host),
        }
        if measured {
            self.own_time(began, host);
        }
        self.left = (callback.number(), context);
    }

    /// The innermost open invocation.
    #[inline(never)] // asked for in thirty places
    pub(crate) fn top(&mut self) -> Option<&mut Frame> {
        self.frames.get_mut(self.depth.checked_sub(1)? as usize)
    }

    /// Up to here the events written are complete: before the oldest open invocation.
    #[inline(never)] // as above
    pub(crate) fn known_until(&self) -> u64 {
        match self.frames.first() {
            Some(oldest) if self.depth > 0 => oldest.at.saturating_sub(1),
            _ => self.now,
        }
    }

    /// The root of a context; itself for a root, 0 if not known.
    pub(crate) fn root_of(&mut self, context: u32) -> u32 {
        self.owner_of(context).0
    }

    /// The root of a context as above, and who keeps the context's events.
    fn owner_of(&mut self, context: u32) -> (u32, Keeper) {
        let enabled = self.is_recording();
        let (root, keeper) = match self.streams.get(context) {
            Some(stream) => (stream.root, stream.keeper()),
            None if self.roots.knows(context) => (context, Keeper::BUFFER),
            None => match self.streams.root_beyond(context) {
                Some(root) => (root, Keeper::NOBODY),
                None if context == 0 => (0, Keeper::NOBODY),
                // Of a stream that nothing is known of: there is only one root whose it can be.
                None => (self.roots.only_one(), Keeper::NOBODY),
            },
        };
        (root, if enabled { keeper } else { Keeper::NOBODY })
    }

    /// Is it a stream with a skeleton of which nothing is held or out? Nobody waits, so no argument needs
    /// the time, and a reading of the clock is most of what keeping an event aside costs.
    fn is_quiet(&mut self, context: u32) -> bool {
        self.settings.rate_millionths < crate::settings::MILLION
            && self.streams.get(context).is_some_and(|stream| stream.is_quiet())
    }

    /// Notes contexts when they first appear.
    fn know(
        &mut self,
        callback: Callback,
        context: u32,
        parent: u32,
        now: u64,
        host: &mut impl Host,
    ) {
        if callback == Callback::ContextCreate && parent != 0 {
            return self.admit(context, parent, now, host);
        }
        match callback {
            // The last two too: a host may make no context before them.
            Callback::ContextCreate | Callback::VmStart | Callback::Configure => {
                self.roots.create(context, now);
            }
            _ if callback.is_on_root() => self.roots.meet(context, now),
            _ => {}
        }
    }

    /// A stream begins: is it recorded?
    fn admit(&mut self, context: u32, parent: u32, now: u64, host: &mut impl Host) {
        self.roots.meet(parent, now);
        let nearly_full = self.ring.is_nearly_full();
        let sampled = self.is_sampled(context);
        let chosen = self.is_recording() && sampled;
        if !self.roots.knows(parent) {
            // Without a place for its root it would be a stream of no plugin.
            self.streams.not_watched = self.streams.not_watched.saturating_add(1);
            self.streams.create(context, parent, 0);
            return;
        }
        if let Some(root) = self.roots.get(parent) {
            root.streams = root.streams.saturating_add(1);
            if chosen && nearly_full {
                root.refused = root.refused.saturating_add(1);
            } else if chosen {
                root.recorded = root.recorded.saturating_add(1);
            }
        }
        let flags = if chosen && !nearly_full { flag::RECORDED } else { 0 };
        let watched = self.is_recording() && !sampled;
        let Some(stream) = self.streams.create(context, parent, flags) else { return };
        if watched && Self::begin_skeleton(stream.slot, host) {
            stream.flags = flag::SKELETON;
        } else if watched {
            self.streams.not_watched = self.streams.not_watched.saturating_add(1);
        }
    }

    /// A stream that was not chosen becomes worth having: it ends with calls out, or is answered while its
    /// request is held.
    fn promote_at_entry(&mut self, callback: Callback, context: u32, host: &mut impl Host) {
        let is_log = callback == Callback::Log;
        if !is_log && callback != Callback::ResponseHeaders {
            return;
        }
        let Some(stream) = self.streams.get(context) else { return };
        if is_log && stream.calls_out > 0 {
            self.promote(context, host);
        } else if !is_log && stream.is_held(abi::Direction::Request) {
            stream.flags |= flag::SUSPICION;
            self.promote(context, host);
        }
    }

    fn is_sampled(&self, context: u32) -> bool {
        let rate = self.settings.rate_millionths;
        if rate >= crate::settings::MILLION {
            return true;
        }
        let chance = bytes::hash(&context.to_le_bytes(), self.seed) % 1_000_000;
        chance < u64::from(rate)
    }

    /// What an entry needs before the plugin runs.
    fn prepare(&mut self, callback: Callback, frame: &mut Frame, host: &mut impl Host) {
        let [a1, a2, a3, a4, _] = frame.args;
        if callback.has_call() {
            frame.call = a1;
            frame.args = [a2, a3, a4, 0, 0];
            if let Some(call) = self.calls.get(a1).filter(|call| !call.recorded) {
                frame.keeper = self.streams.keeper_of(call.owner);
            }
        }
        match callback {
            Callback::Configure => {
                self.name_root(frame.context, host);
                self.hash_configuration(frame.context, a1, host);
            }
            Callback::HttpCallResponse => self.call_answered(frame, host),
            Callback::GrpcClose => {
                self.count_answer(frame, a2 != 0, host);
                self.save_status(frame.context, host);
            }
            Callback::RedisCallResponse => self.count_answer(frame, a2 != 0, host),
            // The answer of a gRPC call is all that comes of it.
            Callback::GrpcReceive if abi::call_kind(a1) == abi::CallKind::GrpcCall => {
                self.count_answer(frame, false, host);
            }
            _ => {}
        }
    }

    /// The host answers a call of the plugin: status code and, for Envoy's own answers, why it failed.
    fn call_answered(&mut self, frame: &mut Frame, host: &mut impl Host) {
        let [headers, body, trailers, ..] = frame.args;
        let mut status = 0;
        let mut failure = call_failure::RESET;
        if headers > 0 {
            status = self.call_status(host);
            failure = match status {
                503 | 504 => self
                    .read_buffer(buffer::CALL_RESPONSE_BODY, 64, host)
                    .map_or(call_failure::OTHER, failure_of),
                _ => call_failure::NONE,
            };
        } else {
            self.save_status(frame.context, host);
        }
        frame.args = [headers, body, trailers, status, failure];
        let failed = !matches!(failure, call_failure::NONE | call_failure::OTHER);
        self.count_answer(frame, failed, host);
    }

    fn count_answer(&mut self, frame: &mut Frame, failed: bool, host: &mut impl Host) {
        let outcome = if failed { call_outcome::FAILED } else { call_outcome::ANSWERED };
        let Some(out) = self.calls.get(frame.call) else {
            return self.calls.answered_without_a_place(frame.root, outcome);
        };
        // Not watched is not dead.
        let alive = !out.watched
            || self.streams.knows(out.context)
            || self.roots.look(out.context).is_some_and(|root| !root.ended);
        let outcome = if alive { outcome } else { call_outcome::LATE };
        self.calls.answered(frame.call, outcome, frame.at);
        if let Some(stream) = self.streams.get(out.owner) {
            stream.calls_out = stream.calls_out.saturating_sub(1);
        }
        if failed {
            frame.keeper = self.promoted(frame.keeper, host);
        }
    }

    /// Follows what a phase does to its stream. True: it let go what was held while a call is out.
    fn phase_returned(&mut self, phase: Phase, frame: &Frame, action: u32, now: u64) -> bool {
        self.counters.phase(frame.root, frame.kind, action);
        if matches!(phase, Phase::RequestMetadata | Phase::ResponseMetadata) {
            return false;
        }
        // Number 2 from a headers phase goes on (host-semantics §1.3).
        let stops = action != 0 && !(phase.is_headers() && action == 2) && !frame.replied;
        let Some(stream) = self.streams.get(frame.context) else { return false };
        if !stops && phase == Phase::ResponseHeaders {
            stream.flags |= flag::RESPONDED;
        }
        if stops {
            stream.hold(phase.direction(), now);
            if phase != Phase::RequestHeaders {
                stream.flags |= flag::BEYOND_HEADERS;
            }
        } else if let Some(since) = stream.release(phase.direction()) {
            let is_odd = stream.calls_out > 0;
            self.counters.pause(frame.root, phase.direction(), now.saturating_sub(since));
            return is_odd;
        }
        false
    }

    /// A context ends.
    fn deleted(&mut self, context: u32, now: u64, host: &mut impl Host) {
        if let Some(stream) = self.streams.get(context) {
            let root = stream.root;
            for direction in [abi::Direction::Request, abi::Direction::Response] {
                if let Some(since) = stream.release(direction) {
                    self.counters.pause(root, direction, now.saturating_sub(since));
                }
            }
            return self.streams.delete(context);
        }
        if let Some(root) = self.roots.get(context) {
            root.ended = true;
            root.period = 0;
            root.armed = 0;
            // The host's timer outlives its root, and an SDK may panic on a tick for an unknown one.
            // Not where the plugin made a context of another root effective: it would be that one's timer.
            if self.timer_of == context && now >= self.shipping.timer_forbidden_until {
                host.set_tick_period(0);
            }
            self.root_is_gone(context);
            self.calls.root_is_gone(context);
            self.counters.root_is_gone(context);
            return;
        }
        self.streams.delete(context);
    }

    fn hash_configuration(&mut self, context: u32, size: u32, host: &mut impl Host) {
        if size == 0 {
            return;
        }
        let text = self.read_buffer(buffer::PLUGIN_CONFIGURATION, size, host);
        let hash = text.map_or(0, |text| bytes::hash(text, 0));
        if let Some(root) = self.roots.get(context) {
            root.configuration_hash = hash;
        }
    }
}

/// Envoy's own sentences, compared and forgotten.
fn failure_of(body: &[u8]) -> u32 {
    const SENTENCES: [(&[u8], u32); 3] = [
        (b"upstream request timeout", call_failure::TIMEOUT),
        (b"upstream connect error or disconnect/reset before headers", call_failure::CONNECT),
        (b"no healthy upstream", call_failure::NO_HEALTHY_HOST),
    ];
    let said = SENTENCES.iter().find(|(sentence, _)| body.starts_with(sentence));
    said.map_or(call_failure::OTHER, |(_, failure)| *failure)
}
