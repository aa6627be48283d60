//! No statement without evidence: every claim is computed again from the cited events and windows
//! alone, by other means than the diagnoses', and falls when a cited event is taken away.

use std::collections::BTreeMap;

use abi::{Callback, Hostcall, Kind};
use timeline::event::Event;
use timeline::finding::{Finding, Severity};
use timeline::ids::{Entry, Micros, Sequence};
use timeline::registry::DIAGNOSES;
use timeline::timeline::Timeline;
use timeline::{Instant, diagnose, script};

/// The cited events, in order, and nothing else.
struct Cited(Vec<Event>);

impl Cited {
    fn of(timeline: &Timeline, finding: &Finding) -> Cited {
        let by_number: BTreeMap<Sequence, &Event> =
            timeline.events.iter().map(|e| (e.sequence, e)).collect();
        let mut events: Vec<Event> = finding
            .evidence
            .events
            .iter()
            .map(|s| (*by_number.get(s).unwrap_or_else(|| panic!("#{s} does not exist"))).clone())
            .collect();
        events.sort_by_key(Event::order);
        Cited(events)
    }

    fn one(&self, wanted: impl Fn(&Event) -> bool) -> Option<(usize, &Event)> {
        self.0.iter().enumerate().find(|(_, e)| wanted(e))
    }

    fn callback(&self, callback: Callback) -> Option<(usize, &Event)> {
        self.one(|e| e.kind == Kind::Callback(callback))
    }

    /// A dispatch with its phase, which stopped.
    fn stopped_dispatch(&self) -> Option<(usize, &Event)> {
        let (at, dispatch) =
            self.one(|e| matches!(e.kind, Kind::Hostcall(h) if h.is_dispatch()))?;
        let phase = |e: &Event| {
            let is_phase = matches!(e.kind, Kind::Callback(c) if c.phase().is_some());
            e.entry == dispatch.entry && is_phase && e.result != 0
        };
        (dispatch.result == 0 && self.one(phase).is_some()).then_some((at, dispatch))
    }

    fn answer(&self, dispatch: &Event) -> Option<(usize, &Event)> {
        self.one(|e| {
            matches!(e.kind, Kind::Callback(c) if c.is_response()) && e.call == dispatch.call
        })
    }
}

/// Does the claim of a finding follow from what it cites?
fn follows(finding: &Finding, cited: &Cited) -> bool {
    let holds = match finding.code.as_str() {
        "headers-forwarded-before-body-call" => forwarded(finding, cited),
        "late-callback" => (|| {
            let (_, dispatch) = cited.stopped_dispatch()?;
            let (answered, _) = cited.answer(dispatch)?;
            let (deleted, _) = cited.callback(Callback::Delete)?;
            Some(deleted < answered)
        })(),
        "response-while-request-held" => (|| {
            let (held, _) = cited.one(|e| {
                let request = [Callback::RequestHeaders, Callback::RequestBody];
                matches!(e.kind, Kind::Callback(c) if request.contains(&c)) && e.result != 0
            })?;
            let (response, _) = cited.callback(Callback::ResponseHeaders)?;
            let out = cited.one(|e| matches!(e.kind, Kind::Hostcall(h) if h.is_dispatch()));
            let severe = finding.severity > Severity::Note;
            Some(held < response && severe == out.is_some_and(|(at, _)| at < response))
        })(),
        "waiting-on-call" => (|| {
            let (_, dispatch) = cited.stopped_dispatch()?;
            let window = finding.evidence.windows.first()?;
            let whole = window.complete && window.from == dispatch.sequence && window.to.is_none();
            Some(whole && window.none_of == [Kind::Callback(Callback::HttpCallResponse)])
        })(),
        "callback-ran-no-resume" => (|| {
            let (_, dispatch) = cited.stopped_dispatch()?;
            let (_, answer) = cited.answer(dispatch)?;
            let window = finding.evidence.windows.first()?;
            let resume = Kind::Hostcall(Hostcall::ContinueStream);
            let reply = Kind::Hostcall(Hostcall::SendLocalResponse);
            let whole = window.complete && window.from == answer.sequence;
            Some(whole && window.none_of.contains(&resume) && window.none_of.contains(&reply))
        })(),
        "dispatch-rejected" => cited
            .one(|e| matches!(e.kind, Kind::Hostcall(h) if h.is_dispatch()) && e.result == 2)
            .map(|_| true),
        other => panic!("no independent check of {other}: add one"),
    };
    holds == Some(true)
}

fn forwarded(finding: &Finding, cited: &Cited) -> Option<bool> {
    let (went, _) = cited.one(|e| {
        let headers = [Callback::RequestHeaders, Callback::ResponseHeaders];
        let continued =
            matches!(e.kind, Kind::Callback(c) if headers.contains(&c)) && e.result == 0;
        continued || e.kind == Kind::Hostcall(Hostcall::ContinueStream)
    })?;
    let (out, dispatch) = cited.stopped_dispatch()?;
    let answer = cited.answer(dispatch);
    let deleted = cited.callback(Callback::Delete);
    let severity = match (deleted, answer) {
        (Some((deleted, _)), Some((answered, _))) if deleted < answered => Severity::Lost,
        (Some(_), None) => {
            let window = finding.evidence.windows.first()?;
            let whole = window.complete && window.from == dispatch.sequence && window.to.is_some();
            if !whole {
                return Some(false);
            }
            Severity::Lost
        }
        _ => {
            let response = cited.callback(Callback::ResponseHeaders);
            match (response, answer) {
                (Some((response, _)), Some((answered, _))) if response < answered => {
                    Severity::Failed
                }
                _ => Severity::Race,
            }
        }
    };
    Some(went < out && severity == finding.severity)
}

/// No event of the timeline contradicts a window.
fn windows_hold(timeline: &Timeline, finding: &Finding) -> bool {
    finding.evidence.windows.iter().all(|window| {
        let from = timeline.event(window.from).map(Event::order);
        let to = window.to.and_then(|to| timeline.event(to)).map(Event::order);
        let inside = |e: &&Event| {
            let after = from.is_some_and(|from| e.order() > from);
            after && to.is_none_or(|to| e.order() < to) && e.at <= window.known_until
        };
        !timeline.events.iter().filter(inside).any(|e| window.none_of.contains(&e.kind))
    })
}

fn examples() -> impl Iterator<Item = Timeline> {
    DIAGNOSES.iter().map(|d| script::parse(d.example()).expect("the example is a script"))
}

fn judged(timeline: &Timeline) -> Vec<Finding> {
    let mut timeline = timeline.clone();
    timeline.assess(Instant::at(timeline.known_until));
    timeline.findings
}

#[test]
fn every_claim_follows_from_what_it_cites() {
    for timeline in examples() {
        for finding in &timeline.findings {
            let cited = Cited::of(&timeline, finding);
            assert!(follows(finding, &cited), "{}: {:?}", finding.code, finding.evidence);
            assert!(windows_hold(&timeline, finding), "{}", finding.code);
        }
    }
}

#[test]
fn a_claim_falls_with_any_event_it_cites() {
    for timeline in examples() {
        for finding in &timeline.findings {
            for cited in &finding.evidence.events {
                let mut less = timeline.clone();
                less.events.retain(|e| e.sequence != *cited);
                let stands = judged(&less).contains(finding);
                assert!(!stands, "{} stands without #{cited}", finding.code);
            }
        }
    }
}

#[test]
fn the_callback_moved_before_the_delete_changes_the_verdict() {
    for timeline in examples() {
        let late = |f: &&Finding| f.severity == Severity::Lost && !f.evidence.events.is_empty();
        for finding in timeline.findings.iter().filter(late) {
            let Some(deleted) = timeline
                .events
                .iter()
                .find(|e| e.kind == Kind::Callback(Callback::Delete))
                .cloned()
            else {
                panic!("{}: lost without a delete", finding.code);
            };
            let mut moved = timeline.clone();
            for event in &mut moved.events {
                if matches!(event.kind, Kind::Callback(c) if c.is_response()) {
                    event.at = Micros(deleted.at.0 - 1);
                    event.entry = Entry(deleted.entry.0);
                } else if event.entry >= deleted.entry {
                    event.entry = Entry(event.entry.0 + 1);
                }
            }
            moved.events.sort_by_key(Event::order);
            let same = judged(&moved).into_iter().any(|f| {
                f.code == finding.code
                    && f.severity == Severity::Lost
                    && f.subject == finding.subject
            });
            assert!(!same, "{} is lost although the callback came in time", finding.code);
        }
    }
}

#[test]
fn an_event_inside_a_window_takes_the_finding_away() {
    for timeline in examples() {
        for finding in timeline.findings.clone() {
            for window in &finding.evidence.windows {
                let mut more = timeline.clone();
                let last = more.events.last().cloned().expect("events");
                let call = more.calls.first().map(|c| c.id).expect("a call");
                more.events.push(Event {
                    sequence: Sequence(last.sequence.0 + 10),
                    entry: Entry(last.entry.0 + 1),
                    at: window.known_until,
                    context: more.context,
                    kind: window.none_of[0],
                    call,
                    result: 0,
                    args: Vec::new(),
                    ..last
                });
                more.assess(Instant::at(more.known_until));
                let verdicts = diagnose(&more, Instant::at(more.known_until));
                let found = verdicts.findings.iter().any(|f| f.code == finding.code);
                assert!(!found, "{} is found although it happened", finding.code);
            }
        }
    }
}
