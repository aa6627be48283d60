//! The page of one timeline: facts, drawing, findings, what could not be said, events.

use std::collections::HashMap;

use ::timeline::black_box::Panic;
use ::timeline::event::{Event, Marks};
use ::timeline::finding::Finding;
use ::timeline::hold::is_ending;
use ::timeline::ids::{Micros, Sequence};
use ::timeline::script;
use ::timeline::{State, Timeline};
use abi::Kind;

use super::escape::Html;
use super::page::{badge, page, text_or_dash};
use super::{evidence, instance_page, plugin_page, request_page, svg, words};

/// Rows of the table of events; the script has them all.
const MOST_ROWS: usize = 2_000;

/// The page. `script` is the timeline in script notation.
pub fn timeline_page(timeline: &Timeline, script: &str) -> String {
    let title = match timeline.headline() {
        Some(finding) => format!("{} · {}", finding.code, timeline.root.plugin),
        None => format!("Timeline · {}", timeline.root.plugin),
    };
    page(&title, false, |html| {
        heading(html, timeline);
        facts(html, timeline);
        html.line();
        html.element("div", &[("class", "two")], |html| {
            html.element("div", &[("class", "left")], |html| {
                drawing(html, timeline);
                last_words(html, timeline);
                html.line();
                events(html, timeline);
                source(html, timeline, script);
            });
            html.line();
            html.element("aside", &[("class", "right"), ("aria-label", "Findings")], |html| {
                evidence::findings(html, timeline);
                evidence::unsaid(html, timeline);
            });
        });
    })
}

fn heading(html: &mut Html, timeline: &Timeline) {
    html.element("div", &[("class", "heading")], |html| {
        html.element("h1", &[], |html| {
            badge(html, timeline.severity(), timeline.state == State::Open);
            let stream = &timeline.stream;
            html.element("span", &[("class", "path")], |html| {
                if let Some(root) = timeline.root_phrase() {
                    html.text(&root);
                } else if stream.path.is_empty() {
                    html.text(&format!("context {}", timeline.context));
                } else {
                    html.leaf("b", &[], &stream.method);
                    html.text(" ");
                    html.text(&stream.path);
                }
            });
        });
    });
}

fn facts(html: &mut Html, timeline: &Timeline) {
    let stream = &timeline.stream;
    let started = timeline.wall_nanos(timeline.started()).and_then(words::rfc3339);
    let code = stream.response_code.map(|code| code.to_string()).unwrap_or_default();
    let host = timeline.dialect.host.map(words::host).unwrap_or_default();
    let state = match timeline.state {
        State::Open => format!("open, revision {}", timeline.revision),
        state => words::state(state).to_owned(),
    };
    let always = [
        ("Plugin", timeline.root.plugin.clone()),
        ("Request id", stream.request_id.clone()),
        ("Response", code),
        ("Started", started.as_deref().map(words::readable_time).unwrap_or_default()),
        ("Duration", words::span(timeline.duration())),
        ("State", state),
    ];
    let where_known = [
        ("Response details", stream.response_code_details.clone().unwrap_or_default()),
        ("Upstream", stream.upstream_address.clone().unwrap_or_default()),
        ("Termination", stream.connection_termination_details.clone().unwrap_or_default()),
        ("Transport failure", stream.upstream_transport_failure_reason.clone().unwrap_or_default()),
        ("Authority", stream.authority.clone()),
        ("Host", host.to_owned()),
        ("Node", timeline.node.to_string()),
    ];
    let generation = match timeline.generation {
        n if n == 0 || timeline.is_root() => String::new(),
        n => format!(", generation {n}"),
    };
    let context = match timeline.is_root() {
        true => format!("root {}", timeline.context),
        false => format!("{} of root {}{generation}", timeline.context, timeline.root.context),
    };
    let last = [("Context", context), ("Instance", timeline.instance.to_string())];
    let known = where_known.into_iter().filter(|(_, value)| !value.is_empty());
    html.element("dl", &[("class", "facts")], |html| {
        for (name, value) in always.into_iter().chain(known).chain(last) {
            let class = if name == "Instance" { "wide" } else { "" };
            html.element("div", &[("class", class)], |html| {
                html.leaf("dt", &[], name);
                html.element("dd", &[], |html| match name {
                    "Request id" if !value.is_empty() => {
                        html.leaf("a", &[("href", &request_page::link(&value))], &value);
                    }
                    "Plugin" if !value.is_empty() => {
                        html.leaf("a", &[("href", &plugin_page::link(&value))], &value);
                    }
                    "Instance" => {
                        html.leaf("a", &[("href", &instance_page::link(&value))], &value);
                    }
                    _ => text_or_dash(html, &value),
                });
            });
        }
    });
}

fn drawing(html: &mut Html, timeline: &Timeline) {
    html.element("figure", &[("class", "drawing scroll"), ("tabindex", "0")], |html| {
        html.append(svg::inline(timeline));
    });
}

/// What the plugin wrote before its VM trapped.
fn last_words(html: &mut Html, timeline: &Timeline) {
    let trapped = timeline.events.iter().rfind(|e| e.marks.has(Marks::UNFINISHED));
    let Some(trap) = trapped.filter(|e| !e.text.is_empty()) else { return };
    let text = trap.text_lossy();
    html.element("section", &[("class", "last-words")], |html| {
        html.leaf("h2", &[], "Last words of the plugin");
        if let Some(panic) = Panic::of(&text) {
            html.leaf("p", &[("class", "headline")], &panic.sentence());
        }
        html.leaf("pre", &[("class", "scroll"), ("tabindex", "0")], text.trim_end());
    });
}

fn events(html: &mut Html, timeline: &Timeline) {
    let proves = proofs(&timeline.findings);
    let end = timeline
        .events
        .iter()
        .filter(|e| matches!(e.kind, Kind::Callback(c) if is_ending(c)))
        .map(|e| e.at)
        .max();
    html.leaf("h2", &[], "Events");
    let region =
        [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", "Events")];
    html.element("div", &region, |html| {
        html.element("table", &[("class", "events")], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for name in ["After", "Event", "Proves"] {
                        html.leaf("th", &[("scope", "col")], name);
                    }
                });
            });
            html.element("tbody", &[], |html| {
                for event in timeline.events.iter().take(MOST_ROWS) {
                    let after = end.is_some_and(|end| event.at > end);
                    event_row(html, event, timeline.started(), after, &proves);
                }
            });
        });
    });
    if timeline.events.is_empty() {
        html.leaf("p", &[("class", "faint")], "No event of this stream has arrived.");
    }
    let more = timeline.events.len().saturating_sub(MOST_ROWS);
    if more > 0 {
        let words =
            format!("{} more: see the script notation.", words::count(more, "event", "events"));
        html.leaf("p", &[("class", "faint")], &words);
    }
}

/// For each event, the findings that it proves: number from 1 and code.
fn proofs(findings: &[Finding]) -> HashMap<Sequence, Vec<(usize, &str)>> {
    let mut proves: HashMap<Sequence, Vec<(usize, &str)>> = HashMap::new();
    for (at, finding) in findings.iter().enumerate() {
        for event in &finding.evidence.events {
            proves.entry(*event).or_default().push((at + 1, &finding.code));
        }
    }
    proves
}

fn event_row(
    html: &mut Html,
    event: &Event,
    started: Micros,
    after: bool,
    proves: &HashMap<Sequence, Vec<(usize, &str)>>,
) {
    let proven = proves.get(&event.sequence).map(Vec::as_slice).unwrap_or_default();
    let class = match (after, proven.is_empty()) {
        (true, true) => "after",
        (true, false) => "after proof",
        (false, false) => "proof",
        (false, true) => "",
    };
    let id = format!("e{}", event.sequence);
    html.line();
    html.element("tr", &[("id", &id), ("class", class)], |html| {
        let offset = format!("+{}", words::span(event.at.since(started)));
        html.leaf("td", &[("class", "offset")], &offset);
        html.element("td", &[], |html| {
            html.leaf("code", &[], &script::event_line(event));
            if after {
                html.leaf("em", &[], "after the end");
            }
        });
        html.element("td", &[], |html| {
            for (number, code) in proven {
                let link = format!("#f{number}");
                html.leaf("a", &[("href", &link), ("title", code)], &format!("finding {number}"));
                html.text(" ");
            }
        });
    });
}

fn source(html: &mut Html, timeline: &Timeline, script: &str) {
    html.element("details", &[("class", "source")], |html| {
        html.leaf("summary", &[], "Script notation");
        html.leaf("pre", &[("class", "scroll"), ("tabindex", "0")], script);
    });
    let api = format!("/api/v1/timelines/{}", timeline.id);
    html.element("p", &[("class", "links")], |html| {
        html.leaf("a", &[("href", &format!("{api}?as=text"))], "download as script");
        html.text(" · ");
        html.leaf("a", &[("href", &format!("{api}?as=json"))], "download as JSON");
        html.text(" · ");
        let trace = "download as a trace for Perfetto";
        html.leaf("a", &[("href", &format!("{api}?as=chrome"))], trace);
    });
}
