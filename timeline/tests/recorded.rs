//! Timelines of a real Envoy, recorded by `BLESS=1 cargo test -p e2e --test misuse`: what was found of
//! them then is found now, in the same order; and where events of them are missing, nothing else is.

mod recordings;

use timeline::finding::Finding;
use timeline::ids::Sequence;
use timeline::timeline::{Gap, Timeline};
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
    let mut wrong = Vec::new();
    for (name, text) in recordings::all() {
        let whole = script::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (from, to) in pieces(whole.events.len()) {
            for finding in without(&whole, from, to).findings {
                let was = whole.findings.iter().find(|was| tells(was, &finding));
                if was.is_none_or(|was| was.severity < finding.severity) {
                    let said = format!("{} {}", finding.severity.name(), finding.code);
                    let (from, to) = (from + 1, to + 1);
                    wrong.push(format!("{name} without {from}-{to}: {said}: {}", finding.headline));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

/// Did a finding tell this one too? Why a call failed is told of what hung for it; where that cannot be said
/// any more, the call failed all the same.
fn tells(was: &Finding, finding: &Finding) -> bool {
    let of_its_failure = ["call-timeout", "call-connect-failure"].contains(&&*finding.code);
    was.code == finding.code || (of_its_failure && was.subject == finding.subject)
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
