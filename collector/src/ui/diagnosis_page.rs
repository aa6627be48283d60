//! What can be found: the list of diagnoses, and a page for each with its explanation, its example and
//! its recent cases.

use ::timeline::{Diagnosis, registry, script};

use super::escape::{Html, encoded};
use super::language::Speech;
use super::list::{self, Row};
use super::page::{badge, page, severity};
use super::phrases as said;
use super::prose::prose;
use super::{svg, table, words};

/// Link to the page of a diagnosis.
pub fn link(code: &str) -> String {
    format!("/diagnoses/{}", encoded(code))
}

/// A name of a code that leads to its page, if the code is one of this collector's.
pub fn named(html: &mut Html, code: &str) {
    match registry::find(code) {
        Some(_) => html.element("a", &[("href", &link(code))], |html| {
            html.leaf("code", &[], code);
        }),
        None => html.leaf("code", &[], code),
    }
}

/// The list of all that can be found.
pub fn diagnoses_page(speech: &Speech) -> String {
    page(speech, said::DIAGNOSES.of(speech.language), None, |html| {
        html.said("h1", &[], &said::DIAGNOSES);
        html.said("p", &[], &said::CAN_FIND);
        let columns =
            [&said::AT_WORST_COLUMN, &said::DIAGNOSIS_CODE, &said::WHAT_IT_SAYS, &said::KIND];
        let all = registry::DIAGNOSES.iter();
        table::table(html, &said::DIAGNOSES, &columns, all, |html, diagnosis| {
            html.element("td", &[], |html| badge(html, Some(diagnosis.severity), false));
            html.element("td", &[], |html| named(html, diagnosis.code));
            html.leaf("td", &[], words::title(diagnosis, html.speech().language));
            html.said("td", &[], words::kind(diagnosis.is_fact));
        });
    })
}

/// The page of a diagnosis. `cases`: timelines with this finding, latest first.
pub fn diagnosis_page(speech: &Speech, diagnosis: &Diagnosis, cases: &[Row]) -> String {
    let language = speech.language;
    page(speech, diagnosis.code, None, |html| {
        html.element("article", &[("class", "diagnosis")], |html| {
            html.element("div", &[("class", "heading")], |html| {
                html.element("h1", &[], |html| {
                    badge(html, Some(diagnosis.severity), false);
                    html.leaf("code", &[], diagnosis.code);
                });
            });
            html.leaf("p", &[("class", "headline")], words::title(diagnosis, language));
            let kind = html.words(if diagnosis.is_fact { &said::A_FACT } else { &said::A_CAUSE });
            let severity = html.words(severity(diagnosis.severity));
            let at_worst = html.filled(&said::AT_WORST, &[kind, severity]);
            html.leaf("p", &[("class", "faint")], &at_worst);
            html.line();
            prose(html, "h2", words::explanation(diagnosis, language));
            known_from(html, diagnosis);
            example(html, diagnosis);
            html.line();
            html.said("h2", &[], &said::RECENT_CASES);
            if cases.is_empty() {
                html.said("p", &[("class", "faint")], &said::NO_CASE);
            }
            list::table(html, cases);
            let all = format!("/?finding={}", encoded(diagnosis.code));
            html.element("p", &[("class", "more")], |html| {
                html.said("a", &[("href", &all)], &said::ALL_CASES);
            });
        });
    })
}

fn known_from(html: &mut Html, diagnosis: &Diagnosis) {
    html.said("h2", &[], &said::KNOWN_FROM);
    if diagnosis.known_from.is_empty() {
        html.said("p", &[], &said::NO_THREAD);
        return;
    }
    html.english_element("ul", &[], |html| {
        for (thread, address) in diagnosis.threads() {
            html.element("li", &[], |html| html.leaf("a", &[("href", &address)], thread));
        }
    });
}

fn example(html: &mut Html, diagnosis: &Diagnosis) {
    html.said("h2", &[], &said::EXAMPLE);
    // The registry's tests hold every example to be read and to be found.
    if let Ok(timeline) = script::parse(diagnosis.example) {
        svg::figure(html, &timeline);
    }
    html.element("details", &[("class", "source")], |html| {
        html.said("summary", &[], &said::NOTATION);
        html.leaf("pre", &[("class", "scroll"), ("tabindex", "0")], diagnosis.example.trim());
    });
}
