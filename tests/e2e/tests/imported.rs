//! A plugin that nobody instrumented: Envoy's trace log alone tells the lost callback. And of the same run
//! the log tells what a recorder tells, as far as it can show it, and nothing else.

use std::collections::BTreeMap;

use e2e::corpus::{Holding, Row};
use e2e::{Mode, Plugin, Request, Sdk, Stack, soon};
use import::Importer;
use timeline::ids::{InstanceId, Micros};
use timeline::{Instance, Timeline};

#[test]
fn the_log_of_a_plugin_without_a_recorder_tells_the_lost_callback() {
    let plugin = Plugin::new(Sdk::Rust, Mode::Body);
    let stack = Stack::builder().wasm_log("trace").plugin("plain", plugin).start();
    let stack = stack.unwrap_or_else(|error| panic!("{error:#}"));
    stack.send("plain", &Request::post("/early-200?callee=after-300,status-403", "some text"));
    let timeline = soon("the late callback stands in the log", || {
        let timelines = imported(&stack.envoy_log());
        timelines.into_iter().find(|timeline| codes(timeline).contains(&"late-callback"))
    });
    let script = timeline::script::print(&timeline);
    assert_eq!(
        codes(&timeline),
        ["headers-forwarded-before-body-call", "late-callback", "response-while-request-held"],
        "{script}"
    );
    assert_eq!(timeline.findings[0].severity.name(), "lost", "{script}");
}

/// Rows, and what a recorder finds of them that the log cannot show.
type Rows = &'static [(&'static str, &'static [&'static str])];

const MISUSE: Rows = &[
    ("nothing-with-a-body", &[]),
    ("waits-for-no-body", &[]),
    ("stops-at-end", &[]),
    ("stops-own-answer", &[]),
    ("resumes-and-denies", &[]),
    ("resumes-the-root", &[]),
    ("first-answer", &[]),
    ("both-answers", &[]),
    ("tells", &[]),
    ("ignores-refusal", &[]),
    ("answers-late", &[]),
];
/// Why a call failed stands in the answer's headers and body.
const IMPATIENT: Rows = &[
    ("callee-is-silent", &["call-timeout"]),
    ("callee-closes", &["call-connect-failure"]),
    ("callee-is-unwell", &[]),
];
const RUST: Rows =
    &[("rust-upstream-lets-in", &[]), ("rust-upstream-is-patient", &[]), ("rust-has-no-body", &[])];

#[test]
fn the_log_tells_what_the_recorder_tells_of_a_plugin_that_misuses_its_host() {
    alike(MISUSE, None);
}

#[test]
fn the_log_tells_what_the_recorder_tells_of_a_call_in_the_body_phase() {
    alike(RUST, None);
}

#[test]
fn why_a_call_failed_is_not_claimed() {
    alike(IMPATIENT, None);
}

#[test]
fn the_log_of_an_older_envoy_tells_the_same() {
    alike(RUST, Some("ENVOY_1_36"));
}

/// Plays the rows of one subject, recorded and logged at once, and compares what is found.
fn alike(rows: Rows, older_envoy: Option<&'static str>) {
    let row = |label: &str| Row::of(label).expect("a row of the corpus");
    let holding = Holding::HeadersAlone;
    let subject = row(rows[0].0).subject;
    let mut builder = Stack::builder().wasm_log("trace");
    builder = builder.plugin(&subject.listener(holding), subject.plugin(holding));
    if let Some(variable) = older_envoy {
        builder = builder.on_older_envoy(variable);
    }
    let stack = builder.start().unwrap_or_else(|error| panic!("{error:#}"));
    let mut recorded = Vec::new();
    for (label, hidden) in rows {
        let row = row(label);
        let answer = stack.send(&row.listener(holding), &row.request());
        let timeline = stack.collector().closed_timeline(&answer.request_id);
        let id = timeline["id"].as_str().expect("an id");
        let script = stack.collector().script(id).expect("a timeline as text");
        let timeline = timeline::script::parse(&script).expect("a timeline");
        recorded.push((label, hidden, timeline));
    }
    let logged = imported(&stack.envoy_log());
    let mut wrong = String::new();
    for (label, hidden, timeline) in &recorded {
        let context = timeline.stream.context;
        let of_stream = |other: &&Timeline| !other.is_root() && other.stream.context == context;
        let Some(other) = logged.iter().find(of_stream) else {
            wrong += &format!("{label}: no timeline of context {context} in the log\n");
            continue;
        };
        let mut wanted = told(timeline);
        wanted.retain(|code| !hidden.contains(code));
        if told(other) != wanted {
            let script = timeline::script::print(other);
            wrong += &format!("{label}: {:?} instead of {wanted:?}\n{script}\n", told(other));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What is found, but for what a busy machine adds to any timeline.
fn told(timeline: &Timeline) -> Vec<&str> {
    let mut told = codes(timeline);
    told.retain(|code| *code != "slow-callback");
    told.sort_unstable();
    told
}

fn codes(timeline: &Timeline) -> Vec<&str> {
    timeline.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The timelines of a log, as they are at its end.
fn imported(log: &str) -> Vec<Timeline> {
    let mut importer = Importer::new();
    log.lines().for_each(|line| importer.push(line));
    let mut instances: BTreeMap<InstanceId, Instance> = BTreeMap::new();
    let mut timelines = BTreeMap::new();
    for delivery in importer.finish() {
        let arrived = delivery.known_until.after(Micros::from_millis(1));
        let id = delivery.instance;
        let instance = instances.entry(id).or_insert_with(|| Instance::new(id));
        for update in instance.deliver(delivery, arrived) {
            timelines.insert(update.id, (*update.snapshot).clone());
        }
    }
    timelines.into_values().collect()
}
