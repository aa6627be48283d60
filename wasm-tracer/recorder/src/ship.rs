//! Shipping: which batch leaves when. From the tick only: a dispatch that fails inline in a phase can
//! spin a Higress worker for ever (higress#4034). The exceptions stand in `blackbox`.

use proto::fields::lost_reason;

use crate::Recorder;
use crate::host::{Host, UNTOUCHED};
use crate::ring::{SEGMENTS, State};
use crate::warn::Cause;
use crate::wire::Writer;

/// Shipments in flight at most.
const FLIGHTS: usize = 4;
/// Ids of calls of ours whose answer is not waited for any more, but may still come.
const RETIRED: usize = 256;
/// Timeout of a shipment, and how much later it counts as unanswered by our own clock: a host can cancel
/// a call without a callback.
const TIMEOUT_MILLIS: u32 = 5000;
const UNANSWERED_AFTER: u64 = 6_000_000;
const SECOND: u64 = 1_000_000;
const LONGEST_BACK_OFF: u64 = 30;
/// How long a hostcall that the host forbids is not tried.
pub const FORBIDDEN_WAIT: u64 = 300 * SECOND;
const LONGEST_RETRY_AFTER: u64 = 3600;
/// Status of the ABI for a cluster that is not known.
const BAD_ARGUMENT: u32 = abi::Status::BadArgument.number();

/// What a batch carries beside a segment.
#[derive(Clone, Copy, Default)]
pub struct Frame {
    /// Cumulative counters.
    pub counters: bool,
    /// The open invocations.
    pub black_box: bool,
    /// No further batch follows.
    pub last: bool,
    /// A refusal is no reason to warn: a host that only validates a configuration ends the root at once.
    pub quiet: bool,
}

/// A shipment that is not answered.
#[derive(Clone, Copy)]
struct Flight {
    used: bool,
    call: u32,
    /// The root whose call it is: the host cancels it when that root ends, without a callback.
    root: u32,
    shipment: u64,
    until: u64,
    lost_stamp: u64,
}

/// The state of shipping.
pub struct Shipping {
    flights: [Flight; FLIGHTS],
    /// Call ids + 1; 0: none.
    retired: [u64; RETIRED],
    next_retired: usize,
    /// Places of `retired` that were ever used.
    retired_used: usize,
    /// Shipments made.
    pub shipments: u64,
    /// Nothing is shipped before.
    not_before: u64,
    /// The host refused the last dispatch.
    pub failed_inline: bool,
    /// Back-offs in a row.
    step: u32,
    /// When a period last began, and when something was last shipped.
    pub last_round: u64,
    last_shipped: u64,
    last_counters: u64,
    /// The host forbids the dispatch, or the timer: not asked again before.
    forbidden_until: u64,
    pub timer_forbidden_until: u64,
}

impl Shipping {
    pub const EMPTY: Shipping = Shipping {
        flights: [Flight { used: false, call: 0, root: 0, shipment: 0, until: 0, lost_stamp: 0 };
            FLIGHTS],
        retired: [0; RETIRED],
        next_retired: 0,
        retired_used: 0,
        shipments: 0,
        not_before: 0,
        failed_inline: false,
        step: 0,
        last_round: 0,
        last_shipped: 0,
        last_counters: 0,
        forbidden_until: 0,
        timer_forbidden_until: 0,
    };

    /// Does a call id belong to a shipment that waits for its answer?
    fn is_flying(&self, call: u32) -> bool {
        self.flights.iter().any(|f| f.used && f.call == call)
    }

    /// Did a call id belong to a shipment whose answer may still come?
    fn is_retired(&self, call: u32) -> bool {
        self.retired.iter().take(self.retired_used).any(|r| *r == u64::from(call) + 1)
    }

    /// When the host is asked again after it forbade the dispatch.
    pub fn forbidden_until(&self) -> u64 {
        self.forbidden_until
    }

    /// Shipments not answered yet.
    pub fn in_flight(&self) -> u32 {
        self.flights.iter().filter(|f| f.used).count() as u32
    }

    fn free(&mut self) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|f| !f.used)
    }

    fn retire(&mut self, call: u32) {
        if let Some(place) = self.retired.get_mut(self.next_retired) {
            *place = u64::from(call) + 1;
        }
        self.retired_used = self.retired_used.max(self.next_retired + 1);
        self.next_retired = (self.next_retired + 1) % RETIRED;
    }
}

impl Recorder {
    /// Does a call id belong to a shipment? One that the host gave to the plugin since does not.
    pub(crate) fn is_ours(&mut self, call: u32) -> bool {
        self.shipping.is_flying(call)
            || (self.shipping.is_retired(call) && self.calls.get(call).is_none())
    }

    /// Is a whole segment waiting that could leave now?
    pub(crate) fn is_shipment_wanted(&self, now: u64) -> bool {
        self.ring.waiting().is_some()
            && now >= self.shipping.forbidden_until
            && now >= self.shipping.not_before
            && self.shipping.flights.iter().any(|f| !f.used)
    }

    /// In a tick of root `from`: whole segments leave at once, the open one each period; an empty batch while something
    /// is held or out, or as a heartbeat.
    pub(crate) fn ship_if_due(&mut self, from: u32, now: u64, host: &mut impl Host) {
        self.give_up_unanswered(now, host);
        let period = u64::from(self.settings.flush_millis) * 1000;
        let round = now >= self.shipping.last_round.saturating_add(period);
        if round {
            self.shipping.last_round = now;
            self.roots.forget_log_bytes();
        }
        if now < self.shipping.forbidden_until.max(self.shipping.not_before) {
            return;
        }
        let mut sent = false;
        for _ in 0..FLIGHTS {
            if self.shipping.in_flight() as usize >= FLIGHTS {
                return;
            }
            if self.ring.waiting().is_none() && round {
                self.ring.seal(self.known_until());
            }
            let Some(at) = self.ring.waiting() else { break };
            if !self.send(Some(at), Frame::default(), from, now, host) {
                return;
            }
            sent = true;
        }
        if round && !sent && self.is_heartbeat_wanted(now) {
            self.send(None, Frame { counters: true, ..Frame::default() }, from, now, host);
        }
    }

    /// Is an empty batch worth it?
    fn is_heartbeat_wanted(&mut self, now: u64) -> bool {
        let heartbeat = u64::from(self.settings.heartbeat_seconds) * SECOND;
        self.calls.any_out(now)
            || self.streams.any_held()
            || !self.ring.losses.is_empty()
            || now >= self.shipping.last_shipped.saturating_add(heartbeat)
    }

    /// Everything that waits leaves now, whatever is in flight; an empty batch if nothing waits. At most
    /// one dispatch a segment, and there are never more than [`SEGMENTS`]; the first refusal ends it.
    pub(crate) fn flush(&mut self, from: u32, now: u64, frame: Frame, host: &mut impl Host) {
        if now < self.shipping.forbidden_until {
            return;
        }
        self.ring.seal(self.known_until());
        let count = self.ring.sealed().len().min(SEGMENTS);
        let last = self.ring.sealed().iter().rposition(|s| s.state == State::Sealed);
        for at in 0..count {
            if self.ring.sealed().get(at).is_some_and(|s| s.state == State::Sealed) {
                let others = Frame { quiet: frame.quiet, ..Frame::default() };
                let frame = if Some(at) == last { frame } else { others };
                if !self.send(Some(at), frame, from, now, host) {
                    return;
                }
            }
        }
        if last.is_none() && (frame.black_box || frame.last) {
            self.send(None, frame, from, now, host);
        }
    }

    /// Sends one batch: a segment, or none. False if the host refused the dispatch.
    fn send(
        &mut self,
        at: Option<usize>,
        mut frame: Frame,
        from: u32,
        now: u64,
        host: &mut impl Host,
    ) -> bool {
        let period = u64::from(self.settings.flush_millis) * 1000;
        if now >= self.shipping.last_counters.saturating_add(period)
            || frame.black_box
            || frame.last
        {
            frame.counters = true;
            self.shipping.last_counters = now;
        }
        let known = at.and_then(|at| self.ring.sealed().get(at)).map_or(0, |s| s.shipment);
        let shipment = if known == 0 {
            self.shipping.shipments = self.shipping.shipments.saturating_add(1);
            self.shipping.shipments
        } else {
            known
        };
        if let Some(segment) = at.and_then(|at| self.ring.get_mut(at)) {
            segment.shipment = shipment;
        }
        let facts = self.facts(shipment, host);
        let mut writer = Writer::new(host.shipment());
        let segment = at.and_then(|at| self.ring.sealed().get(at));
        self.write_batch(&mut writer, segment, frame, &facts);
        let length = writer.length();
        let headers = self.write_headers();
        let headers = self.scratch.get(..headers).unwrap_or(&[]);
        let (status, call) =
            host.ship(self.settings.cluster.get(), headers, length, TIMEOUT_MILLIS);
        self.counters.sent = self.counters.sent.saturating_add(1);
        if status != 0 {
            self.shipping.failed_inline = true;
            self.dispatch_refused(status, call, frame.quiet, now, host);
            return false;
        }
        self.shipping.failed_inline = false;
        self.shipping.last_shipped = now;
        let lost_stamp = self.ring.losses.stamp();
        let until = now.saturating_add(UNANSWERED_AFTER);
        match self.shipping.free() {
            Some(flight) => {
                *flight = Flight { used: true, call, root: from, shipment, until, lost_stamp };
                if let Some(segment) = at.and_then(|at| self.ring.get_mut(at)) {
                    segment.state = State::Flying;
                }
            }
            // Only a flush sends more than may be in flight; what it sent is sent again if the VM lives.
            None => self.shipping.retire(call),
        }
        true
    }

    /// The host refused a dispatch.
    fn dispatch_refused(
        &mut self,
        status: u32,
        call: u32,
        quiet: bool,
        now: u64,
        host: &mut impl Host,
    ) {
        self.counters.rejected = self.counters.rejected.saturating_add(1);
        // Refused, yet with an id: its callback may still come, and the plugin must not see it.
        if call != UNTOUCHED && call != 0 {
            self.shipping.retire(call);
        }
        let cause = match status {
            BAD_ARGUMENT => Cause::UnknownCluster,
            _ if call == UNTOUCHED => Cause::Capability,
            _ => Cause::NoHealthyHost,
        };
        self.back_off(now, 0);
        if cause == Cause::Capability {
            return self.shipping_is_forbidden(now, host);
        }
        if !quiet {
            self.warn(cause, now, host);
        }
    }

    /// A host logs an error for each refused hostcall, so it is asked again only rarely; but it is, since
    /// this is a guess from what the host did not write.
    pub(crate) fn shipping_is_forbidden(&mut self, now: u64, host: &mut impl Host) {
        self.shipping.forbidden_until = now.saturating_add(FORBIDDEN_WAIT);
        self.warn(Cause::Capability, now, host);
    }

    /// Waits 1–30 s, longer each time, ±20 %; at least `at_least` µs.
    pub(crate) fn back_off(&mut self, now: u64, at_least: u64) {
        if now < self.shipping.not_before {
            // Several in flight fail together: that is one failure.
            let until = now.saturating_add(at_least.min(LONGEST_RETRY_AFTER * SECOND));
            self.shipping.not_before = self.shipping.not_before.max(until);
            return;
        }
        let seconds = (1u64 << self.shipping.step.min(5)).min(LONGEST_BACK_OFF);
        self.shipping.step = self.shipping.step.saturating_add(1);
        let share = 800 + self.next_random() % 401;
        let wait = seconds * share * 1000;
        let wait = wait.max(at_least.min(LONGEST_RETRY_AFTER * SECOND));
        self.shipping.not_before = now.saturating_add(wait);
    }

    /// Takes the flight of a call out of the table: shipment and stamp of losses.
    pub(crate) fn land(&mut self, call: u32) -> Option<(u64, u64)> {
        let flight = self.shipping.flights.iter_mut().find(|f| f.used && f.call == call)?;
        flight.used = false;
        Some((flight.shipment, flight.lost_stamp))
    }

    /// A shipment succeeded: no more back-off.
    pub(crate) fn steady(&mut self) {
        self.shipping.step = 0;
        self.shipping.not_before = 0;
    }

    /// A shipment did not work: its segment waits again, or is lost if its bytes had to go meanwhile.
    pub(crate) fn keep(&mut self, shipment: u64) {
        let Some(at) = self.ring.find(shipment) else { return };
        let Some(segment) = self.ring.get_mut(at) else { return };
        if segment.state == State::Gone {
            self.ring.let_go_for_good(at, lost_reason::BUFFER_FULL);
        } else {
            segment.state = State::Sealed;
        }
    }

    /// A root has ended, and its calls with it: what they carried waits for another root's tick.
    pub(crate) fn root_is_gone(&mut self, root: u32) {
        for at in 0..FLIGHTS {
            let Some(flight) = self.shipping.flights.get(at).copied() else { return };
            if flight.used && flight.root == root {
                self.land(flight.call);
                self.shipping.retire(flight.call);
                self.keep(flight.shipment);
            }
        }
    }

    fn give_up_unanswered(&mut self, now: u64, host: &mut impl Host) {
        for at in 0..FLIGHTS {
            let Some(flight) = self.shipping.flights.get(at).copied() else { return };
            if flight.used && now >= flight.until {
                self.land(flight.call);
                self.shipping.retire(flight.call);
                self.keep(flight.shipment);
                self.counters.unanswered = self.counters.unanswered.saturating_add(1);
                self.back_off(now, 0);
                self.warn(Cause::Unreachable, now, host);
            }
        }
    }
}
