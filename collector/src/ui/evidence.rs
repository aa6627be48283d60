//! Findings with what proves them and what to do, and what could not be said.

use ::timeline::finding::{Advice, Finding, Subject, Window};
use ::timeline::ids::{Micros, Sequence};
use ::timeline::registry;
use ::timeline::{State, Timeline};
use abi::{Host, Kind};

use super::escape::Html;
use super::page::badge;
use super::{diagnosis_page, words};

/// All findings, the one to name first at the top.
pub fn findings(html: &mut Html, timeline: &Timeline) {
    html.leaf("h2", &[], "Findings");
    if timeline.findings.is_empty() {
        let all_said = timeline.state != State::Open
            && timeline.pending.is_empty()
            && timeline.unknown.is_empty()
            && timeline.gaps.is_empty();
        let words = if all_said { "No diagnosis holds." } else { "Nothing was found so far." };
        html.leaf("p", &[("class", "faint")], words);
    }
    for (at, one) in timeline.findings.iter().enumerate() {
        finding(html, one, at + 1, timeline);
    }
}

fn finding(html: &mut Html, finding: &Finding, number: usize, timeline: &Timeline) {
    let id = format!("f{number}");
    let class = format!("finding {}", finding.severity.name());
    html.line();
    html.element("article", &[("id", &id), ("class", &class)], |html| {
        html.element("h3", &[], |html| {
            badge(html, Some(finding.severity), false);
            diagnosis_page::named(html, &finding.code);
        });
        html.element("p", &[("class", "kind")], |html| {
            html.text(finding.kind());
            html.text(&format!(" · {}", subject(finding.subject)));
        });
        html.leaf("p", &[("class", "headline")], &sentence(&finding.headline));
        if !finding.details.is_empty() {
            html.element("ul", &[], |html| {
                for detail in &finding.details {
                    html.leaf("li", &[], detail);
                }
            });
        }
        evidence(html, finding, timeline);
        advice(html, &finding.advice, timeline.dialect.host);
        if !finding.supported_by.is_empty() {
            html.element("p", &[("class", "faint")], |html| {
                html.text(&format!("Supported by {}.", finding.supported_by.join(", ")));
            });
        }
        if let Some(diagnosis) = registry::find(&finding.code) {
            html.element("details", &[], |html| {
                html.leaf("summary", &[], diagnosis.title);
                html.leaf("pre", &[("class", "explanation")], diagnosis.explanation);
            });
        }
    });
}

fn subject(subject: Subject) -> String {
    match subject {
        Subject::Call(id) => format!("call {id}"),
        Subject::Direction(direction) => format!("the {}", direction.name()),
        Subject::Timeline => "the whole timeline".to_owned(),
    }
}

fn evidence(html: &mut Html, finding: &Finding, timeline: &Timeline) {
    let evidence = &finding.evidence;
    if evidence.events.is_empty() && evidence.windows.is_empty() {
        return;
    }
    html.leaf("h4", &[], "Evidence");
    html.element("p", &[("class", "evidence")], |html| {
        for event in &evidence.events {
            event_link(html, *event);
            html.text(" ");
        }
    });
    if !finding.timelines.is_empty() {
        html.element("p", &[("class", "evidence")], |html| {
            html.text("Timelines of the same request: ");
            for id in &finding.timelines {
                let id = id.to_string();
                html.leaf("a", &[("href", &format!("/timelines/{id}"))], &id);
                html.text(" ");
            }
        });
    }
    if !evidence.windows.is_empty() {
        html.element("ul", &[], |html| {
            for one in &evidence.windows {
                html.element("li", &[], |html| window(html, one, timeline.started()));
            }
        });
    }
}

fn event_link(html: &mut Html, event: Sequence) {
    html.leaf("a", &[("href", &format!("#e{event}"))], &format!("#{event}"));
}

fn window(html: &mut Html, window: &Window, started: Micros) {
    html.text("no ");
    let kinds: Vec<String> = window.none_of.iter().map(|k| kind(*k)).collect();
    html.leaf("code", &[], &kinds.join(", "));
    html.text(" from ");
    event_link(html, window.from);
    match window.to {
        Some(to) => {
            html.text(" to ");
            event_link(html, to);
        }
        None => {
            let known = words::span(window.known_until.since(started));
            html.text(&format!(" to all that is known, +{known}"));
        }
    }
    html.text(if window.complete { "; no event of it is missing" } else { "; events are missing" });
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Callback(callback) => callback.row().name.to_owned(),
        Kind::Hostcall(hostcall) => hostcall.row().name.to_owned(),
        Kind::Unknown(number) => format!("kind {number}"),
    }
}

/// Advice for the host that the timeline comes from first.
fn advice(html: &mut Html, advice: &[Advice], seen: Option<Host>) {
    if advice.is_empty() {
        return;
    }
    html.leaf("h4", &[], "What to do");
    let mut sorted: Vec<&Advice> = advice.iter().collect();
    sorted.sort_by_key(|one| match one.host {
        None => 0,
        host if host == seen => 1,
        Some(_) => 2,
    });
    html.element("dl", &[("class", "advice")], |html| {
        for one in sorted {
            let host = match one.host {
                None => "On any host".to_owned(),
                Some(host) if Some(host) == seen => format!("On {} (this host)", words::host(host)),
                Some(host) => format!("On {}", words::host(host)),
            };
            html.leaf("dt", &[], &host);
            html.leaf("dd", &[], &one.text);
        }
    });
}

/// What could not be said yet, or at all.
pub fn unsaid(html: &mut Html, timeline: &Timeline) {
    if timeline.pending.is_empty() && timeline.unknown.is_empty() && timeline.gaps.is_empty() {
        return;
    }
    html.line();
    html.element("section", &[("class", "unsaid")], |html| {
        html.leaf("h2", &[], "What could not be said");
        html.element("ul", &[], |html| {
            for one in &timeline.pending {
                html.element("li", &[], |html| {
                    html.leaf("code", &[], one.code);
                    let until = words::span(one.until.since(timeline.started()));
                    html.text(&format!(" cannot be answered before +{until} is known"));
                });
            }
            for one in &timeline.unknown {
                html.element("li", &[], |html| {
                    html.leaf("code", &[], one.code);
                    html.text(&format!(": {}", one.gap));
                });
            }
            for gap in &timeline.gaps {
                let words =
                    format!("Events #{} to #{} are missing: {}", gap.from, gap.to, gap.reason);
                html.leaf("li", &[], &words);
            }
        });
    });
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{first}{}{stop}", characters.as_str())
}
