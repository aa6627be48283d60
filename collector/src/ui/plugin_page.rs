//! Plugins: the list, and a page for each with its calls, its phases, its findings and its VMs.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::timeline::Timeline;
use ::timeline::finding::Severity;
use ::timeline::ids::Micros;
use abi::{Callback, Kind, Returns};

use super::bars::{bars, histogram};
use super::escape::{Html, encoded};
use super::language::Speech;
use super::list::{self, Row};
use super::page::{badge, page, text_or_dash};
use super::phrases as said;
use super::plugin_versions::{SHOWN, versions};
use super::table::{first_rows, table};
use super::{diagnosis_page, instance_page, words};
use crate::config::Links;
use crate::metrics::Buckets;
use crate::pipeline::{PluginReport, PluginVm};

/// Timelines shown as recent findings.
const RECENT: usize = 20;
/// Stretches of time that findings are counted in.
pub const SLOTS: usize = 24;

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

/// A cell with the name of a plugin that leads to its page.
pub fn named(html: &mut Html, plugin: &str) {
    html.element("td", &[("class", "path")], |html| match plugin {
        "" => text_or_dash(html, ""),
        plugin => html.leaf("a", &[("href", &link(plugin))], plugin),
    });
}

/// The list.
pub fn plugins_page(speech: &Speech, plugins: &[PluginLine]) -> String {
    page(speech, said::PLUGINS.of(speech.language), None, |html| {
        html.said("h1", &[], &said::PLUGINS);
        if plugins.is_empty() {
            html.said("p", &[("class", "faint")], &said::NO_PLUGIN);
        }
        let columns = [&said::PLUGIN, &said::RUN_IT];
        first_rows(html, &said::PLUGINS, &columns, plugins.iter(), |html, line| {
            named(html, &line.plugin);
            html.leaf("td", &[], &line.instances.to_string());
        });
    })
}

/// The page of a plugin.
pub fn plugin_page(speech: &Speech, links: &Links, view: &PluginView) -> String {
    let shown = words::shortened(&view.plugin, 80);
    page(speech, &said::PLUGIN_OF.with(speech.language, &[&shown]), None, |html| {
        html.element("h1", &[("class", "path")], |html| text_or_dash(html, &view.plugin));
        let all = format!("/?plugin={}", encoded(&view.plugin));
        html.element("p", &[("class", "links")], |html| {
            html.said("a", &[("href", &all)], &said::ITS_TIMELINES);
            if let Some(there) = links.grafana_of_plugin(&encoded(&view.plugin)) {
                html.text(" · ");
                html.said("a", &[("href", &there)], &said::GRAFANA);
            }
        });
        findings(html, view);
        versions(html, view);
        calls(html, &view.counted);
        pauses(html, &view.counted);
        actions(html, &view.counted);
        phases(html, &view.latest);
        vms(html, &view.counted);
        let rows: Vec<Row> = view.found.iter().take(RECENT).map(|t| Row::of(t)).collect();
        if !rows.is_empty() {
            html.said("h2", &[], &said::RECENT_FINDINGS);
            list::table(html, &rows);
        }
    })
}

/// Of a diagnosis, in the timelines that are looked at.
struct Found {
    severity: Severity,
    count: usize,
    latest: Option<u64>,
    over_time: [u64; SLOTS],
}

/// The time in which some timelines began, in [`SLOTS`] equal parts.
pub struct Stretch {
    first: u64,
    last: u64,
}

impl Stretch {
    /// Of these.
    pub fn of(timelines: &[Arc<Timeline>]) -> Stretch {
        let times = timelines.iter().filter_map(|timeline| began(timeline));
        Stretch { first: times.clone().min().unwrap_or(0), last: times.max().unwrap_or(0) }
    }

    /// The part in which one of them began; None: no clock was read.
    pub fn slot(&self, timeline: &Timeline) -> Option<usize> {
        let since = began(timeline)?.saturating_sub(self.first);
        let share = since as f64 / self.last.saturating_sub(self.first).max(1) as f64;
        Some(((share * SLOTS as f64) as usize).min(SLOTS - 1))
    }
}

fn began(timeline: &Timeline) -> Option<u64> {
    timeline.wall_nanos(timeline.started())
}

fn findings(html: &mut Html, view: &PluginView) {
    html.said("h2", &[], &said::OVER_TIME);
    if view.found.is_empty() {
        html.said("p", &[("class", "faint")], &said::NONE_IN_ITS);
        return;
    }
    let stretch = Stretch::of(&view.found);
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
            found.latest = found.latest.max(began(timeline));
            if let Some(slot) = stretch.slot(timeline) {
                found.over_time[slot] += 1;
            }
        }
    }
    let time = |nanos: u64| words::rfc3339(nanos).map(|time| words::readable_time(&time));
    let unknown = || html.words(&said::UNKNOWN_TIME).to_owned();
    let since = time(stretch.first).filter(|_| stretch.first > 0).unwrap_or_else(unknown);
    let count = view.found.len().to_string();
    let how = html.filled(&said::OF_LATEST_FOUND, &[&count, &since]);
    html.leaf("p", &[("class", "faint")], &how);
    let mut lines: Vec<(&str, Found)> = by_code.into_iter().collect();
    lines.sort_by_key(|(_, found)| std::cmp::Reverse((found.severity, found.count)));
    let columns = [
        &said::AT_WORST_COLUMN,
        &said::DIAGNOSIS,
        &said::FINDINGS,
        &said::OVER_TIME_COLUMN,
        &said::LATEST,
    ];
    table(html, &said::OVER_TIME, &columns, lines.into_iter(), |html, (code, found)| {
        html.element("td", &[], |html| badge(html, Some(found.severity), false));
        html.element("td", &[("class", "path")], |html| diagnosis_page::named(html, code));
        html.leaf("td", &[("class", "duration")], &found.count.to_string());
        let label = html.filled(&said::BARS, &[&format!("{:?}", found.over_time)]);
        html.element("td", &[], |html| bars(html, "wt-lost", &found.over_time, &label));
        let latest = found.latest.and_then(time).unwrap_or_default();
        html.element("td", &[("class", "started")], |html| text_or_dash(html, &latest));
    });
}

fn calls(html: &mut Html, counted: &PluginReport) {
    html.said("h2", &[], &said::CALLS);
    if counted.calls.is_empty() {
        html.said("p", &[("class", "faint")], &said::NO_CALL);
        return;
    }
    html.said("p", &[("class", "faint")], &said::AS_COUNTED);
    let columns = [
        &said::CLUSTER,
        &said::OUTCOME,
        &said::CALLS,
        &said::MEAN,
        &said::HALF_WITHIN,
        &said::MOST_WITHIN,
        &said::DISTRIBUTION,
    ];
    first_rows(html, &said::CALLS, &columns, counted.calls.iter(), |html, (key, counted)| {
        let (cluster, outcome) = key;
        let (count, times) = counted;
        html.element("td", &[("class", "path")], |html| text_or_dash(html, cluster));
        html.said("td", &[], words::outcome(outcome));
        html.leaf("td", &[("class", "duration")], &count.to_string());
        durations(html, times);
    });
}

fn pauses(html: &mut Html, counted: &PluginReport) {
    if counted.pauses.is_empty() {
        return;
    }
    html.said("h2", &[], &said::HOW_LONG_HELD);
    html.said("p", &[("class", "faint")], &said::AS_COUNTED);
    let columns = [
        &said::HELD,
        &said::TIMES,
        &said::MEAN,
        &said::HALF_WITHIN,
        &said::MOST_WITHIN,
        &said::DISTRIBUTION,
    ];
    table(html, &said::HOLDS, &columns, counted.pauses.iter(), |html, (direction, times)| {
        html.said("td", &[], words::direction(*direction));
        html.leaf("td", &[("class", "duration")], &times.count().to_string());
        durations(html, times);
    });
}

/// Mean, within what time half and 99 % of them were, and all of them as bars.
fn durations(html: &mut Html, times: &Buckets) {
    let within = |percent| times.within(percent).map(words::span);
    for shown in [times.mean().map(words::span), within(50), within(99)] {
        html.element("td", &[("class", "duration")], |html| {
            text_or_dash(html, &shown.unwrap_or_default());
        });
    }
    html.element("td", &[], |html| match times.count() {
        0 => text_or_dash(html, ""),
        _ => histogram(html, times),
    });
}

/// What its phases returned, in the words of the script notation.
fn actions(html: &mut Html, counted: &PluginReport) {
    let mut returned: Vec<(Callback, u32, u64)> = Vec::new();
    for ((kind, action), count) in &counted.phases {
        if let Some(callback) = Callback::from_number(*kind)
            && callback.row().returns == Returns::Action
        {
            returned.push((callback, *action, *count));
        }
    }
    if returned.is_empty() {
        return;
    }
    html.said("h2", &[], &said::WHAT_RETURNED);
    html.said("p", &[("class", "faint")], &said::COUNTED_EACH);
    let columns = [&said::PHASE, &said::RETURNED, &said::TIMES];
    first_rows(html, &said::WHAT_RETURNED, &columns, returned.iter(), |html, line| {
        let (callback, action, count) = line;
        html.element("td", &[], |html| html.leaf("code", &[], callback.row().name));
        html.element("td", &[], |html| html.leaf("code", &[], &words::action(*action)));
        html.leaf("td", &[("class", "duration")], &count.to_string());
    });
}

fn phases(html: &mut Html, latest: &[Arc<Timeline>]) {
    html.said("h2", &[], &said::TIME_IN);
    let mut by_callback: BTreeMap<&str, Vec<Micros>> = BTreeMap::new();
    let events = latest.iter().flat_map(|timeline| {
        timeline.events.iter().filter(move |e| e.is_timed() && !timeline.is_told_of(e))
    });
    for event in events {
        if let Kind::Callback(callback) = event.kind {
            by_callback.entry(callback.row().name).or_default().push(event.took);
        }
    }
    if latest.is_empty() {
        html.said("p", &[("class", "faint")], &said::NO_TIMELINE);
        return;
    }
    let how = html.filled(&said::FROM_LATEST, &[&latest.len().to_string()]);
    html.leaf("p", &[("class", "faint")], &how);
    let by_callback = by_callback.into_iter().map(|(name, took)| (Some(name), took));
    let whole = latest.iter().filter_map(|timeline| timeline.plugin_time()).collect();
    let lines = std::iter::once((None, whole)).chain(by_callback);
    let columns = [&said::CALLBACK, &said::TIMES, &said::MEDIAN, &said::LONGEST, &said::IN_ALL];
    table(html, &said::TIME_IN, &columns, lines, |html, (name, mut took)| {
        took.sort_unstable();
        let longest = took.last().copied();
        let all = longest.map(|_| Micros(took.iter().map(|took| took.0).sum()));
        html.element("td", &[], |html| match name {
            Some(name) => html.leaf("code", &[], name),
            None => html.say(&said::ALL_OF_ONE),
        });
        html.leaf("td", &[("class", "duration")], &took.len().to_string());
        for span in [took.get(took.len() / 2).copied(), longest, all] {
            let shown = span.map(words::span).unwrap_or_default();
            html.element("td", &[("class", "duration")], |html| text_or_dash(html, &shown));
        }
    });
}

fn vms(html: &mut Html, counted: &PluginReport) {
    html.said("h2", &[], &said::INSTANCES);
    if counted.vms.is_empty() {
        html.said("p", &[("class", "faint")], &said::NO_VM);
        return;
    }
    let columns = [
        &said::INSTANCE,
        &said::NODE,
        &said::ORIGINAL_MODULE,
        &said::RUNS_IT,
        &said::STREAMS_SEEN,
        &said::VM_MEMORY,
    ];
    first_rows(html, &said::INSTANCES, &columns, counted.vms.iter(), vm_row);
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
    html.element("td", &[("class", "path")], |html| match vm.original {
        Some(hash) => html.leaf("code", &[], &words::hex(&hash[..SHOWN])),
        None => text_or_dash(html, ""),
    });
    html.said("td", &[], if vm.runs() { &said::YES } else { &said::NO_LONGER });
    html.leaf("td", &[("class", "duration")], &vm.streams_seen.to_string());
    let memory = vm.at_source.filter(|counted| counted.memory_bytes > 0);
    let memory = memory.map(|c| format!("{:.1} MiB", c.memory_bytes as f64 / 1_048_576.0));
    html.element("td", &[("class", "duration")], |html| {
        text_or_dash(html, &memory.unwrap_or_default());
    });
}
