//! What a recorder counted since its instance began: cumulative, so that a lost batch heals.

use std::collections::BTreeMap;

use abi::Direction;
use proto::v1;

use crate::metrics::Buckets;

/// Cumulative counts of a recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceCounters {
    /// Events made.
    pub events: u64,
    /// Events lost for good.
    pub events_lost: u64,
    /// Streams that the recorder had no place for, and streams that were not sampled and for whose skeleton
    /// there was no memory.
    pub streams_not_watched: u64,
    /// Streams not recorded because the buffer was nearly full, by the root contexts that are named.
    pub streams_refused: BTreeMap<u32, u64>,
    /// Shipments that the host refused to dispatch.
    pub dispatches_rejected: u64,
    /// Log lines of plugins that were not kept.
    pub log_lines_dropped: u64,
    /// How often the recorder turned itself down.
    pub fuse_trips: u64,
    /// Invocations by root context, number of the callback and number returned.
    pub phases: BTreeMap<(u32, u32, u32), u64>,
    /// Calls of the plugins by what became of them.
    pub calls: BTreeMap<CallKey, u64>,
    /// How long these took.
    pub call_times: BTreeMap<CallKey, Buckets>,
    /// How long streams were held, by root context and direction.
    pub pauses: BTreeMap<(u32, Direction), Buckets>,
    /// The VM's memory in pages of 64 KiB; it never shrinks.
    pub memory_pages: u32,
}

/// What a recorder counted since its instance began, as numbers for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceTotals {
    /// Events made.
    pub events: u64,
    /// Events lost for good, before they were shipped.
    pub events_lost: u64,
    /// Streams not recorded because its buffer was nearly full.
    pub streams_refused: u64,
    /// Streams that it had no room to watch, sampled or not.
    pub streams_not_watched: u64,
    /// Shipments that the host refused to dispatch.
    pub shipments_refused: u64,
    /// Log lines of the plugins that it had no room for.
    pub log_lines_dropped: u64,
    /// How often it turned itself down.
    pub fuse_trips: u64,
    /// Memory of the VM.
    pub memory_bytes: u64,
}

/// Which calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallKey {
    /// Root context of the plugin.
    pub root: u32,
    /// Cluster; `other` for those beyond what a recorder tells apart.
    pub cluster: String,
    /// `answered`, `failed`, `late`, `rejected` or `unknown`.
    pub outcome: &'static str,
}

impl SourceCounters {
    pub(super) fn of(batch: &v1::Batch) -> Option<SourceCounters> {
        let counters = batch.counters.as_ref()?;
        let mut calls = BTreeMap::new();
        let mut call_times: BTreeMap<CallKey, Buckets> = BTreeMap::new();
        for call in &counters.calls {
            let counted: &mut u64 = calls.entry(CallKey::of(call)).or_default();
            *counted = counted.saturating_add(call.count);
            if let Some(duration) = &call.duration {
                call_times.entry(CallKey::of(call)).or_default().add(&buckets(duration));
            }
        }
        let mut pauses: BTreeMap<(u32, Direction), Buckets> = BTreeMap::new();
        for pause in &counters.pauses {
            let Some(duration) = &pause.duration else { continue };
            let direction = match pause.direction {
                0 => Direction::Request,
                _ => Direction::Response,
            };
            pauses.entry((pause.root, direction)).or_default().add(&buckets(duration));
        }
        let mut phases = BTreeMap::new();
        for phase in &counters.phases {
            let counted: &mut u64 =
                phases.entry((phase.root, phase.kind, phase.action)).or_default();
            *counted = counted.saturating_add(phase.count);
        }
        Some(SourceCounters {
            events: counters.events,
            events_lost: counters.events_lost,
            streams_not_watched: counters.streams_not_watched,
            streams_refused: batch
                .roots
                .iter()
                .filter(|root| root.streams_refused > 0)
                .map(|root| (root.context, root.streams_refused))
                .collect(),
            dispatches_rejected: counters.dispatches_rejected,
            log_lines_dropped: counters.log_lines_dropped,
            fuse_trips: counters.fuse_trips,
            phases,
            calls,
            call_times,
            pauses,
            memory_pages: counters.memory_pages,
        })
    }

    /// All of it as totals.
    pub fn totals(&self) -> SourceTotals {
        SourceTotals {
            events: self.events,
            events_lost: self.events_lost,
            streams_refused: self.streams_refused.values().sum(),
            streams_not_watched: self.streams_not_watched,
            shipments_refused: self.dispatches_rejected,
            log_lines_dropped: self.log_lines_dropped,
            fuse_trips: self.fuse_trips,
            memory_bytes: u64::from(self.memory_pages) * 65_536,
        }
    }

    /// Takes over what is higher: batches come in any order, and one may leave out what did not fit.
    pub fn raise_to(&mut self, other: SourceCounters) {
        self.events = self.events.max(other.events);
        self.events_lost = self.events_lost.max(other.events_lost);
        self.streams_not_watched = self.streams_not_watched.max(other.streams_not_watched);
        // A recorder forgets a root that ended long ago; what it counted stays.
        raise(&mut self.streams_refused, other.streams_refused);
        self.dispatches_rejected = self.dispatches_rejected.max(other.dispatches_rejected);
        self.log_lines_dropped = self.log_lines_dropped.max(other.log_lines_dropped);
        self.fuse_trips = self.fuse_trips.max(other.fuse_trips);
        raise(&mut self.phases, other.phases);
        raise(&mut self.calls, other.calls);
        for (key, times) in other.call_times {
            self.call_times.entry(key).or_default().raise_to(&times);
        }
        for (key, times) in other.pauses {
            self.pauses.entry(key).or_default().raise_to(&times);
        }
        self.memory_pages = self.memory_pages.max(other.memory_pages);
    }
}

fn raise<K: Ord>(known: &mut BTreeMap<K, u64>, other: BTreeMap<K, u64>) {
    for (key, count) in other {
        let known = known.entry(key).or_default();
        *known = count.max(*known);
    }
}

/// A recorder's histogram; what a newer one has beyond the last bucket counts as beyond every bound.
fn buckets(histogram: &v1::Histogram) -> Buckets {
    let mut buckets = Buckets { sum_micros: histogram.sum_micros, ..Buckets::default() };
    let last = buckets.counts.len() - 1;
    for (at, count) in histogram.buckets.iter().enumerate() {
        let counted = &mut buckets.counts[at.min(last)];
        *counted = counted.saturating_add(*count);
    }
    buckets
}

impl CallKey {
    fn of(call: &v1::CallCount) -> CallKey {
        use v1::CallOutcome as Outcome;
        let cluster = String::from_utf8_lossy(&call.cluster).into_owned();
        CallKey {
            root: call.root,
            cluster: if cluster.is_empty() { "other".to_owned() } else { cluster },
            outcome: match Outcome::try_from(call.outcome).unwrap_or(Outcome::Unknown) {
                Outcome::Answered => "answered",
                Outcome::Failed => "failed",
                Outcome::Late => "late",
                Outcome::Rejected => "rejected",
                Outcome::Unknown => "unknown",
            },
        }
    }
}
