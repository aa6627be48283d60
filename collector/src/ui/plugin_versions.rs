//! What was found in a plugin by its version: the module that was instrumented, and its configuration.

use std::collections::{BTreeMap, HashMap};

use super::bars::bars;
use super::escape::Html;
use super::page::text_or_dash;
use super::phrases as said;
use super::plugin_page::{PluginView, SLOTS, Stretch};
use super::table::first_rows;
use super::words::hex;

/// A module by its SHA-256, as far as it is known, and the hash of a configuration.
type Version = (Option<[u8; 32]>, u64);

/// Of one version.
#[derive(Default)]
struct Told {
    instances: usize,
    runs: usize,
    findings: u64,
    over_time: [u64; SLOTS],
}

/// Bytes of a hash that tell versions apart for people.
pub const SHOWN: usize = 6;

/// The table. Findings of instances that are forgotten have a configuration, and no module.
pub fn versions(html: &mut Html, view: &PluginView) {
    let mut told: BTreeMap<Version, Told> = BTreeMap::new();
    let mut modules = HashMap::new();
    for vm in &view.counted.vms {
        modules.insert(vm.instance, vm.original);
        for (configuration, runs) in &vm.configurations {
            let version = told.entry((vm.original, *configuration)).or_default();
            version.instances += 1;
            version.runs += usize::from(*runs);
        }
    }
    let stretch = Stretch::of(&view.found);
    for timeline in &view.found {
        let module = modules.get(&timeline.instance).copied().flatten();
        let version = told.entry((module, timeline.root.configuration_hash)).or_default();
        let count = timeline.findings.len() as u64;
        version.findings += count;
        if let Some(slot) = stretch.slot(timeline) {
            version.over_time[slot] += count;
        }
    }
    if told.is_empty() {
        return;
    }
    html.said("h2", &[], &said::BY_VERSION);
    html.said("p", &[("class", "faint")], &said::BY_VERSION_HOW);
    let columns = [
        &said::ORIGINAL_MODULE,
        &said::CONFIGURATION,
        &said::INSTANCES,
        &said::RUN_IT,
        &said::FINDINGS,
        &said::OVER_TIME_COLUMN,
    ];
    first_rows(html, &said::BY_VERSION, &columns, told.iter(), |html, (version, told)| {
        let (module, configuration) = version;
        let module = module.map(|hash| hex(&hash[..SHOWN])).unwrap_or_default();
        let configuration = match configuration {
            0 => String::new(),
            known => format!("{known:016x}"),
        };
        for text in [module, configuration] {
            html.element("td", &[("class", "path")], |html| match text.as_str() {
                "" => text_or_dash(html, ""),
                text => html.leaf("code", &[], text),
            });
        }
        for count in [told.instances as u64, told.runs as u64, told.findings] {
            html.leaf("td", &[("class", "duration")], &count.to_string());
        }
        let label = html.filled(&said::BARS, &[&format!("{:?}", told.over_time)]);
        html.element("td", &[], |html| bars(html, "wt-lost", &told.over_time, &label));
    });
}
