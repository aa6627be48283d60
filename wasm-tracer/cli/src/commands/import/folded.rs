//! Deliveries, folded to timelines. What is closed is kept a while: it may be opened again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use timeline::delivery::Delivery;
use timeline::ids::{InstanceId, Micros, TimelineId};
use timeline::{Instance, State, Timeline};

/// A closed timeline is given out when its instance's log is so much further.
const SETTLED: Micros = Micros(5_000_000);
/// Timelines kept; beyond it the earliest closed is given out.
const MOST_KEPT: usize = 2_048;
/// Open timelines of one VM; beyond it the quietest is closed.
const MOST_OPEN: usize = 20_000;

/// Timelines of a log.
#[derive(Default)]
pub struct Folded {
    instances: BTreeMap<InstanceId, Instance>,
    /// Timelines not given out yet, and in which order they came.
    kept: HashMap<TimelineId, (u64, Arc<Timeline>)>,
    order: BTreeMap<u64, TimelineId>,
    changes: u64,
    /// How many of streams were given out, and how many of any kind with a finding.
    pub timelines: u64,
    pub with_findings: u64,
}

impl Folded {
    /// Takes what came.
    pub fn take(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let (id, arrived) = (delivery.instance, delivery.known_until);
            let instance = self.instances.entry(id).or_insert_with(|| Instance::new(id));
            let mut updates = instance.deliver(delivery, arrived);
            let open = instance.open_timelines();
            updates.extend((MOST_OPEN..open).filter_map(|_| instance.evict()));
            for update in updates {
                self.keep(update.snapshot);
            }
        }
    }

    /// Those that are done; at the end all of them, in the order in which they changed last.
    pub fn done(&mut self, is_end: bool) -> Vec<Arc<Timeline>> {
        let mut done = Vec::new();
        let numbers: Vec<u64> = self.order.keys().copied().collect();
        let mut rest = numbers.len();
        for number in numbers {
            let Some(id) = self.order.get(&number) else { continue };
            let Some((_, timeline)) = self.kept.get(id) else { continue };
            let is_done = is_end
                || timeline.state != State::Open && (rest > MOST_KEPT || self.is_settled(timeline));
            if is_done {
                let id = *id;
                self.order.remove(&number);
                done.extend(self.kept.remove(&id).map(|(_, timeline)| timeline));
                rest -= 1;
            }
        }
        self.timelines += done.iter().filter(|t| !t.is_root()).count() as u64;
        self.with_findings += done.iter().filter(|t| !t.findings.is_empty()).count() as u64;
        done
    }

    /// Is its instance's log so much further than its last event?
    fn is_settled(&self, timeline: &Timeline) -> bool {
        let last = timeline.events.iter().map(|event| event.at).max().unwrap_or_default();
        let known = self.instances.get(&timeline.instance).map(Instance::known_until);
        known.is_some_and(|known| known > last.after(SETTLED))
    }

    fn keep(&mut self, timeline: Arc<Timeline>) {
        self.changes += 1;
        let id = timeline.id;
        self.order.insert(self.changes, id);
        if let Some((before, _)) = self.kept.insert(id, (self.changes, timeline)) {
            self.order.remove(&before);
        }
    }
}
