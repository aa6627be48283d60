//! The page of one timeline: facts, drawing, findings, what could not be said, events.

use std::collections::HashMap;

use ::timeline::black_box::Panic;
use ::timeline::event::{Event, Marks};
use ::timeline::finding::Finding;
use ::timeline::ids::{Micros, Sequence};
use ::timeline::script;
use ::timeline::{State, Timeline};

use super::escape::{Attributes, Html};
use super::language::Speech;
use super::page::{badge, page, text_or_dash};
use super::phrases::{self as said, Phrase};
use super::{evidence, instance_page, plugin_page, request_page, svg, words};
use crate::config::Links;

/// Rows of the table of events; the script has them all.
const MOST_ROWS: usize = 2_000;

/// The page. `script` is the timeline in script notation.
pub fn timeline_page(speech: &Speech, links: &Links, timeline: &Timeline, script: &str) -> String {
    let plugin = words::shortened(&timeline.root.plugin, 80);
    let title = match timeline.headline() {
        Some(finding) => format!("{} · {plugin}", finding.code),
        None => said::TIMELINE_OF.with(speech.language, &[&plugin]),
    };
    page(speech, &title, Some("copy.js"), |html| {
        heading(html, timeline);
        facts(html, timeline);
        html.line();
        html.element("div", &[("class", "two")], |html| {
            html.element("div", &[("class", "left")], |html| {
                svg::figure(html, timeline);
                last_words(html, timeline);
                html.line();
                events(html, timeline);
                source(html, timeline, script);
                elsewhere(html, links, timeline);
            });
            html.line();
            let label = html.words(&said::FINDINGS);
            html.element("aside", &[("class", "right"), ("aria-label", label)], |html| {
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
            html.element("span", &[("class", "path few")], |html| {
                if let Some(root) = timeline.root_phrase() {
                    html.english("span", &[], &root);
                } else if stream.path.is_empty() {
                    let context = timeline.context.to_string();
                    html.text(&html.filled(&said::CONTEXT_OF, &[&context]));
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
    let host = timeline.dialect.host.map(|host| html.words(words::host(host)));
    let state = match timeline.state {
        State::Open => html.filled(&said::OPEN_REVISION, &[&timeline.revision.to_string()]),
        state => html.words(words::state(state)).to_owned(),
    };
    let plugin = &timeline.root.plugin;
    let always = [
        (&said::PLUGIN, plugin.clone(), Some(plugin_page::link(plugin))),
        (
            &said::REQUEST_ID,
            stream.request_id.clone(),
            Some(request_page::link(&stream.request_id)),
        ),
        (&said::RESPONSE_FACT, code, None),
        (&said::STARTED, started.as_deref().map(words::readable_time).unwrap_or_default(), None),
        (&said::DURATION, words::span(timeline.duration()), None),
        (&said::STATE, state, None),
    ];
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let where_known: [(&Phrase, String, Option<String>); 7] = [
        (&said::RESPONSE_DETAILS, known(&stream.response_code_details), None),
        (&said::UPSTREAM, known(&stream.upstream_address), None),
        (&said::TERMINATION, known(&stream.connection_termination_details), None),
        (&said::TRANSPORT_FAILURE, known(&stream.upstream_transport_failure_reason), None),
        (&said::AUTHORITY, stream.authority.clone(), None),
        (&said::HOST, host.unwrap_or_default().to_owned(), None),
        (&said::NODE, timeline.node.to_string(), None),
    ];
    let context = [timeline.context, timeline.root.context].map(|context| context.to_string());
    let generation = timeline.generation.to_string();
    let context = match timeline.generation {
        _ if timeline.is_root() => html.filled(&said::A_ROOT, &[&context[0]]),
        0 => html.filled(&said::OF_ROOT, &[&context[0], &context[1]]),
        _ => html.filled(&said::OF_ROOT_AGAIN, &[&context[0], &context[1], &generation]),
    };
    let instance = timeline.instance.to_string();
    let there = instance_page::link(&instance);
    let last = [(&said::CONTEXT, context, None), (&said::INSTANCE, instance, Some(there.clone()))];
    let known = where_known.into_iter().filter(|(_, value, _)| !value.is_empty());
    html.element("dl", &[("class", "facts")], |html| {
        for (name, value, link) in always.into_iter().chain(known).chain(last) {
            // An id in small letters, which takes the room of two.
            let class = if link.as_ref() == Some(&there) { "wide" } else { "" };
            html.element("div", &[("class", class)], |html| {
                html.said("dt", &[], name);
                html.element("dd", &[], |html| match link {
                    Some(link) if !value.is_empty() => {
                        html.leaf("a", &[("href", &link)], &value);
                    }
                    _ => text_or_dash(html, &value),
                });
            });
        }
    });
}

/// What the plugin wrote before its VM trapped.
fn last_words(html: &mut Html, timeline: &Timeline) {
    let trapped = timeline.events.iter().rfind(|e| e.marks.has(Marks::UNFINISHED));
    let Some(trap) = trapped.filter(|e| !e.text.is_empty()) else { return };
    let text = trap.text_lossy();
    html.element("section", &[("class", "last-words")], |html| {
        html.said("h2", &[], &said::LAST_WORDS);
        if let Some(panic) = Panic::of(&text) {
            html.english("p", &[("class", "headline")], &panic.sentence());
        }
        html.leaf("pre", &[("class", "scroll"), ("tabindex", "0")], text.trim_end());
    });
}

fn events(html: &mut Html, timeline: &Timeline) {
    let proves = proofs(&timeline.findings);
    let end = timeline.events.iter().filter(|e| e.is_end()).map(|e| e.at).max();
    html.said("h2", &[], &said::EVENTS);
    let label = html.words(&said::EVENTS);
    let region =
        [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", label)];
    html.element("div", &region, |html| {
        html.element("table", &[("class", "events")], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for name in [&said::AFTER, &said::EVENT, &said::PROVES] {
                        html.said("th", &[("scope", "col")], name);
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
        html.said("p", &[("class", "faint")], &said::NO_EVENT);
    }
    let more = timeline.events.len().saturating_sub(MOST_ROWS);
    if more > 0 {
        let words = html.filled(&said::MORE_EVENTS, &[&more.to_string()]);
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
                html.said("em", &[], &said::AFTER_THE_END);
            }
        });
        html.element("td", &[], |html| {
            for (number, code) in proven {
                let link = format!("#f{number}");
                let words = html.filled(&said::FINDING_NUMBER, &[&number.to_string()]);
                html.leaf("a", &[("href", &link), ("title", code)], &words);
                html.text(" ");
            }
        });
    });
}

fn source(html: &mut Html, timeline: &Timeline, script: &str) {
    html.element("details", &[("class", "source")], |html| {
        html.said("summary", &[], &said::NOTATION);
        html.leaf("pre", &[("class", "scroll"), ("tabindex", "0")], script);
    });
    let api = format!("/api/v1/timelines/{}", timeline.id);
    html.element("p", &[("class", "links")], |html| {
        let words = [&said::COPY, &said::COPIED, &said::NOT_COPIED].map(|word| html.words(word));
        let files =
            [("text", &said::AS_SCRIPT), ("json", &said::AS_JSON), ("chrome", &said::AS_TRACE)];
        for (at, (form, name)) in files.into_iter().enumerate() {
            if at > 0 {
                html.text(" · ");
            }
            let file: Attributes = &[
                ("href", &format!("{api}?as={form}")),
                ("data-copy", words[0]),
                ("data-copied", words[1]),
                ("data-failed", words[2]),
            ];
            html.said("a", file, name);
        }
    });
}

/// The same trace where else people look.
fn elsewhere(html: &mut Html, links: &Links, timeline: &Timeline) {
    let there =
        [(links.grafana(timeline), &said::GRAFANA), (links.jaeger(timeline), &said::JAEGER)];
    let there: Vec<_> = there.into_iter().filter_map(|(link, name)| Some((link?, name))).collect();
    if there.is_empty() {
        return;
    }
    html.element("p", &[("class", "links")], |html| {
        for (at, (link, name)) in there.iter().enumerate() {
            if at > 0 {
                html.text(" · ");
            }
            html.said("a", &[("href", link)], name);
        }
    });
}
