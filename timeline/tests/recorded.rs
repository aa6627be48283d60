//! Timelines of a real Envoy, recorded by `BLESS=1 cargo test -p e2e --test misuse`: what was found of
//! them then is found now, in the same order; and where events of them are missing, nothing else is.

mod recordings;

use timeline::delivery::StreamInfo;
use timeline::finding::Finding;
use timeline::ids::{Micros, Sequence};
use timeline::timeline::{Gap, State, Timeline};
use timeline::{Instant, script};

/// `severity code` of every finding, headline first.
fn found(timeline: &Timeline) -> Vec<String> {
    timeline.findings.iter().map(|f| format!("{} {}", f.severity.name(), f.code)).collect()
}

#[test]
fn what_was_found_is_found() {
    let all = recordings::all();
    assert!(all.len() > 80, "only {} recordings", all.len());
    for (name, text) in all {
        let timeline = script::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(found(&timeline), recordings::expected(&text), "{name}");
    }
}

#[test]
fn they_are_written_as_they_were_read() {
    for (name, text) in recordings::all() {
        let timeline = script::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let lines = text.lines().filter(|line| !line.starts_with("//"));
        assert_eq!(script::print(&timeline), lines.map(|l| format!("{l}\n")).collect::<String>());
    }
}

/// Whatever piece is lost, nothing is found that was not there, and nothing is called worse than it was.
#[test]
fn a_missing_piece_adds_nothing() {
    let (mut still_said, mut wrong) = (0, Vec::new());
    for (name, text) in recordings::all() {
        let whole = script::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (from, to) in pieces(whole.events.len()) {
            for finding in without(&whole, from, to).findings {
                still_said += 1;
                let was = whole.findings.iter().find(|was| tells(was, &finding));
                if was.is_none_or(|was| was.severity < finding.severity) {
                    let said = format!("{} {}", finding.severity.name(), finding.code);
                    let (from, to) = (from + 1, to + 1);
                    wrong.push(format!("{name} without {from}-{to}: {said}: {}", finding.headline));
                }
            }
        }
    }
    assert!(still_said > 5000, "only {still_said} findings were made without a piece");
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

/// Did a finding tell this one too? Why a call failed is told of what hung for it; where that cannot be said
/// any more, the call failed all the same.
fn tells(was: &Finding, finding: &Finding) -> bool {
    let of_its_failure = ["call-timeout", "call-connect-failure"].contains(&&*finding.code);
    was.code == finding.code || (of_its_failure && was.subject == finding.subject)
}

/// What is said while a stream lives is less bad than what is said at its end, or the same; but for what is
/// said of a call that is out, which its answer withdraws.
#[test]
fn nothing_is_said_in_flight_that_the_end_does_not_confirm() {
    let (mut said_in_flight, mut wrong) = (0, Vec::new());
    for (name, text) in recordings::all() {
        let whole = script::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (number, until) in moments(&whole) {
            for finding in until_then(&whole, number, until).findings {
                said_in_flight += 1;
                let was = whole.findings.iter().find(|was| was.code == finding.code);
                let is_confirmed = was.is_some_and(|was| was.severity >= finding.severity);
                if !is_confirmed && finding.code != "waiting-on-call" {
                    let said = format!("{} {}", finding.severity.name(), finding.code);
                    let until = script::seconds(until);
                    wrong.push(format!("{name} at {until}: {said}: {}", finding.headline));
                }
            }
        }
    }
    assert!(said_in_flight > 500, "only {said_in_flight} findings were made in flight");
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

/// Just before each invocation, and the number of the last event that is known then.
fn moments(whole: &Timeline) -> Vec<(Sequence, Micros)> {
    let mut begins: Vec<(Sequence, Micros)> = Vec::new();
    for invocation in whole.events.chunk_by(|a, b| a.entry == b.entry) {
        let at = invocation.iter().map(|e| e.at).min().unwrap_or_default();
        let first = invocation.iter().map(|e| e.sequence).min().unwrap_or(Sequence(0));
        begins.push((first, at));
    }
    let before = |(first, at): (Sequence, Micros)| (Sequence(first.0 - 1), Micros(at.0.max(1) - 1));
    begins.into_iter().map(before).collect()
}

/// The timeline as it was then.
fn until_then(whole: &Timeline, last: Sequence, until: Micros) -> Timeline {
    let mut timeline = whole.clone();
    timeline.events.retain(|e| e.sequence <= last);
    timeline.known_until = until;
    timeline.state = State::Open;
    // These are read when the stream is logged.
    timeline.stream = StreamInfo {
        context: timeline.context,
        root: timeline.stream.root,
        method: timeline.stream.method.clone(),
        path: timeline.stream.path.clone(),
        ..StreamInfo::default()
    };
    timeline.assess(Instant::at(until));
    timeline
}

/// Every stretch of that many events.
fn pieces(events: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..events).flat_map(move |from| (from..events).map(move |to| (from, to)))
}

/// The timeline as it is when a batch with these of its events was lost.
fn without(whole: &Timeline, from: usize, to: usize) -> Timeline {
    let mut timeline = whole.clone();
    let mut order: Vec<Sequence> = whole.events.iter().map(|e| e.sequence).collect();
    order.sort_unstable();
    let (from, to) = (order[from], order[to]);
    timeline.events.retain(|e| e.sequence < from || e.sequence > to);
    timeline.gaps.push(Gap { from, to, reason: "lost on the way".to_owned() });
    timeline.gaps.sort_by_key(|gap| gap.from);
    timeline.assess(Instant::at(timeline.known_until));
    timeline
}
