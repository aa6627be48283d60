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
    /// Invocations by number of the callback and number returned.
    pub phases: BTreeMap<(u32, u32), u64>,
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
    /// SHA-256 of the module that was instrumented; None: its recorder does not say.
    pub original: Option<[u8; 32]>,
    /// Hashes of the configurations that the plugin runs with, or ran; 0: not known. Is a root of it
    /// alive with this one?
    pub configurations: BTreeMap<u64, bool>,
    /// Streams seen, of all its plugins.
    pub streams_seen: u64,
    /// What its recorder counted; None: no count of it has come.
    pub at_source: Option<SourceTotals>,
}

impl PluginVm {
    /// Is a root of the plugin alive in it?
    pub fn runs(&self) -> bool {
        self.configurations.values().any(|runs| *runs)
    }
}

impl PluginReport {
    /// Adds a VM, if it is one of the plugin's.
    pub(super) fn add(&mut self, vm: &Vm, plugin: &str) {
        if !vm.plugins.values().any(|name| name == plugin) {
            return;
        }
        let report = vm.report();
        let mut configurations = BTreeMap::new();
        for root in report.status.roots.iter().filter(|root| root.plugin == plugin) {
            *configurations.entry(root.configuration_hash).or_default() |= !root.ended;
        }
        self.vms.push(PluginVm {
            instance: report.status.id,
            node: report.status.node.to_string(),
            original: report.original,
            configurations,
            streams_seen: report.status.streams_seen,
            at_source: report.at_source,
        });
        let Some(counted) = &vm.counted else { return };
        let is_its = |root: u32| vm.plugins.get(&root).is_some_and(|name| name == plugin);
        let phases = counted.phases.iter().filter(|((root, _, _), _)| is_its(*root));
        for ((_, kind, action), count) in phases {
            let known = self.phases.entry((*kind, *action)).or_default();
            *known = known.saturating_add(*count);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::delivery::{Delivery, Root};
    use timeline::ids::{ContextId, Micros, Sequence};

    #[test]
    fn a_vm_runs_the_configurations_of_which_a_root_is_alive() {
        let root = |context, configuration_hash, ended| Root {
            context: ContextId(context),
            plugin: "auth".to_owned(),
            configuration_hash,
            ended,
            ..Root::default()
        };
        let mut vm = Vm::new(InstanceId([1; 16]), None);
        vm.plugins.extend((1..=3).map(|context| (context, "auth".to_owned())));
        let delivery = Delivery {
            instance: InstanceId([1; 16]),
            first_sequence: Sequence(1),
            roots: vec![root(1, 7, true), root(2, 8, true), root(3, 8, false)],
            ..Delivery::default()
        };
        vm.instance.receive(delivery, Micros(0));
        let mut report = PluginReport::default();
        report.add(&vm, "auth");
        let [its] = &report.vms[..] else { panic!("{:?}", report.vms) };
        assert_eq!(its.configurations, BTreeMap::from([(7, false), (8, true)]));
        assert!(its.runs());
    }
}
