//! Pages in Chinese: no fixed word of them is left in English, and what is English says so.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ::timeline::Timeline;
use ::timeline::delivery::{Root, StreamInfo};
use ::timeline::ids::InstanceId;
use ::timeline::request::Request;
use ::timeline::{registry, script};

use super::super::escape::Html;
use super::super::*;
use super::{fixture, hostile_instance};
use crate::config::{Links, Settings};
use crate::decode::SourceTotals;
use crate::pipeline::TrafficReport;

/// In every language the same.
const NAMES: [&str; 18] = [
    "English",
    "Envoy",
    "Higress",
    "Perfetto",
    "JSON",
    "UTC",
    "SDK",
    "ABI",
    "ID",
    "ms",
    "min",
    "MiB",
    "authority",
    "Grafana",
    "http",
    "Jaeger",
    "panic",
    "Continue",
];

fn chinese() -> Speech {
    Speech::at("/", "lang=zh", None)
}

fn links() -> Links {
    let settings = Settings {
        grafana_url: Some("http://127.0.0.1:3000".to_owned()),
        jaeger_url: Some("http://127.0.0.1:16686".to_owned()),
        ..Settings::default()
    };
    Links::of(&settings).expect("links")
}

/// Words in Latin letters that a reader of Chinese meets outside code and outside what is marked as
/// English. Names with a dash are codes.
fn latin(page: &str) -> Vec<String> {
    let mut open: Vec<bool> = Vec::new();
    let mut met = Vec::new();
    for part in page.split('<').skip(2) {
        let (tag, text) = part.split_once('>').expect("every tag ends");
        let name = tag.trim_end_matches('/').split([' ', '\n']).next().unwrap_or_default();
        let is_skipped = open.last().copied().unwrap_or(false)
            || ["code", "pre", "script"].contains(&name)
            || tag.contains("lang=\"en\"")
            // A Chinese text with names from the ABI in it.
            || tag.contains("class=\"explanation\"")
            // An event in the drawing, in the words of the ABI.
            || tag.contains("class=\"wt-mark\"");
        if !is_skipped {
            for attribute in ["aria-label=\"", "alt=\"", "data-copy=\""] {
                let value = tag.split_once(attribute).and_then(|(_, rest)| rest.split_once('"'));
                met.extend(value.map(|(value, _)| value));
            }
        }
        if tag.starts_with('/') {
            open.pop();
        } else if !tag.ends_with('/') {
            open.push(is_skipped);
        }
        if !open.last().copied().unwrap_or(false) {
            met.push(text);
        }
    }
    let words = met
        .iter()
        .flat_map(|text| text.split(|c: char| !(c.is_ascii_alphabetic() || "-_&#;'".contains(c))));
    let is_word = |word: &&str| {
        let letters = word.chars().filter(char::is_ascii_alphabetic).count();
        letters > 1 && !word.contains(['-', '_', '&', ';']) && !NAMES.contains(word)
    };
    words.filter(is_word).map(str::to_owned).collect()
}

/// With all that a plugin or a client says in Russian: it cannot be taken for the page's own words.
fn told_in_russian(mut timeline: Timeline) -> Timeline {
    let word = || "слово".to_owned();
    timeline.root = Arc::new(Root { plugin: word(), root_id: word(), ..(*timeline.root).clone() });
    timeline.node = "слово".into();
    for call in &mut timeline.calls {
        call.cluster = word();
    }
    // Its names of the ABI and of settings are those of the English one: the tests of timeline see to it.
    for advice in timeline.findings.iter_mut().flat_map(|finding| &mut finding.advice) {
        advice.text_zh = "слово";
    }
    timeline.stream = StreamInfo {
        request_id: word(),
        method: word(),
        path: word(),
        authority: word(),
        response_code_details: Some(word()),
        upstream_address: Some(word()),
        connection_termination_details: Some(word()),
        upstream_transport_failure_reason: Some(word()),
        ..timeline.stream
    };
    timeline
}

fn check(name: &str, page: &str) {
    assert!(page.contains("<html lang=\"zh-CN\">"), "{name}");
    let left = latin(page);
    assert!(left.is_empty(), "{name} says {left:?} in {page}");
    // Every link to a page keeps the language that was asked for.
    for link in page.split(" href=\"/").skip(1).map(|rest| rest.split('"').next().unwrap_or("")) {
        let is_page = !["api/", "assets/", "metrics"].iter().any(|p| link.starts_with(p));
        assert!(!is_page || link.contains("lang="), "{name}: /{link} forgets the language");
    }
}

#[test]
fn english_that_is_not_marked_is_seen() {
    let page =
        "<!doctype html>\n<html><p aria-label=\"Main\">中文 left <code>over</code></p></html>";
    assert_eq!(latin(page), ["Main", "left"]);
    assert!(
        latin("<!doctype html>\n<html><p lang=\"en\">All <b>is</b> well</p></html>").is_empty()
    );
}

#[test]
fn the_list_is_in_chinese() {
    let rows = [fixture::seed_bug(), fixture::waiting(), fixture::fixed_run(), fixture::panicked()];
    let rows: Vec<Row> = rows.into_iter().map(told_in_russian).map(|t| Row::of(&t)).collect();
    let trouble = Trouble {
        instance: "07".to_owned(),
        plugins: "слово".to_owned(),
        what: "слово".to_owned(),
    };
    let mut view = ListView {
        rows,
        plugins: vec!["слово".to_owned()],
        cursor: Some("1".to_owned()),
        troubles: vec![trouble],
        ..ListView::default()
    };
    view.filter.plugin = "слово".to_owned();
    check("the list", &list_page(&chinese(), &view));
    let none = ListView { ingest: "127.0.0.1:1".to_owned(), ..ListView::default() };
    check("the empty list", &list_page(&chinese(), &none));
    view.rows.clear();
    let none = list_page(&chinese(), &view);
    check("the list that nothing fits", &none);
    assert!(none.contains("<input type=\"hidden\" name=\"lang\" value=\"zh-CN\"/>"));
}

#[test]
fn a_timeline_is_in_chinese() {
    for (name, timeline) in [
        ("the seed bug", fixture::seed_bug()),
        ("an open one", fixture::waiting()),
        ("a good one", fixture::fixed_run()),
        ("a panic", fixture::panicked()),
        ("one taken along", fixture::taken_with_a_panic()),
        ("a long one", fixture::many_events(2_500)),
    ] {
        let timeline = told_in_russian(timeline);
        check(name, &timeline_page(&chinese(), &links(), &timeline, ""));
        let request = Request { timelines: vec![Arc::new(timeline)] };
        check("a request", &request_page(&chinese(), "слово", &[request]));
    }
}

#[test]
fn plugins_instances_diagnoses_and_problems_are_in_chinese() {
    let lines = [PluginLine { plugin: "слово".to_owned(), instances: 1 }];
    check("plugins", &plugins_page(&chinese(), &lines));
    check("no plugins", &plugins_page(&chinese(), &[]));
    let mut view = PluginView { plugin: "слово".to_owned(), ..PluginView::default() };
    check("a plugin without anything", &plugin_page(&chinese(), &links(), &view));
    view.latest = vec![told_in_russian(fixture::seed_bug()).into()];
    view.found = view.latest.clone();
    for outcome in ["answered", "failed", "late", "rejected", "unknown", "cancelled", "pending"] {
        view.counted.calls.insert(("слово".to_owned(), outcome), Default::default());
    }
    view.counted.phases.extend([((12, 0), 7), ((12, 1), 1), ((13, 9), 1)]);
    for direction in [abi::Direction::Request, abi::Direction::Response] {
        view.counted.pauses.insert(direction, Default::default());
    }
    for runs in [true, false] {
        view.counted.vms.push(crate::pipeline::PluginVm {
            instance: InstanceId([7; 16]),
            node: "слово".to_owned(),
            original: Some([0xab; 32]),
            configurations: [(0, runs), (7, runs)].into(),
            streams_seen: 1,
            at_source: None,
        });
    }
    check("a plugin", &plugin_page(&chinese(), &links(), &view));

    let mut traffic = TrafficReport { seconds: 60, ..TrafficReport::default() };
    check("no traffic", &traffic_page(&chinese(), &traffic));
    traffic.begun.insert("слово".to_owned(), 7);
    traffic.found.insert(("слово".to_owned(), "late-callback".to_owned()), 7);
    check("traffic", &traffic_page(&chinese(), &traffic));

    let mut instance = hostile_instance("слово");
    instance.troubles = vec!["слово".to_owned()];
    check("an instance", &instance_page(&chinese(), &instance));
    instance.at_source = Some(SourceTotals { shipments_refused: 2, ..SourceTotals::default() });
    instance.status.is_final = true;
    instance.status.black_box.clear();
    check("an ended instance", &instance_page(&chinese(), &instance));
    check("instances", &instances_page(&chinese(), &vec![instance; 400]));
    check("no instances", &instances_page(&chinese(), &[]));

    check("diagnoses", &diagnoses_page(&chinese()));
    check("a problem", &problem_page(&chinese(), "nothing is at /x"));
    check("the form", &token_form(&chinese(), true));
}

fn element(name: &'static str, attributes: &[(&'static str, &str)], text: &str) -> String {
    let mut html = Html::default();
    html.leaf(name, attributes, text);
    html.finish()
}

#[test]
fn of_every_recorded_finding_meaning_and_advice_are_in_chinese() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../timeline/tests/recorded");
    let mut met = BTreeSet::new();
    for file in std::fs::read_dir(folder).expect("the folder of the recordings") {
        let text = std::fs::read_to_string(file.expect("a recording").path()).expect("its text");
        let timeline = script::parse(&text).unwrap_or_else(|e| panic!("{e} in {text}"));
        let page = timeline_page(&chinese(), &Links::default(), &timeline, "");
        for finding in &timeline.findings {
            let code = &finding.code;
            let meaning = registry::find(code).expect("a diagnosis").title_zh;
            let meant = element("p", &[("class", "headline")], meaning);
            let exactly = [("class", "exactly"), ("lang", "en")];
            let both = meant + &element("p", &exactly, &finding.headline);
            assert!(page.contains(&both), "{code}: {both} is not in {page}");
            for advice in &finding.advice {
                let [chinese, english] =
                    [advice.text_zh, advice.text].map(|text| element("dd", &[], text));
                assert!(page.contains(&chinese), "{code}: {chinese}");
                assert!(!page.contains(english.trim_start_matches("<dd>")), "{code}: {english}");
            }
            met.insert(code.clone());
        }
        let Some(first) = timeline.headline() else { continue };
        let meaning = registry::find(&first.code).expect("a diagnosis").title_zh;
        let [code, meaning] = [("b", first.code.as_str()), ("span", meaning)]
            .map(|(name, text)| element(name, &[], text));
        let exactly = element("span", &[("class", "few"), ("lang", "en")], &first.headline);
        let view = ListView { rows: vec![Row::of(&timeline)], ..ListView::default() };
        let list = list_page(&chinese(), &view);
        assert!(list.contains(&format!("{code}{meaning}{exactly}")), "{meaning} is not in {list}");
    }
    assert!(met.len() > 25, "only {met:?}");
}

#[test]
fn live_rows_have_the_meaning_of_every_finding_and_english_ones_need_none() {
    let words = |speech: &Speech| {
        let page = list_page(speech, &ListView::default());
        let (_, rest) = page.split_once("data-words=\"").expect("the words of the script");
        let words = rest.split('"').next().unwrap_or_default().replace("&quot;", "\"");
        serde_json::from_str::<serde_json::Value>(&words).expect("JSON")
    };
    let [chinese, english] = [chinese(), Speech::default()].map(|speech| words(&speech));
    for diagnosis in registry::DIAGNOSES {
        assert_eq!(chinese[diagnosis.code], diagnosis.title_zh);
        assert!(english.get(diagnosis.code).is_none(), "{}", diagnosis.code);
    }
}
