//! Several recorded plugins in one chain: what is found only by looking at more than one of them, and that
//! none is blamed for what another does.

use std::sync::LazyLock;
use std::time::Duration;

use e2e::{Filter, Finding, Mode, Plugin, Request, Sdk, Stack, is_closed, soon};
use serde_json::Value;

/// `auth` holds the headers, calls the callee with the body and lets in or denies; `holds` stops the headers of
/// who asks for it; a `probe` lets all go.
static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let plugin = |name: &str, plugin: Plugin| Filter::Plugin(name.to_owned(), plugin.traced());
    let auth = || plugin("auth", Plugin::new(Sdk::Rust, Mode::Fixed));
    let holds = || plugin("holds", Plugin::misuse().in_its_own_vm());
    let probe = |name| plugin(name, Plugin::probe());
    Stack::builder()
        .chain("counted", vec![probe("counts-before"), auth(), probe("counts")])
        .chain("counted-twice", vec![auth(), probe("counts"), probe("counts")])
        .chain("held", vec![probe("first"), holds(), probe("last")])
        .start()
        .unwrap_or_else(|error| panic!("{error:#}"))
});

const EXPECTED: &str = "filter-order-expectation";

fn asks(callee: &str) -> Request {
    Request::post(format!("/patient?callee={callee}"), "some text")
}

/// The request once all its timelines are closed and `wanted` holds.
fn request_when(id: &str, timelines: usize, wanted: impl Fn(&Value) -> bool) -> Value {
    soon("the request is known whole", || {
        let answer = STACK.collector().json(&format!("/api/v1/requests/{id}")).ok()?;
        let request = answer["requests"].as_array().filter(|all| all.len() == 1)?.first()?.clone();
        let all = request["timelines"].as_array()?;
        let is_whole = all.len() == timelines && all.iter().all(is_closed);
        (is_whole && wanted(&request)).then_some(request)
    })
}

/// For each timeline its plugin and what is found of it.
fn found(request: &Value) -> Vec<(&str, Vec<(&str, &str)>)> {
    let timelines = request["timelines"].as_array().map_or(&[][..], Vec::as_slice);
    let plugin_and_found = timelines
        .iter()
        .map(|timeline| (timeline["plugin"].as_str().unwrap_or_default(), Finding::told(timeline)));
    plugin_and_found.collect()
}

fn wanted<'a>(all: &[(&'a str, &[(&'a str, &'a str)])]) -> Vec<(&'a str, Vec<(&'a str, &'a str)>)> {
    all.iter().map(|(plugin, found)| (*plugin, found.to_vec())).collect()
}

fn is_told(request: &Value) -> bool {
    request["findings"].as_array().is_some_and(|findings| !findings.is_empty())
}

#[test]
fn a_plugin_behind_one_that_denies_never_runs_and_that_is_told() {
    let answer = STACK.send("counted", &asks("status-403"));
    assert_eq!(answer.status, 403);
    let request = request_when(&answer.request_id, 3, is_told);
    let note: &[(&str, &str)] = &[(EXPECTED, "note")];
    assert_eq!(found(&request), wanted(&[("counts-before", &[]), ("auth", note), ("counts", &[])]));
    let headline = request["findings"][0]["headline"].as_str().expect("a headline");
    assert!(
        headline.contains("answered the request itself, so \"counts\" behind it"),
        "{headline}"
    );
    // Where it is looked for.
    let id = &answer.request_id;
    let listed = STACK.collector().json("/api/v1/findings").expect("the API answers");
    let listed = listed["findings"].as_array().cloned().unwrap_or_default();
    let mine = listed.iter().filter(|f| f["request_id"] == id.as_str() && f["code"] == EXPECTED);
    assert_eq!(mine.map(|f| &f["plugin"]).collect::<Vec<_>>(), ["auth"]);
    let page = STACK.collector().text(&format!("/requests/{id}")).expect("a page");
    assert!(
        page.contains(EXPECTED) && page.contains("never ran: that is to be expected"),
        "{page}"
    );
    let of_auth = &request["timelines"][1];
    assert_eq!(of_auth["findings"][0]["evidence"]["timelines"][0], request["timelines"][2]["id"]);
    // It is in the timeline, also as a script.
    let script = STACK.collector().script(of_auth["id"].as_str().unwrap_or_default());
    let script = script.expect("a script");
    assert!(script.contains("\nunreached "), "{script}");
}

#[test]
fn two_passes_of_one_plugin_stay_two() {
    let answer = STACK.send("counted-twice", &asks("status-403"));
    let request = request_when(&answer.request_id, 3, is_told);
    let note: &[(&str, &str)] = &[(EXPECTED, "note")];
    assert_eq!(found(&request), wanted(&[("auth", note), ("counts", &[]), ("counts", &[])]));
    let evidence = &request["timelines"][0]["findings"][0]["evidence"]["timelines"];
    assert_eq!(evidence.as_array().map(Vec::len), Some(2));
}

#[test]
fn where_it_lets_in_all_run_and_nothing_is_told() {
    let answer = STACK.send("counted", &asks("after-10"));
    assert_eq!(answer.status, 200);
    let request = request_when(&answer.request_id, 3, |_| true);
    assert_eq!(found(&request), wanted(&[("counts-before", &[]), ("auth", &[]), ("counts", &[])]));
}

#[test]
fn what_hangs_in_one_plugin_is_said_of_that_one_alone() {
    let held = Request::get("/patient?misuse=wait-for-body").patience(Duration::from_millis(2500));
    let answer = STACK.send("held", &held);
    assert_eq!(answer.status, 0, "the client gave up");
    let request = request_when(&answer.request_id, 3, is_told);
    let hung: &[(&str, &str)] =
        &[("waiting-for-body-that-cannot-come", "hung"), (EXPECTED, "note")];
    assert_eq!(found(&request), wanted(&[("first", &[]), ("holds", hung), ("last", &[])]));
    let said = request["whereabouts"]["sentence"].as_str().expect("a sentence");
    assert!(said.starts_with("The request was held by holds (#"), "{said}");
}
