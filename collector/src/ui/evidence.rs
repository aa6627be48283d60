//! Findings with what proves them and what to do, and what could not be said.

use ::timeline::finding::{Advice, Finding, Subject, Window};
use ::timeline::ids::{Micros, Sequence};
use ::timeline::registry;
use ::timeline::{State, Timeline};
use abi::{Host, Kind};

use super::escape::Html;
use super::page::badge;
use super::phrases as said;
use super::prose::prose;
use super::{diagnosis_page, words};

/// All findings, the one to name first at the top.
pub fn findings(html: &mut Html, timeline: &Timeline) {
    html.said("h2", &[], &said::FINDINGS);
    if timeline.findings.is_empty() {
        let all_said = timeline.state != State::Open
            && timeline.pending.is_empty()
            && timeline.unknown.is_empty()
            && timeline.gaps.is_empty();
        let words = if all_said { &said::NONE_HOLDS } else { &said::NONE_SO_FAR };
        html.said("p", &[("class", "faint")], words);
    }
    for (at, one) in timeline.findings.iter().enumerate() {
        finding(html, one, at + 1, timeline);
    }
}

fn finding(html: &mut Html, finding: &Finding, number: usize, timeline: &Timeline) {
    let language = html.speech().language;
    let id = format!("f{number}");
    let class = format!("finding {}", finding.severity.name());
    html.line();
    html.element("article", &[("id", &id), ("class", &class)], |html| {
        html.element("h3", &[], |html| {
            badge(html, Some(finding.severity), false);
            diagnosis_page::named(html, &finding.code);
        });
        html.element("p", &[("class", "kind")], |html| {
            html.say(words::kind(finding.is_fact));
            html.text(&format!(" · {}", subject(html, finding.subject)));
        });
        let exactly = sentence(&finding.headline);
        match words::meaning(&finding.code, language) {
            Some(meaning) => {
                html.leaf("p", &[("class", "headline")], meaning);
                html.english("p", &[("class", "exactly")], &exactly);
            }
            None => html.english("p", &[("class", "headline")], &exactly),
        }
        if !finding.details.is_empty() {
            html.english_element("ul", &[], |html| {
                for detail in &finding.details {
                    html.leaf("li", &[], detail);
                }
            });
        }
        evidence(html, finding, timeline);
        advice(html, &finding.advice, timeline.dialect.host);
        if !finding.supported_by.is_empty() {
            html.element("p", &[("class", "faint")], |html| {
                for (at, part) in html.words(&said::SUPPORTED_BY).split("{0}").enumerate() {
                    if at > 0 {
                        html.leaf("code", &[], &finding.supported_by.join(", "));
                    }
                    html.text(part);
                }
            });
        }
        if let Some(diagnosis) = registry::find(&finding.code) {
            html.element("details", &[], |html| {
                html.leaf("summary", &[], words::title(diagnosis, language));
                html.element("div", &[("class", "explanation")], |html| {
                    prose(html, "h4", words::explanation(diagnosis, language));
                });
            });
        }
    });
}

fn subject(html: &Html, subject: Subject) -> String {
    match subject {
        Subject::Call(id) => html.filled(&said::CALL, &[&id.to_string()]),
        Subject::Direction(direction) => {
            html.filled(&said::THE_DIRECTION, &[html.words(words::direction(direction))])
        }
        Subject::Timeline => html.words(&said::WHOLE_TIMELINE).to_owned(),
    }
}

fn evidence(html: &mut Html, finding: &Finding, timeline: &Timeline) {
    let evidence = &finding.evidence;
    if evidence.events.is_empty() && evidence.windows.is_empty() {
        return;
    }
    html.said("h4", &[], &said::EVIDENCE);
    html.element("p", &[("class", "evidence")], |html| {
        for event in &evidence.events {
            event_link(html, *event);
            html.text(" ");
        }
    });
    if !finding.timelines.is_empty() {
        html.element("p", &[("class", "evidence")], |html| {
            html.say(&said::SAME_REQUEST);
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
    html.say(&said::WINDOW_NONE);
    let kinds: Vec<String> = window.none_of.iter().map(|k| kind(*k)).collect();
    html.leaf("code", &[], &kinds.join(", "));
    html.say(&said::WINDOW_FROM);
    event_link(html, window.from);
    match window.to {
        Some(to) => {
            html.say(&said::WINDOW_TO);
            event_link(html, to);
        }
        None => {
            let known = words::span(window.known_until.since(started));
            html.text(&html.filled(&said::WINDOW_KNOWN, &[&known]));
        }
    }
    html.say(if window.complete { &said::WINDOW_WHOLE } else { &said::WINDOW_HOLES });
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
    html.said("h4", &[], &said::WHAT_TO_DO);
    let mut sorted: Vec<&Advice> = advice.iter().collect();
    sorted.sort_by_key(|one| match one.host {
        None => 0,
        host if host == seen => 1,
        Some(_) => 2,
    });
    html.element("dl", &[("class", "advice")], |html| {
        for one in sorted {
            let host = match one.host {
                None => html.words(&said::ANY_HOST).to_owned(),
                Some(host) => {
                    let is_seen = Some(host) == seen;
                    let on = if is_seen { &said::ON_THIS_HOST } else { &said::ON_HOST };
                    html.filled(on, &[html.words(words::host(host))])
                }
            };
            html.leaf("dt", &[], &host);
            html.leaf("dd", &[], html.speech().language.choose(one.text, one.text_zh));
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
        html.said("h2", &[], &said::UNSAID);
        html.element("ul", &[], |html| {
            for one in &timeline.pending {
                html.element("li", &[], |html| {
                    html.leaf("code", &[], one.code);
                    let until = words::span(one.until.since(timeline.started()));
                    html.text(&html.filled(&said::NOT_BEFORE, &[&until]));
                });
            }
            for one in &timeline.unknown {
                html.element("li", &[], |html| {
                    html.leaf("code", &[], one.code);
                    html.text(": ");
                    html.english("span", &[], &one.gap);
                });
            }
            for gap in &timeline.gaps {
                html.element("li", &[], |html| {
                    let range = [gap.from.to_string(), gap.to.to_string()];
                    html.text(&html.filled(&said::MISSING, &[&range[0], &range[1]]));
                    html.english("span", &[], &gap.reason);
                });
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
