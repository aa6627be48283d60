//! Where no stream is sampled: what is lost or hangs is found none the less, exactly as where all are, and
//! what goes as it should is only counted. How soon a request that hangs is listed is printed.

use std::time::{Duration, Instant};

use e2e::corpus::{self, Holding, Row, SUBJECTS, Seen, Subject};
use e2e::{Finding, Stack};

/// Those in Rust: an Envoy with all of the others takes long to start, and does nothing else.
fn subjects() -> Vec<&'static Subject> {
    SUBJECTS.iter().copied().filter(|s| s.name == "misuse" || s.name.starts_with("rust")).collect()
}

fn rows() -> Vec<(&'static Row, Holding)> {
    let names: Vec<&str> = subjects().iter().map(|subject| subject.name).collect();
    let rows = corpus::rows().filter(|row| names.contains(&row.subject.name));
    rows.flat_map(|row| Holding::BOTH.map(|holding| (row, holding))).collect()
}

fn start() -> Stack {
    let subjects = subjects();
    let stack = corpus::builder(&subjects).instrument_with(&["--rate", "0"]).start();
    let stack = stack.unwrap_or_else(|error| panic!("{error:#}"));
    corpus::serve_first(&stack, &subjects);
    stack
}

fn is_kept(severity: &str) -> bool {
    matches!(severity, "lost" | "hung")
}

/// Plays a row of which something is lost or hangs; what is not as it must be.
fn play(stack: &Stack, row: &Row, holding: Holding) -> Option<String> {
    let answer = stack.send(&row.listener(holding), &row.request());
    let seen = Seen::of(&answer);
    let expected = row.expected_of(holding, seen);
    if !expected.iter().any(|(_, severity)| is_kept(severity)) {
        return None;
    }
    let timeline = stack.collector().closed_timeline(&answer.request_id);
    let found = Finding::all(&timeline);
    let found: Vec<(&str, &str)> = found
        .iter()
        .filter(|finding| !row.is_busy_machine(holding, seen, finding))
        .map(|finding| (&*finding.code, seen.severity(finding)))
        .collect();
    let lacks = expected.iter().any(|e| is_kept(e.1) && !found.contains(e));
    let invents = found.iter().any(|f| !expected.contains(f));
    (lacks || invents).then(|| {
        format!(
            "{} ({}): found {found:?}, wanted of {expected:?}\n{timeline:#}",
            row.label,
            holding.name()
        )
    })
}

#[test]
fn what_is_lost_or_hangs_is_found_where_nothing_is_sampled() {
    let stack = start();
    let all = rows();
    let wrong = corpus::play_all(&all, |row, holding| play(&stack, row, holding));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}

#[test]
fn what_goes_as_it_should_is_counted_and_not_stored() {
    const TIMES: usize = 20;
    let stack = start();
    for label in ["nothing", "nothing-with-a-body", "both-answers"] {
        let row = Row::of(label).expect("a row");
        assert_eq!(row.expected(Holding::All), [], "{label}");
        for _ in 0..TIMES {
            stack.send(&row.listener(Holding::All), &row.request());
        }
    }
    let calls = stack.calls();
    assert_eq!(calls, 2 * TIMES as u64, "two calls each of one of them");
    // All of them are counted: no timeline comes after that.
    let counted = e2e::until("all calls are counted", Duration::from_secs(30), || {
        let metrics = stack.collector().text("/metrics")?;
        let counted: u64 = e2e::metric(&metrics, "wasm_tracer_calls_total").iter().sum();
        Ok((counted == calls).then_some(()))
    });
    counted.unwrap_or_else(|error| panic!("{error:#}"));
    let listed = stack.collector().json("/api/v1/timelines").expect("a list");
    assert_eq!(listed["timelines"].as_array().map(Vec::len), Some(0), "{listed:#}");
}

/// From the moment at which it can be said that a request hangs, which is a second after it stopped, to its
/// finding in the API. Printed is also how long that is after it stopped.
#[test]
fn a_request_that_hangs_is_listed_while_it_hangs() {
    let stack = start();
    let row = Row::of("stops-at-end").expect("a row");
    let mut since_stop = Vec::new();
    for at in 0..5 {
        let request = row.request().patience(Duration::from_secs(8));
        let listed = std::thread::scope(|scope| {
            let sent = scope.spawn(|| stack.send(&row.listener(Holding::All), &request));
            let begun = Instant::now();
            let listed = e2e::until("it is listed", Duration::from_secs(7), || {
                let listed = stack.collector().json("/api/v1/findings?since_ms=0")?;
                let findings = listed["findings"].as_array().cloned().unwrap_or_default();
                let open = findings.iter().filter(|f| f["state"] == "open").count();
                Ok((open > 0).then(|| begun.elapsed()))
            });
            sent.join().expect("the client ends");
            listed.expect("it is listed while it hangs")
        });
        since_stop.push(listed.as_millis());
        let none_open = e2e::until("it is closed", Duration::from_secs(30), || {
            let listed = stack.collector().json("/api/v1/findings?since_ms=0")?;
            let findings = listed["findings"].as_array().cloned().unwrap_or_default();
            Ok(findings.iter().all(|f| f["state"] != "open").then_some(()))
        });
        none_open.expect("it is closed");
        // The next one begins at another moment of the recorder's second.
        std::thread::sleep(Duration::from_millis(200 * at));
    }
    let mut delays: Vec<u128> =
        since_stop.iter().map(|millis| millis.saturating_sub(1_000)).collect();
    println!(
        "not sampled: listed {since_stop:?} ms after they stopped, {delays:?} ms after it could be said \
         that they hang"
    );
    delays.sort_unstable();
    assert!(delays[delays.len() / 2] <= 2_200, "{delays:?}");
}
