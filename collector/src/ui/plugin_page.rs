//! Plugins: the list, and a page for each with its calls, its phases, its findings and its VMs.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::timeline::Timeline;
use ::timeline::event::Event;
use ::timeline::finding::Severity;
use ::timeline::ids::Micros;
use abi::{Callback, Kind};

use super::escape::{Html, encoded};
use super::list::{self, Row};
use super::page::{badge, page, text_or_dash};
use super::table::{first_rows, table};
use super::{diagnosis_page, instance_page, words};
use crate::metrics::Buckets;
use crate::pipeline::{PluginReport, PluginVm};

/// Timelines shown as recent findings.
const RECENT: usize = 20;
/// Stretches of time that findings are counted in.
const SLOTS: usize = 24;

/// A plugin in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginLine {
    /// Its name.
    pub plugin: String,
    /// Instances that run it now.
    pub instances: usize,
}

/// What the page of a plugin shows.
#[derive(Clone, Debug, Default)]
pub struct PluginView {
    /// Its name.
    pub plugin: String,
    /// What its recorders counted.
    pub counted: PluginReport,
    /// Its latest timelines.
    pub latest: Vec<Arc<Timeline>>,
    /// Its latest timelines in which something was found.
    pub found: Vec<Arc<Timeline>>,
}

/// Link to the page of a plugin.
pub fn link(plugin: &str) -> String {
    format!("/plugins/{}", encoded(plugin))
}

/// The list.
pub fn plugins_page(plugins: &[PluginLine]) -> String {
    page("Plugins", false, |html| {
        html.leaf("h1", &[], "Plugins");
        if plugins.is_empty() {
            html.leaf("p", &[("class", "faint")], "No plugin has been heard of yet.");
        }
        let columns = ["Plugin", "Instances that run it"];
        first_rows(html, "Plugins", &columns, plugins.iter(), |html, line| {
            html.element("td", &[("class", "path")], |html| {
                html.leaf("a", &[("href", &link(&line.plugin))], &line.plugin);
            });
            html.leaf("td", &[], &line.instances.to_string());
        });
    })
}

/// The page of a plugin.
pub fn plugin_page(view: &PluginView) -> String {
    page(&format!("Plugin {}", words::shortened(&view.plugin, 80)), false, |html| {
        html.element("h1", &[("class", "path")], |html| text_or_dash(html, &view.plugin));
        let all = format!("/?plugin={}", encoded(&view.plugin));
        html.element("p", &[("class", "links")], |html| {
            html.leaf("a", &[("href", &all)], "its timelines");
        });
        findings(html, view);
        calls(html, &view.counted);
        pauses(html, &view.counted);
        phases(html, &view.latest);
        vms(html, &view.counted);
        let rows: Vec<Row> = view.found.iter().take(RECENT).map(|t| Row::of(t)).collect();
        if !rows.is_empty() {
            html.leaf("h2", &[], "Recent findings");
            list::table(html, &rows);
        }
    })
}

/// Of a diagnosis, in the timelines that are looked at.
struct Found {
    severity: Severity,
    count: usize,
    latest: Option<u64>,
    over_time: [usize; SLOTS],
}

fn findings(html: &mut Html, view: &PluginView) {
    html.leaf("h2", &[], "Findings over time");
    if view.found.is_empty() {
        html.leaf("p", &[("class", "faint")], "Nothing was found in its timelines.");
        return;
    }
    let at = |timeline: &Timeline| timeline.wall_nanos(timeline.started());
    let times = view.found.iter().filter_map(|timeline| at(timeline));
    let (first, last) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
    let mut by_code: BTreeMap<&str, Found> = BTreeMap::new();
    for timeline in &view.found {
        for finding in &timeline.findings {
            let found = by_code.entry(&finding.code).or_insert(Found {
                severity: finding.severity,
                count: 0,
                latest: None,
                over_time: [0; SLOTS],
            });
            found.severity = found.severity.max(finding.severity);
            found.count += 1;
            found.latest = found.latest.max(at(timeline));
            if let Some(at) = at(timeline) {
                let share = (at - first) as f64 / (last - first).max(1) as f64;
                found.over_time[((share * SLOTS as f64) as usize).min(SLOTS - 1)] += 1;
            }
        }
    }
    let time = |nanos: u64| words::rfc3339(nanos).map(|time| words::readable_time(&time));
    let since = time(first).filter(|_| first > 0).unwrap_or_else(|| "an unknown time".to_owned());
    let how = format!(
        "Of its latest {} in which something was found, since {since}.",
        words::count(view.found.len(), "timeline", "timelines")
    );
    html.leaf("p", &[("class", "faint")], &how);
    let mut lines: Vec<(&str, Found)> = by_code.into_iter().collect();
    lines.sort_by_key(|(_, found)| std::cmp::Reverse((found.severity, found.count)));
    let columns = ["At worst", "Diagnosis", "Findings", "Over time", "Latest"];
    table(html, "Findings over time", &columns, lines.into_iter(), |html, (code, found)| {
        html.element("td", &[], |html| badge(html, Some(found.severity), false));
        html.element("td", &[("class", "path")], |html| diagnosis_page::named(html, code));
        html.leaf("td", &[("class", "duration")], &found.count.to_string());
        html.element("td", &[], |html| bars(html, &found.over_time));
        let latest = found.latest.and_then(time).unwrap_or_default();
        html.element("td", &[("class", "started")], |html| text_or_dash(html, &latest));
    });
}

/// A bar for each stretch of time, the tallest one full.
fn bars(html: &mut Html, counts: &[usize; SLOTS]) {
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let label = format!("from the first stretch of time to the last: {counts:?}");
    let shape: [(&'static str, &str); 5] = [
        ("viewBox", "0 0 120 24"),
        ("width", "120"),
        ("height", "24"),
        ("role", "img"),
        ("aria-label", &label),
    ];
    html.element("svg", &shape, |html| {
        for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = (24 * count).div_ceil(most);
            let (x, y) = ((at * 5).to_string(), (24 - height).to_string());
            let height = height.to_string();
            let bar: [(&'static str, &str); 5] =
                [("class", "wt-lost"), ("x", &x), ("y", &y), ("width", "4"), ("height", &height)];
            html.void("rect", &bar);
        }
    });
}

const COUNTED: &str = "As its recorders counted, recorded or not, in the instances heard of lately and \
                       since each began. The mean is exact, the other times are upper bounds.";

fn calls(html: &mut Html, counted: &PluginReport) {
    html.leaf("h2", &[], "Calls");
    if counted.calls.is_empty() {
        html.leaf("p", &[("class", "faint")], "Its recorders have counted no call.");
        return;
    }
    html.leaf("p", &[("class", "faint")], COUNTED);
    let columns = ["Cluster", "Outcome", "Calls", "Mean", "Half within", "99 % within"];
    first_rows(html, "Calls", &columns, counted.calls.iter(), |html, (key, counted)| {
        let (cluster, outcome) = key;
        let (count, times) = counted;
        html.element("td", &[("class", "path")], |html| text_or_dash(html, cluster));
        html.leaf("td", &[], outcome);
        html.leaf("td", &[("class", "duration")], &count.to_string());
        durations(html, times);
    });
}

fn pauses(html: &mut Html, counted: &PluginReport) {
    if counted.pauses.is_empty() {
        return;
    }
    html.leaf("h2", &[], "How long streams were held");
    html.leaf("p", &[("class", "faint")], COUNTED);
    let columns = ["Held", "Times", "Mean", "Half within", "99 % within"];
    table(html, "Holds", &columns, counted.pauses.iter(), |html, (direction, times)| {
        html.leaf("td", &[], direction.name());
        html.leaf("td", &[("class", "duration")], &times.count().to_string());
        durations(html, times);
    });
}

/// Mean, and within what time half and 99 % of them were.
fn durations(html: &mut Html, times: &Buckets) {
    let within = |percent| times.within(percent).map(words::span);
    for shown in [times.mean().map(words::span), within(50), within(99)] {
        html.element("td", &[("class", "duration")], |html| {
            text_or_dash(html, &shown.unwrap_or_default());
        });
    }
}

fn phases(html: &mut Html, latest: &[Arc<Timeline>]) {
    html.leaf("h2", &[], "Time in the plugin");
    let mut by_callback: BTreeMap<&str, Vec<Micros>> = BTreeMap::new();
    let mut whole: Vec<Micros> = Vec::with_capacity(latest.len());
    let invocations = |timeline: &Timeline| -> Vec<(Callback, Micros)> {
        let one = |event: &Event| match event.kind {
            Kind::Callback(callback) => Some((callback, event.took)),
            _ => None,
        };
        timeline.events.iter().filter_map(one).collect()
    };
    for timeline in latest {
        let its = invocations(timeline);
        whole.push(Micros(its.iter().map(|(_, took)| took.0).sum()));
        for (callback, took) in its {
            by_callback.entry(callback.row().name).or_default().push(took);
        }
    }
    if latest.is_empty() {
        html.leaf("p", &[("class", "faint")], "It has no timeline.");
        return;
    }
    let how = format!(
        "From its latest {}, as recorded.",
        words::count(latest.len(), "timeline", "timelines")
    );
    html.leaf("p", &[("class", "faint")], &how);
    let lines = std::iter::once(("all of a timeline", whole)).chain(by_callback);
    let columns = ["Callback", "Times", "Median", "Longest", "In all"];
    table(html, "Time in the plugin", &columns, lines, |html, (name, mut took)| {
        took.sort_unstable();
        let all = Micros(took.iter().map(|took| took.0).sum());
        html.element("td", &[], |html| html.leaf("code", &[], name));
        html.leaf("td", &[("class", "duration")], &took.len().to_string());
        for span in [took.get(took.len() / 2), took.last(), Some(&all)] {
            let shown = span.map(|span| words::span(*span)).unwrap_or_default();
            html.leaf("td", &[("class", "duration")], &shown);
        }
    });
}

fn vms(html: &mut Html, counted: &PluginReport) {
    html.leaf("h2", &[], "Instances");
    if counted.vms.is_empty() {
        let none = "No instance that runs it has been heard of lately.";
        html.leaf("p", &[("class", "faint")], none);
        return;
    }
    let columns = ["Instance", "Node", "Runs it", "Streams seen", "Memory of the VM"];
    first_rows(html, "Instances", &columns, counted.vms.iter(), vm_row);
}

fn vm_row(html: &mut Html, vm: &PluginVm) {
    let id = vm.instance.to_string();
    html.element("td", &[], |html| {
        html.element("a", &[("href", &instance_page::link(&id))], |html| {
            html.leaf("code", &[], &id);
        });
    });
    let node = words::shortened(&vm.node, 120);
    html.element("td", &[("class", "path")], |html| text_or_dash(html, &node));
    html.leaf("td", &[], if vm.runs { "yes" } else { "no longer" });
    html.leaf("td", &[("class", "duration")], &vm.streams_seen.to_string());
    let memory = vm.at_source.filter(|counted| counted.memory_bytes > 0);
    let memory = memory.map(|c| format!("{:.1} MiB", c.memory_bytes as f64 / 1_048_576.0));
    html.element("td", &[("class", "duration")], |html| {
        text_or_dash(html, &memory.unwrap_or_default());
    });
}
