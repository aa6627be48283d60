//! No statement without evidence: every claim is computed again from the cited events and windows
//! alone, by other means than the diagnoses', and falls when a cited event is taken away.

mod cited;
mod mistakes;
mod recordings;
mod traces;

use abi::Kind;
use timeline::event::Event;
use timeline::finding::{Finding, Severity, Subject};
use timeline::ids::{CallId, Entry, Micros, Sequence};
use timeline::registry::DIAGNOSES;
use timeline::timeline::{Gap, Timeline};
use timeline::{Instant, script};

use cited::Cited;
use cited::checks::follows;

/// No event of the timeline contradicts a window.
fn windows_hold(timeline: &Timeline, finding: &Finding) -> bool {
    finding.evidence.windows.iter().all(|window| {
        let Some(begin) = timeline.event(window.from) else { return false };
        let from = Some(begin.order());
        let to = window.to.and_then(|to| timeline.event(to)).map(Event::order);
        let inside = |e: &&Event| {
            let after = from.is_some_and(|from| e.order() > from);
            after && to.is_none_or(|to| e.order() < to) && e.at <= window.known_until
        };
        !timeline.events.iter().filter(inside).any(|e| window.excludes(begin, e))
    })
}

/// Every script there is, in the words of every host: examples, near misses (which fire others), traces.
fn timelines() -> Vec<Timeline> {
    let near_misses = DIAGNOSES.iter().flat_map(|d| d.near_misses).map(|m| m.script);
    let scripts: Vec<&str> = DIAGNOSES
        .iter()
        .map(|d| d.example)
        .chain(near_misses)
        .chain(traces::ALL.iter().copied())
        .chain(mistakes::ALL.iter().map(|m| m.script))
        .collect();
    let hosts = ["", "module abi 0.2.1 host envoy", "module abi 0.2.100 host higress"];
    let mut all = Vec::new();
    for script in scripts {
        for host in hosts {
            if host.is_empty() || !script.contains("module ") {
                let text = format!("{host}\n{script}");
                all.push(script::parse(&text).unwrap_or_else(|e| panic!("{e} in {text}")));
            }
        }
    }
    let recorded = recordings::all().into_iter();
    all.extend(
        recorded
            .map(|(name, text)| script::parse(&text).unwrap_or_else(|e| panic!("{e} in {name}"))),
    );
    all
}

fn judged(timeline: &Timeline) -> Vec<Finding> {
    let mut timeline = timeline.clone();
    timeline.assess(Instant::at(timeline.known_until));
    timeline.findings
}

#[test]
fn the_scripts_show_every_severity_of_every_finding() {
    let mut seen: Vec<(String, &str)> = timelines()
        .iter()
        .flat_map(|t| &t.findings)
        .map(|f| (f.code.clone(), f.severity.name()))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    let of = |code: &str| -> Vec<&str> {
        seen.iter().filter(|(c, _)| c == code).map(|(_, s)| *s).collect()
    };
    assert_eq!(of("headers-forwarded-before-body-call"), ["failed", "lost", "note", "race"]);
    assert_eq!(of("late-callback"), ["lost", "note"]);
    assert_eq!(of("response-while-request-held"), ["failed", "lost", "note"]);
    assert_eq!(of("waiting-on-call"), ["hung"]);
    assert_eq!(of("callback-ran-no-resume"), ["hung", "note"]);
    assert_eq!(of("client-gone-while-waiting"), ["lost", "note"]);
    assert_eq!(of("local-reply-too-late"), ["failed", "note"]);
    assert_eq!(of("callback-failure-unhandled"), ["hung", "lost"]);
    assert_eq!(of("watermark-deadlock"), ["hung", "note"]);
    assert_eq!(of("dispatch-rejected"), ["failed"]);
    assert_eq!(of("vm-trap-collateral"), ["failed", "hung", "lost"]);
}

#[test]
fn every_claim_follows_from_what_it_cites() {
    for timeline in timelines() {
        for finding in &timeline.findings {
            let cited = Cited::of(&timeline, finding);
            let text = script::print(&timeline);
            assert!(follows(finding, &cited), "{} {finding:#?} of {text}", finding.code);
            assert!(windows_hold(&timeline, finding), "{} of {text}", finding.code);
        }
    }
}

#[test]
fn a_claim_falls_with_any_event_it_cites() {
    for timeline in timelines() {
        for finding in &timeline.findings {
            for cited in &finding.evidence.events {
                let mut less = timeline.clone();
                less.events.retain(|e| e.sequence != *cited);
                let stands = judged(&less).contains(finding);
                let text = script::print(&timeline);
                assert!(!stands, "{} stands without #{cited} of {text}", finding.code);
            }
        }
    }
}

#[test]
fn the_callback_moved_before_the_delete_changes_the_verdict() {
    let mut moves = 0;
    for timeline in timelines() {
        // A trap loses the callback itself.
        let traps = ["vm-trap-collateral", "callback-failure-unhandled"];
        let lost = |f: &&Finding| f.severity == Severity::Lost && !traps.contains(&&*f.code);
        for finding in timeline.findings.iter().filter(lost) {
            let first = timeline.events.iter().find(|e| e.is_end());
            let Some(end) = first.cloned() else { panic!("{}: lost without an end", finding.code) };
            // The callbacks that came late are the last invocations: they go before the end.
            let is_late =
                |e: &Event| e.entry > end.entry && e.context != timeline.context && !e.is_end();
            let late: Vec<Entry> =
                timeline.events.iter().filter(|e| is_late(e)).map(|e| e.entry).collect();
            let Some(moved_by) = late.iter().max() else { continue };
            let mut moved = timeline.clone();
            for event in &mut moved.events {
                if is_late(event) {
                    event.at = Micros(end.at.0 - 1);
                    event.entry = Entry(event.entry.0 - late[0].0 + end.entry.0);
                } else if event.entry >= end.entry {
                    event.entry = Entry(event.entry.0 + moved_by.0);
                }
            }
            moved.events.sort_by_key(Event::order);
            moves += 1;
            let same = judged(&moved).into_iter().any(|f| {
                let alike = f.code == finding.code && f.subject == finding.subject;
                alike && f.severity == Severity::Lost
            });
            assert!(!same, "{} is lost although the callback came in time", finding.code);
        }
    }
    assert!(moves > 20, "only {moves} findings were lost to a late callback");
}

#[test]
fn an_event_inside_a_window_takes_the_finding_away() {
    for timeline in timelines() {
        for finding in &timeline.findings {
            for window in &finding.evidence.windows {
                for kind in &window.none_of {
                    let more = with_one_more(&timeline, finding, window.from, *kind);
                    let stands = judged(&more).contains(finding);
                    let text = script::print(&more);
                    assert!(!stands, "{} stands although {kind:?}: {text}", finding.code);
                }
            }
        }
    }
}

/// The timeline with an event of a kind right after another one, on the stream and with success.
fn with_one_more(timeline: &Timeline, finding: &Finding, from: Sequence, kind: Kind) -> Timeline {
    let mut more = timeline.clone();
    let from = more.event(from).cloned().expect("the window begins with an event");
    for event in &mut more.events {
        if event.entry > from.entry {
            event.entry = Entry(event.entry.0 + 1);
        }
    }
    // Waiting in the response's phases is ended by letting the response go.
    let holder = finding.evidence.events.iter().filter_map(|s| timeline.event(*s));
    let is_response = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.phase().is_some_and(|p| p.direction() == abi::Direction::Response));
    let in_response = holder.clone().any(|e| is_response(e) && e.result != 0)
        && !holder
            .clone()
            .any(|e| matches!(e.kind, Kind::Callback(c) if c.phase().is_some()) && !is_response(e));
    let call = match (finding.subject, kind) {
        (_, Kind::Hostcall(h)) if h.is_dispatch() => CallId(999),
        (Subject::Call(id), _) => id,
        _ => timeline.event(from.sequence).map(|e| e.call).unwrap_or_default(),
    };
    let numbers = more.events.iter().map(|e| e.sequence.0).max().unwrap_or_default();
    more.events.push(Event {
        sequence: Sequence(numbers + 10),
        entry: Entry(from.entry.0 + 1),
        at: from.at.after(Micros(1)),
        context: more.context,
        kind,
        took: Micros(0),
        args: if in_response { vec![1] } else { Vec::new() },
        result: 0,
        call,
        text: Vec::new(),
        marks: Default::default(),
    });
    more.events.sort_by_key(Event::order);
    more
}

/// A gap anywhere inside a window takes the claim away.
#[test]
fn a_gap_inside_a_window_takes_the_finding_away() {
    for timeline in timelines() {
        for finding in &timeline.findings {
            for window in &finding.evidence.windows {
                let mut less = timeline.clone();
                let from = less.event(window.from).map(|e| e.sequence).unwrap_or_default();
                less.gaps.push(Gap { from, to: from, reason: "buffer full".to_owned() });
                assert!(!judged(&less).contains(finding), "{} stands with a gap", finding.code);
            }
        }
    }
}

/// On which context a hostcall acted is not known where a set_effective_context before it may be missing.
#[test]
fn nothing_is_claimed_from_what_was_decided_in_an_invocation_that_is_not_whole() {
    let mut seen = 0;
    for timeline in timelines() {
        // A fact stands by itself; what was decided is a detail of it.
        for finding in timeline.findings.iter().filter(|finding| !finding.is_fact) {
            let decides = |e: &&Event| e.decides();
            // Not where it is a detail: what came when the stream was gone decided nothing, whomever it was
            // meant for (two claim that it was tried), and headers that had gone were gone before the call.
            let is_tried = ["continue-with-call-outstanding", "dispatch-at-end"];
            let delete = Kind::Callback(abi::Callback::Delete);
            let deleted = timeline.events.iter().find(|e| e.kind == delete).map(Event::order);
            let is_dispatch = |e: &&Event| e.is_dispatch();
            let dispatched = timeline.events.iter().find(is_dispatch).map(Event::order);
            let matters = |e: &&Event| match finding.code.as_str() {
                code if is_tried.contains(&code) => true,
                "headers-forwarded-before-body-call" => dispatched.is_some_and(|d| e.order() < d),
                _ => deleted.is_none_or(|d| e.order() < d),
            };
            let cited = finding.evidence.events.iter().filter_map(|s| timeline.event(*s));
            for hostcall in cited.filter(decides).filter(matters) {
                seen += 1;
                let mut less = timeline.clone();
                let (from, to) = (hostcall.sequence, hostcall.sequence);
                less.gaps.push(Gap { from, to, reason: "buffer full".to_owned() });
                assert!(
                    !judged(&less).contains(finding),
                    "{} stands although #{from} may have acted elsewhere:\n{}",
                    finding.code,
                    script::print(&less)
                );
            }
        }
    }
    assert!(seen > 20, "only {seen} decisions are cited");
}

#[test]
fn each_mistake_is_told_as_what_it_is() {
    for mistake in mistakes::ALL {
        let mut timeline = script::parse(mistake.script).expect(mistake.what);
        timeline.assess(Instant::at(timeline.known_until));
        let found: Vec<_> =
            timeline.findings.iter().map(|f| (f.code.as_str(), f.severity.name())).collect();
        assert_eq!(found, mistake.found, "{}: {:#?}", mistake.what, timeline.findings);
    }
}

#[test]
fn of_two_answers_the_one_is_named_that_the_client_got() {
    let told = |code: u32| {
        let text = format!(
            r#"
response code {code} details "lab"
0.100000 #1 create 2 root 1
0.100100 #4 request_headers 2 n=6 end -> pause
0.100200 #2   send_local_response "lab" status=403 -> ok
0.100300 #3   send_local_response "lab" status=503 -> ok
0.101000 #5 log 2
0.101100 #6 done 2
0.101200 #7 delete 2
"#
        );
        let mut timeline = script::parse(&text).expect("a script");
        timeline.assess(Instant::at(timeline.known_until));
        timeline.findings.iter().map(|f| f.headline.clone()).collect::<Vec<_>>().join(" ")
    };
    assert!(
        told(403).contains("got the first answer (403), not the second (503)"),
        "{}",
        told(403)
    );
    assert!(
        told(503).contains("got the second answer (503), not the first (403)"),
        "{}",
        told(503)
    );
    assert!(told(200).contains("one of the two answers"), "{}", told(200));
}
