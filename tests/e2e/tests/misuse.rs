//! What plugins do wrong, and what looks alike and is not wrong: each row of the corpus is played once on
//! a real Envoy, on both kinds of host, and exactly what it says is found, severities and facts too.
//!
//! A new misuse is a row in `src/corpus/rows.rs`. With `BLESS=1` the timelines are kept as scripts below
//! `timeline/tests/recorded`, where the tests of `timeline` replay them.

use std::time::Duration;

use e2e::corpus::{self, Holding, Row, SUBJECTS, Seen};
use e2e::{Finding, Request, Stack, is_closed};

/// How often a request is sent whose stream may stay without an end.
const TRIES: usize = 3;

/// The timeline of a row's request. Envoy reads nothing more of a client whose body is held back by a
/// watermark, and now and then does not notice that it has gone: a stream without an answer may have no
/// end, and before it stops no name. Then it is asked again.
fn timeline(stack: &Stack, row: &Row, holding: Holding) -> (Seen, serde_json::Value) {
    let mut tries = 0;
    loop {
        let answer = stack.send(&row.listener(holding), &row.request());
        tries += 1;
        let id = &answer.request_id;
        let has_ended = || {
            let ended = e2e::until("the timeline is closed", Duration::from_secs(10), || {
                Ok(stack.collector().timelines(id)?.iter().any(is_closed).then_some(()))
            });
            ended.is_ok()
        };
        if answer.status != 0 || tries == TRIES || has_ended() {
            return (Seen::of(&answer), stack.collector().closed_timeline(id));
        }
    }
}

/// Plays a row; answers what was not as it says.
fn play(stack: &Stack, row: &Row, holding: Holding, keep: bool) -> Option<String> {
    let ask = || timeline(stack, row, holding);
    // What a machine that is busy makes of it is not kept: then it is asked again.
    let is_busy = |seen: Seen, timeline: &serde_json::Value| {
        let all = Finding::all(timeline);
        row.expected_of(holding, seen) != row.expected(holding)
            || all.iter().any(|finding| row.is_busy_machine(holding, seen, finding))
    };
    let (mut seen, mut timeline) = ask();
    while keep && is_busy(seen, &timeline) {
        (seen, timeline) = ask();
    }
    if keep {
        let id = timeline["id"].as_str().unwrap_or_default();
        let script = stack.collector().script(id);
        row.keep(holding, &script.expect("a timeline as text")).expect("it is kept");
    }
    let differs = row.differs(holding, seen, &Finding::all(&timeline))?;
    Some(format!("{differs}\n{timeline:#}"))
}

#[test]
fn of_every_row_exactly_that_is_found_which_it_says() {
    let stack = corpus::builder(&SUBJECTS).start().unwrap_or_else(|error| panic!("{error:#}"));
    let keep = std::env::var_os("BLESS").is_some();
    let all: Vec<_> =
        corpus::rows().flat_map(|row| Holding::BOTH.map(|holding| (row, holding))).collect();
    corpus::serve_first(&stack, &SUBJECTS);
    let wrong = corpus::play_all(&all, |row, holding| play(&stack, row, holding, keep));
    if keep {
        corpus::forget_others().expect("rows that are no more are forgotten");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}

/// Not a row: a machine that takes the CPU away for so long looks the same, and then it is asked again.
#[test]
fn a_plugin_that_computes_for_a_millisecond_holds_nobody_up() {
    let row = Row::of("computes").expect("the row that computes for long");
    let stack = corpus::builder(&[row.subject]).start().unwrap_or_else(|error| panic!("{error:#}"));
    let undisturbed = (0..20).find_map(|_| {
        let briefly = Request::get("/patient?misuse=compute-briefly");
        let answer = stack.send(&row.listener(Holding::All), &briefly);
        let timeline = stack.collector().closed_timeline(&answer.request_id);
        let events = timeline["events"].as_array().cloned().unwrap_or_default();
        let took: u64 = events.iter().filter_map(|event| event["took_micros"].as_u64()).sum();
        assert!(took >= 1_000, "it computed for {took} µs: {timeline:#}");
        (took < 50_000).then_some(timeline)
    });
    let timeline =
        undisturbed.expect("in 20 requests this machine let the plugin compute in one go");
    assert_eq!(Finding::all(&timeline), [], "{timeline:#}");
}
