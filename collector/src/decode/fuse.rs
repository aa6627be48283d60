//! The fuse: why a recorder turned itself down to heartbeats, as its last counters say.

use proto::v1;
use timeline::ids::Micros;

/// Words of the reasons.
pub const REASONS: [&str; 5] = ["time_share", "loss", "memory", "order", "unknown"];

/// A recorder that records nothing for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fuse {
    /// Why: one of [`REASONS`].
    pub reason: &'static str,
    /// Since when, on the instance's clock.
    pub since: Micros,
    /// From then on it is turned up again, if the reason no longer holds.
    pub until: Micros,
}

impl Fuse {
    /// None: it records.
    pub(super) fn of(batch: &v1::Batch) -> Option<Fuse> {
        use v1::FuseReason as Reason;
        let counters = batch.counters.as_ref()?;
        let reason = match Reason::try_from(counters.fuse).unwrap_or(Reason::Order) {
            Reason::None => return None,
            Reason::TimeShare => "time_share",
            Reason::Loss => "loss",
            Reason::Memory => "memory",
            Reason::Order if counters.fuse == Reason::Order as i32 => "order",
            Reason::Order => "unknown",
        };
        Some(Fuse {
            reason,
            since: Micros(counters.fuse_since_micros),
            until: Micros(counters.fuse_until_micros),
        })
    }
}
