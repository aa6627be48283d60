//! Instances: the list of those heard of lately, and a page for each.

use ::timeline::delivery::Root;
use ::timeline::ids::Micros;
use ::timeline::instance::InstanceStatus;
use ::timeline::script::seconds;

use super::escape::{Html, encoded};
use super::page::{page, text_or_dash};
use super::table::{first_rows, table};
use super::{plugin_page, words};
use crate::decode::SourceTotals;

/// An instance, and what its recorder says of itself.
#[derive(Clone, Debug)]
pub struct Instance {
    /// What the events say.
    pub status: InstanceStatus,
    /// What is wrong with it, clauses.
    pub troubles: Vec<String>,
    /// What its recorder counted; None: no count of it has come.
    pub at_source: Option<SourceTotals>,
}

/// Link to the page of an instance.
pub fn link(id: &str) -> String {
    format!("/instances/{}", encoded(id))
}

impl Instance {
    fn plugins(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.status.roots.iter().map(|r| r.plugin.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn state(&self) -> &'static str {
        let status = &self.status;
        if !status.black_box.is_empty() {
            "trapped"
        } else if status.silence.is_some() {
            "silent"
        } else if status.is_final {
            "ended"
        } else if !self.troubles.is_empty() {
            "turned down"
        } else if status.streams_seen == 0 {
            "no stream yet"
        } else {
            "records"
        }
    }
}

const COLUMNS: [&str; 8] = [
    "Instance",
    "State",
    "Plugins",
    "Node",
    "Recorder",
    "Streams seen",
    "Gaps",
    "Events lost at source",
];

/// The list.
pub fn instances_page(instances: &[Instance]) -> String {
    page("Instances", false, |html| {
        html.leaf("h1", &[], "Instances");
        let what = "VMs that this collector has heard of lately. Each worker of a proxy has one for \
                    each plugin, and so has its main thread.";
        html.leaf("p", &[], what);
        if instances.is_empty() {
            html.leaf("p", &[("class", "faint")], "No instance has been heard of yet.");
        }
        first_rows(html, "Instances", &COLUMNS, instances.iter(), |html, instance| {
            let status = &instance.status;
            let id = status.id.to_string();
            html.element("td", &[], |html| {
                html.element("a", &[("href", &link(&id))], |html| html.leaf("code", &[], &id));
            });
            html.leaf("td", &[], instance.state());
            let plugins = instance.plugins().join(", ");
            let lost = instance.at_source.map(|counted| counted.events_lost.to_string());
            for text in [
                words::shortened(&plugins, 120),
                words::shortened(&status.node, 120),
                status.module.tracer_version.clone(),
                status.streams_seen.to_string(),
                status.gaps.len().to_string(),
                lost.unwrap_or_default(),
            ] {
                html.element("td", &[("class", "path")], |html| text_or_dash(html, &text));
            }
        });
        html.element("p", &[("class", "links")], |html| {
            html.leaf("a", &[("href", "/api/v1/instances")], "all as JSON");
        });
    })
}

/// The page of an instance.
pub fn instance_page(instance: &Instance) -> String {
    let status = &instance.status;
    let id = status.id.to_string();
    page(&format!("Instance {id}"), false, |html| {
        html.leaf("h1", &[], &format!("Instance {id}"));
        facts(html, instance);
        wrong(html, instance);
        last_words(html, status);
        roots(html, &status.roots);
        at_source(html, instance);
        gaps(html, status);
    })
}

fn facts(html: &mut Html, instance: &Instance) {
    let status = &instance.status;
    let module = &status.module;
    let facts = [
        ("State", instance.state().to_owned()),
        ("Node", status.node.to_string()),
        ("Recorder", module.tracer_version.clone()),
        ("SDK (a guess)", module.sdk.clone()),
        ("ABI", module.abi.map(|abi| abi.name().to_owned()).unwrap_or_default()),
        ("Instrumented for", module.host.map(words::host).unwrap_or_default().to_owned()),
        ("Streams seen", status.streams_seen.to_string()),
        ("Open timelines", status.open_timelines.to_string()),
        ("Known up to", format!("{} of its clock", seconds(status.known_until))),
    ];
    html.element("dl", &[("class", "facts")], |html| {
        for (name, value) in facts {
            html.element("div", &[], |html| {
                html.leaf("dt", &[], name);
                html.element("dd", &[], |html| text_or_dash(html, &value));
            });
        }
    });
    if status.streams_seen == 0 {
        let why = "It has seen no stream so far: the VM of the main thread never does, nor does the \
                   one in which a configuration is tried.";
        html.leaf("p", &[("class", "faint")], why);
    }
    if status.is_final {
        let why = "It said that no more comes: its last root context ended.";
        html.leaf("p", &[("class", "faint")], why);
    }
}

fn wrong(html: &mut Html, instance: &Instance) {
    let refused = instance.at_source.map_or(0, |counted| counted.shipments_refused);
    let refused = (refused > 0).then(|| {
        format!(
            "the host refused {} of its recorder: the cluster that leads to this collector was not \
             known to it at those times, or took no more",
            words::count(refused as usize, "shipment", "shipments")
        )
    });
    let clauses: Vec<&String> = instance.troubles.iter().chain(&refused).collect();
    if clauses.is_empty() {
        return;
    }
    html.element("section", &[("class", "troubles")], |html| {
        html.leaf("h2", &[], "What is wrong");
        html.element("ul", &[], |html| {
            for clause in clauses {
                html.leaf("li", &[], clause);
            }
        });
    });
}

/// What the plugin wrote before the VM trapped.
fn last_words(html: &mut Html, status: &InstanceStatus) {
    for open in status.black_box.iter().filter(|open| !open.last_log.is_empty()) {
        html.element("section", &[("class", "last-words")], |html| {
            let callback = open.callback.map_or("a callback", |callback| callback.row().name);
            let head = format!("Last words in {callback} of context {}", open.context);
            html.leaf("h2", &[], &head);
            let text = open.last_log.trim_end();
            html.leaf("pre", &[("class", "scroll"), ("tabindex", "0")], text);
        });
    }
}

const ROOT_COLUMNS: [&str; 5] = ["Plugin", "Root id", "Context", "Since", "Until"];

fn roots(html: &mut Html, roots: &[std::sync::Arc<Root>]) {
    html.leaf("h2", &[], "Roots: a plugin with one configuration each");
    first_rows(html, "Roots", &ROOT_COLUMNS, roots.iter().rev(), |html, root| {
        html.element("td", &[("class", "path")], |html| match root.plugin.as_str() {
            "" => text_or_dash(html, ""),
            plugin => html.leaf("a", &[("href", &plugin_page::link(plugin))], plugin),
        });
        html.element("td", &[("class", "path")], |html| text_or_dash(html, &root.root_id));
        html.leaf("td", &[], &root.context.to_string());
        html.leaf("td", &[], &since(root.since));
        html.leaf("td", &[], if root.ended { "it ended" } else { "it lives" });
    });
}

fn since(at: Micros) -> String {
    format!("{} s", seconds(at))
}

const COUNTED: [&str; 2] = ["Since the instance began", "Count"];

fn at_source(html: &mut Html, instance: &Instance) {
    html.leaf("h2", &[], "What its recorder counted");
    let Some(counted) = instance.at_source else {
        html.leaf("p", &[("class", "faint")], "No count of it has come.");
        return;
    };
    let lines = [
        ("events made", counted.events),
        ("events lost before they were shipped", counted.events_lost),
        ("streams not recorded, its buffer being nearly full", counted.streams_refused),
        ("streams that it had no room to watch", counted.streams_not_watched),
        ("shipments that the host refused", counted.shipments_refused),
        ("log lines of plugins that it had no room for", counted.log_lines_dropped),
        ("times that it turned itself down", counted.fuse_trips),
        ("bytes of the VM's memory", counted.memory_bytes),
    ];
    table(html, "Counts", &COUNTED, lines.iter(), |html, (what, count)| {
        html.leaf("td", &[], what);
        html.leaf("td", &[("class", "duration")], &count.to_string());
    });
}

const GAP_COLUMNS: [&str; 2] = ["Events", "Why they are missing"];

fn gaps(html: &mut Html, status: &InstanceStatus) {
    if status.gaps.is_empty() {
        return;
    }
    html.leaf("h2", &[], "Gaps, the most recent first");
    first_rows(html, "Gaps", &GAP_COLUMNS, status.gaps.iter().rev(), |html, gap| {
        html.leaf("td", &[], &format!("#{} to #{}", gap.from, gap.to));
        html.leaf("td", &[("class", "path")], &gap.reason);
    });
}
