//! Says in the host's log why nothing can be shipped, by cause, not too often.

use crate::Recorder;
use crate::host::Host;
use crate::wire::Writer;

const WARN: u32 = 3;

/// Why a shipment did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// The cluster's name is not known to this proxy.
    UnknownCluster = 0,
    /// The cluster has no host to send to.
    NoHealthyHost = 1,
    /// 401 or 403.
    Unauthorized = 2,
    /// The host forbids the hostcall.
    Capability = 3,
    /// 503, 504 or no answer.
    Unreachable = 4,
    /// 429.
    Busy = 5,
    /// 400, 413, 415, 422: what was sent is given up.
    Refused = 6,
    /// Any other answer.
    Odd = 7,
}

const CAUSES: usize = 8;

impl Cause {
    fn sentence(self) -> &'static [u8] {
        match self {
            Cause::UnknownCluster => {
                b"this proxy does not know the cluster; define it, or set WASM_TRACER_CLUSTER"
            }
            Cause::NoHealthyHost => b"the cluster has no healthy host; is the collector running?",
            Cause::Unauthorized => {
                b"the collector answered 401 or 403; set WASM_TRACER_TOKEN to its ingest token"
            }
            Cause::Capability => {
                b"the host's capability restriction forbids proxy_http_call, proxy_set_tick_period_milliseconds, proxy_get_header_map_value or both clocks; allow them"
            }
            Cause::Unreachable => b"the collector does not answer; is it running and reachable?",
            Cause::Busy => b"the collector asks to slow down (429)",
            Cause::Refused => {
                b"the collector refused what was sent (400, 413, 415 or 422); it is dropped and counted"
            }
            Cause::Odd => b"what answers there is not a collector; check the cluster and the authority",
        }
    }
}

/// When each cause was last told, monotonic seconds + 1; 0: never.
pub struct Warnings {
    told: [u32; CAUSES],
}

impl Warnings {
    pub const EMPTY: Warnings = Warnings { told: [0; CAUSES] };
}

impl Recorder {
    /// Names the variables of the environment that changed nothing; at the start, once.
    pub(crate) fn warn_of_settings(&mut self, host: &mut impl Host) {
        if self.settings.not_taken.is_empty() {
            return;
        }
        let mut writer = Writer::new(&mut self.scratch);
        writer.raw(b"wasm-tracer does not use ");
        writer.raw(self.settings.not_taken.get());
        writer.raw(
            b": a value cannot be read (a rate is 0 to 1) or is too long (cluster, authority 128 bytes, token, headers 256)",
        );
        let length = writer.length();
        host.log(WARN, self.scratch.get(..length).unwrap_or(&[]));
    }

    /// Warns unless this cause was told less than WARN_SECONDS ago.
    pub(crate) fn warn(&mut self, cause: Cause, now: u64, host: &mut impl Host) {
        let seconds = (now / 1_000_000) as u32;
        let Some(told) = self.warnings.told.get_mut(cause as usize) else { return };
        if *told != 0 && seconds.saturating_sub(*told - 1) < self.settings.warn_seconds {
            return;
        }
        *told = seconds.saturating_add(1);
        let mut writer = Writer::new(&mut self.scratch);
        writer.raw(b"wasm-tracer cannot ship to cluster \"");
        writer.raw(self.settings.cluster.get());
        writer.raw(b"\": ");
        writer.raw(cause.sentence());
        let length = writer.length();
        host.log(WARN, self.scratch.get(..length).unwrap_or(&[]));
    }
}
