//! What can be found: the list of diagnoses, and a page for each with its explanation, its example and
//! its recent cases.

use ::timeline::{Diagnosis, registry, script};

use super::escape::{Html, encoded};
use super::language::Language;
use super::list::{self, Row};
use super::page::{badge, page};
use super::prose::prose;
use super::{svg, table};

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

/// The fixed words of the page of a diagnosis.
struct Words {
    cause: &'static str,
    fact: &'static str,
    at_worst: &'static str,
    other: (&'static str, Language),
    example: &'static str,
    notation: &'static str,
    cases: &'static str,
    none: &'static str,
    all: &'static str,
}

const ENGLISH: Words = Words {
    cause: "a cause",
    fact: "a fact: it supports a cause, and is named first only where no cause explains it",
    at_worst: "at worst",
    other: ("中文", Language::Chinese),
    example: "Example",
    notation: "Script notation",
    cases: "Recent cases",
    none: "No stored or open timeline has this finding.",
    all: "All timelines with this finding",
};

const CHINESE: Words = Words {
    cause: "原因",
    fact: "事实：用来支持原因，只有在没有原因能解释它时才排在最前",
    at_worst: "最严重时",
    other: ("English", Language::English),
    example: "示例",
    notation: "脚本记法",
    cases: "最近的案例",
    none: "没有已存储或未结束的时间线带有这一结论。",
    all: "带有这一结论的所有时间线",
};

/// The list of all that can be found.
pub fn diagnoses_page() -> String {
    page("Diagnoses", false, |html| {
        html.leaf("h1", &[], "Diagnoses");
        html.leaf("p", &[], "What this collector can find, causes before facts.");
        let columns = ["At worst", "Code", "What it says", "Kind"];
        table::table(html, "Diagnoses", &columns, registry::DIAGNOSES.iter(), |html, diagnosis| {
            html.element("td", &[], |html| badge(html, Some(diagnosis.severity), false));
            html.element("td", &[], |html| named(html, diagnosis.code));
            html.leaf("td", &[], diagnosis.title);
            html.leaf("td", &[], diagnosis.kind());
        });
    })
}

/// The page of a diagnosis. `cases`: timelines with this finding, latest first.
pub fn diagnosis_page(diagnosis: &Diagnosis, cases: &[Row], language: Language) -> String {
    let (words, explanation) = match language {
        Language::English => (&ENGLISH, diagnosis.explanation),
        Language::Chinese => (&CHINESE, diagnosis.explanation_zh),
    };
    page(diagnosis.code, false, |html| {
        html.element("article", &[("lang", language.tag()), ("class", "diagnosis")], |html| {
            html.element("div", &[("class", "heading")], |html| {
                html.element("h1", &[], |html| {
                    badge(html, Some(diagnosis.severity), false);
                    html.leaf("code", &[], diagnosis.code);
                });
                let (name, other) = words.other;
                let there = format!("{}?lang={}", link(diagnosis.code), other.tag());
                html.leaf("a", &[("href", &there), ("lang", other.tag())], name);
            });
            html.leaf("p", &[("class", "headline"), ("lang", "en")], diagnosis.title);
            html.element("p", &[("class", "faint")], |html| {
                html.text(if diagnosis.is_fact { words.fact } else { words.cause });
                html.text(&format!(" · {} {}", words.at_worst, diagnosis.severity.name()));
            });
            html.line();
            prose(html, explanation);
            example(html, diagnosis, words);
            html.line();
            html.leaf("h2", &[], words.cases);
            if cases.is_empty() {
                html.leaf("p", &[("class", "faint")], words.none);
            }
            html.element("div", &[("lang", "en")], |html| list::table(html, cases));
            let all = format!("/?finding={}", encoded(diagnosis.code));
            html.element("p", &[("class", "more")], |html| {
                html.leaf("a", &[("href", &all)], words.all);
            });
        });
    })
}

fn example(html: &mut Html, diagnosis: &Diagnosis, words: &Words) {
    html.leaf("h2", &[], words.example);
    // The registry's tests hold every example to be read and to be found.
    if let Ok(timeline) = script::parse(diagnosis.example) {
        html.element("figure", &[("class", "drawing scroll"), ("tabindex", "0")], |html| {
            html.append(svg::inline(&timeline));
        });
    }
    html.element("details", &[("class", "source")], |html| {
        html.leaf("summary", &[], words.notation);
        html.leaf("pre", &[("class", "scroll"), ("tabindex", "0")], diagnosis.example.trim());
    });
}
