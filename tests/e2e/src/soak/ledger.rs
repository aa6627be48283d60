//! What the recorders say of themselves: streams and events, and which request had which context.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::bail;

use super::load::Sent;
use crate::collector::{Collector, metric};
use crate::gate::{Accepted, Gate};
use crate::soak::judge::Judged;

/// All that the gate has seen. What counts up counts on from batch to batch, so the most counts.
#[derive(Default)]
pub(super) struct Ledger {
    /// By instance (as the API writes it) and context.
    roots: BTreeMap<(String, u32), Streams>,
    instances: BTreeMap<String, Events>,
    /// Path and root of streams, by instance and context.
    streams: BTreeMap<(String, u32), (String, u32)>,
    batches: u64,
    swallowed: u64,
    events_swallowed: u64,
    /// Events that the collector had when it was asked last.
    events_arrived: u64,
}

#[derive(Clone, Default)]
struct Streams {
    plugin: String,
    seen: u64,
    recorded: u64,
    refused: u64,
}

#[derive(Default)]
struct Events {
    made: u64,
    lost: u64,
    not_watched: u64,
}

impl Ledger {
    /// Reads what has come since.
    pub(super) fn read(&mut self, gate: &Gate) {
        for accepted in gate.take() {
            self.note(accepted);
        }
    }

    fn note(&mut self, Accepted { batch, swallowed, .. }: Accepted) {
        self.batches += 1;
        if swallowed {
            self.swallowed += 1;
            self.events_swallowed += batch.events.len() as u64;
        }
        let instance: String = batch.instance.iter().map(|byte| format!("{byte:02x}")).collect();
        for root in batch.roots {
            let known = self.roots.entry((instance.clone(), root.context)).or_default();
            if known.plugin.is_empty() {
                known.plugin = root.plugin;
            }
            known.seen = known.seen.max(root.streams);
            known.recorded = known.recorded.max(root.streams_recorded);
            known.refused = known.refused.max(root.streams_refused);
        }
        let events = self.instances.entry(instance.clone()).or_default();
        if let Some(counters) = batch.counters {
            events.made = events.made.max(counters.events);
            events.lost = events.lost.max(counters.events_lost);
            events.not_watched = events.not_watched.max(counters.streams_not_watched);
        }
        for stream in batch.streams.into_iter().filter(|stream| !stream.path.is_empty()) {
            let told = (stream.path, stream.root);
            self.streams.insert((instance.clone(), stream.context), told);
        }
    }

    /// Path of the request that a stream's timeline is of, and its plugin, also where the collector has
    /// not heard of them.
    pub(super) fn name(&self, timeline: &mut Judged) {
        let key = (timeline.instance.clone(), timeline.context);
        let Some((path, root)) = self.streams.get(&key) else { return };
        timeline.path.clone_from(path);
        if let Some(root) = self.roots.get(&(key.0, *root)) {
            timeline.plugin.clone_from(&root.plugin);
        }
    }

    fn by_plugin(&self) -> BTreeMap<&str, Streams> {
        let mut all = BTreeMap::<&str, Streams>::new();
        for root in self.roots.values() {
            let sum = all.entry(&root.plugin).or_default();
            sum.seen += root.seen;
            sum.recorded += root.recorded;
            sum.refused += root.refused;
        }
        all
    }

    fn sum(&self, of: impl Fn(&Events) -> u64) -> u64 {
        self.instances.values().map(of).sum()
    }

    /// Whether all was sent that was to be, and the collector, or the gate, has all that recorders have not
    /// counted as lost. What comes later (the end of a stream that Envoy itself gave up) is not compared.
    pub(super) fn has_told(&mut self, sent: &Sent, collector: &Collector) -> anyhow::Result<bool> {
        let seen: u64 = self.roots.values().map(|root| root.seen).sum();
        self.events_arrived = the_metric(&collector.text("/metrics")?, "wasm_tracer_events_total")?;
        Ok(seen >= sent.total() && self.events_add_up())
    }

    fn events_add_up(&self) -> bool {
        let (made, lost) = (self.sum(|e| e.made), self.sum(|e| e.lost));
        made == self.events_arrived + self.events_swallowed + lost
    }

    /// Holds what was sent against what was counted and what is stored; answers the numbers.
    pub(super) fn compare(
        &self,
        sent: &Sent,
        stored: &BTreeMap<String, u64>,
        wrong: &mut Vec<String>,
    ) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{:<30}{:>9}{:>9}{:>9}{:>9}{:>9}",
            "plugin", "sent", "seen", "recorded", "refused", "stored"
        );
        let counted = self.by_plugin();
        for (plugin, sent) in &sent.plugins {
            let Streams { seen, recorded, refused, .. } =
                counted.get(plugin.as_str()).cloned().unwrap_or_default();
            let stored = stored.get(plugin).copied().unwrap_or(0);
            let line =
                format!("{plugin:<30}{sent:>9}{seen:>9}{recorded:>9}{refused:>9}{stored:>9}");
            // What was thrown away on the way nobody can store.
            let adds_up = *sent == seen
                && seen == recorded + refused
                && (stored == recorded || self.swallowed > 0);
            if !adds_up {
                wrong.push(format!("the streams do not add up: {line}"));
            }
            let _ = writeln!(out, "{line}");
        }
        let line = format!(
            "events: {} made, {} arrived, {} thrown away on the way, {} lost; {} streams not watched; \
             {} batches, {} of them thrown away",
            self.sum(|e| e.made),
            self.events_arrived,
            self.events_swallowed,
            self.sum(|e| e.lost),
            self.sum(|e| e.not_watched),
            self.batches,
            self.swallowed
        );
        if !self.events_add_up() {
            wrong.push(format!("the events do not add up: {line}"));
        }
        out + &line
    }
}

/// A metric without labels.
pub(super) fn the_metric(metrics: &str, name: &str) -> anyhow::Result<u64> {
    match metric(metrics, name)[..] {
        [value] => Ok(value),
        _ => bail!("no metric {name}, or one with labels"),
    }
}
