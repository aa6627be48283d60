//! What recorders counted, added to the collector's own counters: differences, so nothing twice.

use std::collections::BTreeMap;

use crate::decode::SourceCounters;
use crate::metrics::{Bounded, CallLabels, Metrics};

/// Names of plugins told apart in labels.
pub(super) const PLUGINS: usize = 100;
/// Pairs of plugin and cluster told apart in labels.
const PAIRS: usize = 1000;

/// Which labels there are.
pub(super) struct Sources {
    plugins: Bounded,
    pairs: Bounded,
}

impl Sources {
    /// None yet.
    pub fn new() -> Sources {
        Sources { plugins: Bounded::new(PLUGINS), pairs: Bounded::new(PAIRS) }
    }

    /// Adds what a recorder counted since `before`. `plugins`: names by root.
    pub fn count(
        &mut self,
        metrics: &Metrics,
        plugins: &BTreeMap<u32, String>,
        before: &SourceCounters,
        now: &SourceCounters,
    ) {
        let refused = |counters: &SourceCounters| counters.streams_refused.values().sum::<u64>();
        let counts = [
            (&metrics.events_lost_at_source, now.events_lost, before.events_lost),
            (&metrics.streams_refused_at_source, refused(now), refused(before)),
            (
                &metrics.streams_not_watched_at_source,
                now.streams_not_watched,
                before.streams_not_watched,
            ),
            (
                &metrics.dispatches_rejected_at_source,
                now.dispatches_rejected,
                before.dispatches_rejected,
            ),
            (&metrics.log_lines_dropped_at_source, now.log_lines_dropped, before.log_lines_dropped),
            (&metrics.fuse_trips_at_source, now.fuse_trips, before.fuse_trips),
        ];
        for (counter, now, before) in counts {
            counter.inc_by(now.saturating_sub(before));
        }
        for (key, count) in &now.calls {
            let more = count.saturating_sub(before.calls.get(key).copied().unwrap_or(0));
            if more == 0 {
                continue;
            }
            let plugin = self.plugins.value(plugins.get(&key.root).map_or("", String::as_str));
            let pair = format!("{plugin}\0{}", key.cluster);
            let is_told_apart = self.pairs.value(&pair) == pair;
            let labels = CallLabels {
                plugin: plugin.to_owned(),
                cluster: if is_told_apart { key.cluster.clone() } else { "other".to_owned() },
                outcome: key.outcome,
            };
            metrics.calls.get_or_create(&labels).inc_by(more);
        }
    }
}
