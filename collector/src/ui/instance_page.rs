//! Instances: the list of those heard of lately, and a page for each.

use ::timeline::delivery::Root;
use ::timeline::ids::Micros;
use ::timeline::instance::InstanceStatus;
use ::timeline::script::seconds;

use super::escape::{Html, encoded};
use super::language::Speech;
use super::page::{page, text_or_dash};
use super::phrases::{self as said, Phrase};
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
    /// SHA-256 of the module that was instrumented; None: its recorder does not say.
    pub original: Option<[u8; 32]>,
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

    fn state(&self) -> &'static Phrase {
        let status = &self.status;
        if !status.black_box.is_empty() {
            &said::TRAPPED
        } else if status.silence.is_some() {
            &said::SILENT
        } else if status.is_final {
            &said::ENDED
        } else if !self.troubles.is_empty() {
            &said::TURNED_DOWN
        } else if status.streams_seen == 0 {
            &said::NO_STREAM_YET
        } else {
            &said::RECORDS
        }
    }
}

const COLUMNS: [&Phrase; 8] = [
    &said::INSTANCE,
    &said::STATE,
    &said::PLUGINS,
    &said::NODE,
    &said::RECORDER,
    &said::STREAMS_SEEN,
    &said::GAPS,
    &said::LOST_AT_SOURCE,
];

/// The list.
pub fn instances_page(speech: &Speech, instances: &[Instance]) -> String {
    page(speech, said::INSTANCES.of(speech.language), None, |html| {
        html.said("h1", &[], &said::INSTANCES);
        html.said("p", &[], &said::ABOUT_INSTANCES);
        if instances.is_empty() {
            html.said("p", &[("class", "faint")], &said::NO_INSTANCE);
        }
        first_rows(html, &said::INSTANCES, &COLUMNS, instances.iter(), |html, instance| {
            let status = &instance.status;
            let id = status.id.to_string();
            html.element("td", &[], |html| {
                html.element("a", &[("href", &link(&id))], |html| html.leaf("code", &[], &id));
            });
            html.said("td", &[], instance.state());
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
            html.said("a", &[("href", "/api/v1/instances")], &said::ALL_AS_JSON);
        });
    })
}

/// The page of an instance.
pub fn instance_page(speech: &Speech, instance: &Instance) -> String {
    let status = &instance.status;
    let id = status.id.to_string();
    page(speech, &said::INSTANCE_OF.with(speech.language, &[&id]), None, |html| {
        let head = html.filled(&said::INSTANCE_OF, &[&id]);
        html.leaf("h1", &[("class", "path")], &head);
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
    let host = module.host.map(|host| html.words(words::host(host)));
    let facts = [
        (&said::STATE, html.words(instance.state()).to_owned()),
        (&said::NODE, status.node.to_string()),
        (&said::RECORDER, module.tracer_version.clone()),
        (
            &said::ORIGINAL_MODULE,
            instance.original.map(|hash| words::hex(&hash)).unwrap_or_default(),
        ),
        (&said::SDK, module.sdk.clone()),
        (&said::ABI, module.abi.map(|abi| abi.name().to_owned()).unwrap_or_default()),
        (&said::INSTRUMENTED_FOR, host.unwrap_or_default().to_owned()),
        (&said::STREAMS_SEEN, status.streams_seen.to_string()),
        (&said::OPEN_TIMELINES, status.open_timelines.to_string()),
        (&said::KNOWN_UP_TO, html.filled(&said::OF_ITS_CLOCK, &[&seconds(status.known_until)])),
    ];
    html.element("dl", &[("class", "facts")], |html| {
        for (name, value) in facts {
            html.element("div", &[], |html| {
                html.said("dt", &[], name);
                html.element("dd", &[], |html| text_or_dash(html, &value));
            });
        }
    });
    if status.streams_seen == 0 {
        html.said("p", &[("class", "faint")], &said::NO_STREAM_WHY);
    }
    if status.is_final {
        html.said("p", &[("class", "faint")], &said::FINAL_WHY);
    }
}

fn wrong(html: &mut Html, instance: &Instance) {
    let refused = instance.at_source.map_or(0, |counted| counted.shipments_refused);
    let refused = (refused > 0).then(|| html.filled(&said::REFUSED, &[&refused.to_string()]));
    let clauses: Vec<&String> = instance.troubles.iter().chain(&refused).collect();
    if clauses.is_empty() {
        return;
    }
    html.element("section", &[("class", "troubles")], |html| {
        html.said("h2", &[], &said::WHAT_IS_WRONG);
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
            let unnamed = html.words(&said::A_CALLBACK);
            let callback = open.callback.map_or(unnamed, |callback| callback.row().name);
            let context = open.context.to_string();
            let head = html.filled(&said::LAST_WORDS_IN, &[callback, &context]);
            html.leaf("h2", &[], &head);
            let text = open.last_log.trim_end();
            html.leaf("pre", &[("class", "scroll"), ("tabindex", "0")], text);
        });
    }
}

const ROOT_COLUMNS: [&Phrase; 5] =
    [&said::PLUGIN, &said::ROOT_ID, &said::CONTEXT, &said::SINCE, &said::UNTIL];

fn roots(html: &mut Html, roots: &[std::sync::Arc<Root>]) {
    html.said("h2", &[], &said::ROOTS_HEAD);
    first_rows(html, &said::ROOTS, &ROOT_COLUMNS, roots.iter().rev(), |html, root| {
        plugin_page::named(html, &root.plugin);
        html.element("td", &[("class", "path")], |html| text_or_dash(html, &root.root_id));
        html.leaf("td", &[], &root.context.to_string());
        html.leaf("td", &[], &since(root.since));
        html.said("td", &[], if root.ended { &said::IT_ENDED } else { &said::IT_LIVES });
    });
}

fn since(at: Micros) -> String {
    format!("{} s", seconds(at))
}

const COUNTED: [&Phrase; 2] = [&said::SINCE_BEGAN, &said::COUNT];

fn at_source(html: &mut Html, instance: &Instance) {
    html.said("h2", &[], &said::COUNTED_HEAD);
    let Some(counted) = instance.at_source else {
        html.said("p", &[("class", "faint")], &said::NO_COUNT);
        return;
    };
    let lines = [
        (&said::EVENTS_MADE, counted.events),
        (&said::EVENTS_LOST, counted.events_lost),
        (&said::STREAMS_REFUSED, counted.streams_refused),
        (&said::STREAMS_UNWATCHED, counted.streams_not_watched),
        (&said::SHIPMENTS_REFUSED, counted.shipments_refused),
        (&said::LINES_DROPPED, counted.log_lines_dropped),
        (&said::FUSE_TRIPS, counted.fuse_trips),
        (&said::MEMORY_BYTES, counted.memory_bytes),
    ];
    table(html, &said::COUNTS, &COUNTED, lines.iter(), |html, (what, count)| {
        html.said("td", &[], what);
        html.leaf("td", &[("class", "duration")], &count.to_string());
    });
}

const GAP_COLUMNS: [&Phrase; 2] = [&said::EVENTS, &said::WHY_MISSING];

fn gaps(html: &mut Html, status: &InstanceStatus) {
    if status.gaps.is_empty() {
        return;
    }
    html.said("h2", &[], &said::GAPS_HEAD);
    first_rows(html, &said::GAPS, &GAP_COLUMNS, status.gaps.iter().rev(), |html, gap| {
        let range = [gap.from.to_string(), gap.to.to_string()];
        html.leaf("td", &[], &html.filled(&said::GAP_RANGE, &[&range[0], &range[1]]));
        html.english("td", &[("class", "path")], &gap.reason);
    });
}
