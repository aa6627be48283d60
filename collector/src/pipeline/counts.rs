//! What is added to the collector's metrics: of what recorders counted the differences, so nothing twice,
//! and what closed timelines say.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use timeline::calls::Call;
use timeline::finding::Finding;
use timeline::timeline::Timeline;

use super::vm::Vm;
use crate::decode::SourceCounters;
use crate::metrics::{
    Buckets, CallLabels, CallTimeLabels, Exemplar, FindingLabels, Metrics, Names, PauseLabels,
    PluginLabel,
};

/// Adds what a recorder counted since `before`. `plugins`: names by root.
pub(super) fn count_sources(
    metrics: &Metrics,
    names: &mut Names,
    plugins: &BTreeMap<u32, String>,
    before: &SourceCounters,
    now: &SourceCounters,
) {
    let (all, had) = (now.totals(), before.totals());
    let counts = [
        (&metrics.events_lost_at_source, all.events_lost, had.events_lost),
        (&metrics.streams_refused_at_source, all.streams_refused, had.streams_refused),
        (&metrics.streams_not_watched_at_source, all.streams_not_watched, had.streams_not_watched),
        (&metrics.dispatches_rejected_at_source, all.shipments_refused, had.shipments_refused),
        (&metrics.log_lines_dropped_at_source, all.log_lines_dropped, had.log_lines_dropped),
        (&metrics.fuse_trips_at_source, all.fuse_trips, had.fuse_trips),
    ];
    for (counter, all, had) in counts {
        counter.inc_by(all.saturating_sub(had));
    }
    let plugin_of = |root: u32| plugins.get(&root).map_or("", String::as_str);
    for (key, count) in &now.calls {
        let more = count.saturating_sub(before.calls.get(key).copied().unwrap_or(0));
        if more > 0 {
            let (plugin, cluster) = names.pair(plugin_of(key.root), &key.cluster);
            let labels = CallLabels { plugin, cluster, outcome: key.outcome };
            metrics.calls.get_or_create(&labels).inc_by(more);
        }
    }
    for (key, times) in &now.call_times {
        if let Some(more) = more(times, before.call_times.get(key)) {
            let (plugin, cluster) = names.pair(plugin_of(key.root), &key.cluster);
            metrics.call_times.get_or_create(&CallTimeLabels { plugin, cluster }).add(&more);
        }
    }
    for (key, times) in &now.pauses {
        if let Some(more) = more(times, before.pauses.get(key)) {
            let (root, direction) = *key;
            let plugin = names.plugin(plugin_of(root));
            let labels = PauseLabels { plugin, direction: direction.name() };
            metrics.pause_times.get_or_create(&labels).add(&more);
        }
    }
}

fn more(now: &Buckets, before: Option<&Buckets>) -> Option<Buckets> {
    let more = before.map_or_else(|| now.clone(), |before| now.since(before));
    (more != Buckets::default()).then_some(more)
}

/// Counts a timeline that is closed for the first time.
pub(super) fn count_close(metrics: &Metrics, names: &mut Names, timeline: &Timeline) {
    metrics.closed.inc();
    let exemplar = || Some(Exemplar { trace_id: timeline.id.to_string() });
    let now = Some(SystemTime::now());
    if let Some(time) = timeline.plugin_time() {
        let plugin = PluginLabel { plugin: names.plugin(&timeline.root.plugin) };
        metrics.plugin_times.get_or_create(&plugin).observe(time.0 as f64 / 1e6, exemplar(), now);
    }
    for finding in &timeline.findings {
        let (plugin, cluster) = names.pair(&timeline.root.plugin, cluster_of(timeline, finding));
        let (code, severity) = (finding.code.clone(), finding.severity.name());
        let labels = FindingLabels { plugin, cluster, code, severity };
        metrics.findings.get_or_create(&labels).inc_by(1, exemplar(), now);
    }
}

/// The cluster of the call that a finding is about, else of the first that it cites; empty if it cites
/// none.
fn cluster_of<'a>(timeline: &'a Timeline, finding: &Finding) -> &'a str {
    let cites = |call: &&Call| finding.evidence.events.contains(&call.dispatch);
    let call = timeline.call_of(finding).or_else(|| timeline.calls.iter().find(cites));
    call.map_or("", |call| &call.cluster)
}

/// Sets how much memory the VMs have now.
pub(super) fn gauge_memory<'a>(
    metrics: &Metrics,
    names: &mut Names,
    vms: impl Iterator<Item = &'a Vm>,
) {
    let mut memory: HashMap<String, (i64, i64)> = HashMap::new();
    for vm in vms {
        let bytes = vm.counted.as_ref().map_or(0, |counted| counted.totals().memory_bytes as i64);
        let mut plugins: Vec<&String> = vm.plugins.values().collect();
        plugins.sort_unstable();
        plugins.dedup();
        for plugin in plugins {
            let (all, largest) = memory.entry(names.plugin(plugin)).or_default();
            *all += bytes;
            *largest = bytes.max(*largest);
        }
    }
    // Plugins that are gone have no memory. A scrape in between misses none that is there.
    for plugin in names.plugins() {
        let label = PluginLabel { plugin: plugin.to_owned() };
        match memory.get(plugin) {
            Some((all, largest)) => {
                metrics.memory.get_or_create(&label).set(*all);
                metrics.memory_largest.get_or_create(&label).set(*largest);
            }
            None => {
                metrics.memory.remove(&label);
                metrics.memory_largest.remove(&label);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::ids::InstanceId;
    use timeline::script;

    #[test]
    fn a_plugin_that_is_gone_has_no_memory_and_what_others_have_stays() {
        let (metrics, mut names) = (Metrics::new(), Names::new());
        let vm = |root: u32, plugin: &str| {
            let mut vm = Vm::new(InstanceId([root as u8; 16]), None);
            vm.plugins.insert(root, plugin.to_owned());
            vm.counted = Some(SourceCounters { memory_pages: root, ..SourceCounters::default() });
            vm
        };
        let vms = [vm(1, "auth"), vm(2, "quota"), vm(3, "quota")];
        gauge_memory(&metrics, &mut names, vms.iter());
        let of = |plugin: &str| {
            let label = PluginLabel { plugin: plugin.to_owned() };
            let pages = |bytes: i64| bytes / 65_536;
            let all = metrics.memory.get(&label).map(|bytes| pages(bytes.get()));
            all.zip(metrics.memory_largest.get(&label).map(|bytes| pages(bytes.get())))
        };
        assert_eq!((of("auth"), of("quota")), (Some((1, 1)), Some((5, 3))));
        gauge_memory(&metrics, &mut names, vms[1..2].iter());
        assert_eq!((of("auth"), of("quota")), (None, Some((2, 2))));
    }

    #[test]
    fn a_finding_is_counted_with_the_cluster_of_the_call_that_it_is_about() {
        let lines = r#"
            known_until 9.000000
            0.000000 #11 create 2 root 1
            0.000113 #13 request_headers 2 n=10 end -> pause
            0.000120 #12   dispatch http "quota" timeout=5s -> ok call 4
            0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
            0.202380 #14   set_effective_context context=2 -> ok
            0.202390 #15   dispatch http "auth" timeout=5s -> ok call 8
            0.402377 #18 http_call_response root 1 call 8 headers=3 body=2 code=500
            0.402380 #17   set_effective_context context=2 -> ok"#;
        let timeline = script::parse(lines).expect("a script");
        let [finding] = &timeline.findings[..] else { panic!("{:?}", timeline.findings) };
        assert_eq!(finding.code, "callback-ran-no-resume");
        let dispatches: Vec<_> = timeline.calls.iter().map(|call| call.dispatch).collect();
        assert_eq!(dispatches.len(), 2);
        assert!(dispatches.iter().all(|call| finding.evidence.events.contains(call)), "cites both");
        assert_eq!(cluster_of(&timeline, finding), "auth");
    }

    #[test]
    fn a_finding_about_no_call_is_counted_with_the_cluster_of_the_first_that_it_cites() {
        let lines = r#"
            known_until 9.000000
            0.000000 #11 create 2 root 1
            0.000113 #13 request_headers 2 n=10 end -> pause
            0.000120 #12   dispatch http "auth" timeout=5s -> bad_argument"#;
        let timeline = script::parse(lines).expect("a script");
        let finding = timeline.headline().expect("a finding");
        assert_eq!(timeline.call_of(finding), None);
        assert_eq!(cluster_of(&timeline, finding), "auth");
    }
}
