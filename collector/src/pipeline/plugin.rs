//! What the recorders of one plugin counted, over all VMs that are known.

use std::collections::BTreeMap;

use abi::Direction;
use timeline::ids::InstanceId;

use super::vm::Vm;
use crate::decode::SourceTotals;
use crate::metrics::Buckets;

/// A plugin, as its recorders count: recorded or not, each since its instance began.
#[derive(Clone, Debug, Default)]
pub struct PluginReport {
    /// The VMs that run it, or did.
    pub vms: Vec<PluginVm>,
    /// Calls by cluster and outcome, and how long they took.
    pub calls: BTreeMap<(String, &'static str), (u64, Buckets)>,
    /// How long streams were held.
    pub pauses: BTreeMap<Direction, Buckets>,
}

/// One of its VMs; other plugins may run in it too.
#[derive(Clone, Debug)]
pub struct PluginVm {
    /// Which.
    pub instance: InstanceId,
    /// Envoy's node id.
    pub node: String,
    /// Streams seen, of all its plugins.
    pub streams_seen: u64,
    /// Is a root of the plugin alive in it?
    pub runs: bool,
    /// What its recorder counted; None: no count of it has come.
    pub at_source: Option<SourceTotals>,
}

impl PluginReport {
    /// Adds a VM, if it is one of the plugin's.
    pub(super) fn add(&mut self, vm: &Vm, plugin: &str) {
        if !vm.plugins.values().any(|name| name == plugin) {
            return;
        }
        let report = vm.report();
        let mut its = report.status.roots.iter().filter(|root| root.plugin == plugin);
        self.vms.push(PluginVm {
            instance: report.status.id,
            node: report.status.node.to_string(),
            streams_seen: report.status.streams_seen,
            runs: its.any(|root| !root.ended),
            at_source: report.at_source,
        });
        let Some(counted) = &vm.counted else { return };
        let is_its = |root: u32| vm.plugins.get(&root).is_some_and(|name| name == plugin);
        for (key, count) in counted.calls.iter().filter(|(key, _)| is_its(key.root)) {
            let known = self.calls.entry((key.cluster.clone(), key.outcome)).or_default();
            known.0 = known.0.saturating_add(*count);
            if let Some(times) = counted.call_times.get(key) {
                known.1.add(times);
            }
        }
        for ((_, direction), times) in counted.pauses.iter().filter(|((root, _), _)| is_its(*root))
        {
            self.pauses.entry(*direction).or_default().add(times);
        }
    }
}
