//! What the collector's answer to a shipment means.

use abi::map;
use proto::fields::lost_reason;

use crate::host::Host;
use crate::ring::State;
use crate::warn::Cause;
use crate::{Recorder, bytes};

const SECOND: u64 = 1_000_000;
/// A wrong token is not mended within seconds.
const UNAUTHORIZED_WAIT: u64 = 30 * SECOND;

impl Recorder {
    /// The answer to a call of ours came; the plugin must not see it.
    pub(crate) fn shipment_answered(&mut self, context: u32, args: [u32; 4], host: &mut impl Host) {
        let [call, headers, ..] = args;
        if headers == 0 {
            self.spoil_status(context, host);
        }
        let Some((shipment, lost_stamp)) = self.land(call) else {
            // Of a call that was given up; its batch was or will be sent again.
            return;
        };
        let now = self.clock(host);
        let status = if headers == 0 { 0 } else { self.call_status(host) };
        match status {
            0 if headers != 0 && !self.readings.header_value.may_ask(now) => {
                self.keep(shipment);
                self.shipping_is_forbidden(now, host);
            }
            200..=299 => {
                // Orders of the collector will be read from the answer's body here.
                self.accepted(shipment, lost_stamp);
            }
            400 | 415 | 422 => self.refused(shipment, now, host),
            413 => self.too_large(shipment, now, host),
            401 | 403 => {
                self.postponed(shipment, UNAUTHORIZED_WAIT, Cause::Unauthorized, now, host)
            }
            429 => {
                let wait = self.retry_after(host);
                self.postponed(shipment, wait, Cause::Busy, now, host);
            }
            0 | 503 | 504 => {
                let wait = if status == 503 { self.retry_after(host) } else { 0 };
                self.counters.unanswered = self.counters.unanswered.saturating_add(1);
                self.postponed(shipment, wait, Cause::Unreachable, now, host);
            }
            _ => self.postponed(shipment, 0, Cause::Odd, now, host),
        }
        // A segment that waited for this place in flight leaves in a tick that comes at once.
        self.arm(context, now, host);
    }

    fn accepted(&mut self, shipment: u64, lost_stamp: u64) {
        self.counters.accepted = self.counters.accepted.saturating_add(1);
        self.steady();
        self.ring.losses.told(lost_stamp);
        if let Some(at) = self.ring.find(shipment) {
            self.ring.remove(at);
        }
    }

    fn postponed(
        &mut self,
        shipment: u64,
        at_least: u64,
        cause: Cause,
        now: u64,
        host: &mut impl Host,
    ) {
        self.keep(shipment);
        self.back_off(now, at_least);
        self.warn(cause, now, host);
    }

    fn refused(&mut self, shipment: u64, now: u64, host: &mut impl Host) {
        self.counters.refused = self.counters.refused.saturating_add(1);
        if let Some(at) = self.ring.find(shipment) {
            self.ring.let_go_for_good(at, lost_reason::REFUSED);
        }
        self.warn(Cause::Refused, now, host);
    }

    fn too_large(&mut self, shipment: u64, now: u64, host: &mut impl Host) {
        let at = self.ring.find(shipment);
        let whole = at.and_then(|at| self.ring.sealed().get(at));
        let whole = whole.is_some_and(|segment| segment.state == State::Flying);
        if whole && at.is_some_and(|at| self.ring.halve(at)) {
            return;
        }
        self.refused(shipment, now, host);
    }

    /// Seconds of Retry-After, in µs; 0 if it says none.
    fn retry_after(&mut self, host: &mut impl Host) -> u64 {
        if !self.readings.header_value.may_ask(self.now) {
            return 0;
        }
        let value = host.header_value(map::CALL_RESPONSE_HEADERS, b"retry-after").ok();
        u64::from(value.and_then(bytes::decimal).unwrap_or(0)) * SECOND
    }
}
