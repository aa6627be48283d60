//! Directions that are held although nothing is on its way that could let them go: what the diagnoses of
//! such a stop share.

use abi::{Callback, Direction, Kind};

use super::phrases;
use crate::calls::{Call, Outcome};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::{Half, Hold};
use crate::ids::Micros;
use crate::story::{Story, span};

/// So long a stop without a reason to wait is no finding: a plugin may resume from its tick.
const NOTICE: Micros = Micros::SECOND;

/// A direction that was held when it was last looked at: at the stream's end, or now.
pub struct Stuck<'a> {
    /// Which.
    pub direction: Direction,
    /// The phase that stopped last.
    pub phase: &'a Event,
    /// What is held.
    pub half: Half,
    /// The plugin had answered the request itself.
    pub replied: bool,
    /// What ended the stop, if it has ended.
    end: Option<&'a Event>,
}

/// What a diagnosis tells of it.
pub struct Told {
    /// Code of the diagnosis.
    pub code: &'static str,
    /// Why nothing can let it go: the end of the headline.
    pub why: String,
    /// Further sentences.
    pub details: Vec<String>,
    /// Further events to cite.
    pub events: Vec<crate::ids::Sequence>,
    /// What to do.
    pub advice: &'static [Advice],
}

/// The directions that are held, or were when something ended the stop.
pub fn all<'a>(story: &Story<'a>) -> Vec<Stuck<'a>> {
    [Direction::Request, Direction::Response]
        .into_iter()
        .filter_map(|direction| of(story, direction))
        .collect()
}

fn of<'a>(story: &Story<'a>, direction: Direction) -> Option<Stuck<'a>> {
    let end = story.end_of_stop(direction);
    let state = story.state_before(end)?;
    let half = *state.of(direction);
    if !half.hold.is_held() {
        return None;
    }
    let is_stop = |e: &&Event| match e.kind {
        Kind::Callback(c) => c.phase().is_some_and(|phase| phase.direction() == direction),
        _ => false,
    };
    let own = story.timeline.events.iter().filter(|e| e.context == story.timeline.context);
    let before = |e: &&Event| end.is_none_or(|end| e.order() < end.order());
    let phase = own.filter(is_stop).filter(before).max_by_key(|e| e.order())?;
    Some(Stuck { direction, phase, half, replied: state.replied.is_some(), end })
}

impl Stuck<'_> {
    /// Did the headers phase stop it?
    pub fn is_in_headers(&self) -> bool {
        let headers = [Callback::RequestHeaders, Callback::ResponseHeaders];
        matches!(self.phase.kind, Kind::Callback(callback) if headers.contains(&callback))
    }

    /// Is everything held, so that no further phase is called, as far as the dialect is known?
    pub fn is_all_held(&self) -> bool {
        matches!(self.half.hold, Hold::All | Hold::SingleOrAll)
    }

    /// The calls that the host accepted, if each was answered before the phase that stopped: none of them
    /// can let it go.
    pub fn answered_before<'s>(&self, story: &Story<'s>) -> Option<Vec<&'s Call>> {
        let accepted =
            story.calls().iter().filter(|call| !matches!(call.outcome, Outcome::Rejected(_)));
        let mut calls = Vec::new();
        for call in accepted {
            let answer = story.answer(call)?;
            if answer.order() > self.phase.order() {
                return None;
            }
            calls.push(call);
        }
        Some(calls)
    }

    /// Was no dispatch refused, and none accepted that could let it go?
    pub fn has_nothing_out(&self, story: &Story<'_>) -> bool {
        self.answered_before(story).is_some_and(|before| before.len() == story.calls().len())
    }

    /// The verdict, now that it is known why nothing will let it go. The window shows that none of
    /// `none_of` was there, beside what would have released it.
    pub fn judge(&self, story: &Story<'_>, none_of: &[Kind], told: Told) -> Option<Verdict> {
        let until = self.phase.at.after(self.phase.took).after(NOTICE);
        if self.end.is_some_and(|end| end.at <= until) {
            return None;
        }
        let known_until = story.instant.known_until;
        let seen_until = self.end.map_or(known_until, |end| end.at);
        if seen_until <= until {
            return Some(Verdict::Pending { until });
        }
        let first = story.timeline.events.first()?;
        if let Some(gap) = story.gap(first.sequence, self.end.map(|end| end.sequence)) {
            return Some(Verdict::Unknown { gap });
        }
        let held = match story.still_held(self.direction, self.end)? {
            Ok(held) => held,
            Err(gap) => return Some(Verdict::Unknown { gap }),
        };
        let half = phrases::capital(phrases::half(self.direction));
        let name = phrases::name(self.phase);
        let time = span(seen_until.since(self.phase.at));
        let headline = match self.end {
            None => format!("{half} has been held in {name} for {time}, and {}.", told.why),
            Some(_) => format!("{half} was held in {name} for {time}, and {}.", told.why),
        };
        let mut details =
            vec![format!("The last phase that stopped it is {}.", phrases::event(self.phase))];
        details.extend(told.details);
        let before = self.answered_before(story).unwrap_or_default();
        details.extend(before.iter().map(|call| {
            format!(
                "{} was dispatched and answered before that phase (#{}).",
                phrases::capital(phrases::call(call)),
                call.dispatch
            )
        }));
        details.extend(self.end.map(|end| format!("The stop ended with {}.", phrases::event(end))));
        let mut windows = vec![held.window.clone()];
        if !none_of.is_empty() {
            let from = if before.is_empty() { first } else { self.phase };
            windows.push(story.window(from.sequence, self.end.map(|end| end.sequence), none_of));
        }
        let events = [first.sequence, self.phase.sequence].into_iter().chain(held.cited());
        let events = events.chain(told.events).chain(self.end.map(|end| end.sequence));
        let answered =
            before.iter().filter_map(|call| Some([call.dispatch, story.answer(call)?.sequence]));
        let events = events.chain(answered.flatten());
        Some(Verdict::Found(Box::new(Finding {
            details,
            evidence: Evidence { events: phrases::cited(events), windows },
            advice: phrases::advice(story.timeline.dialect.host, told.advice),
            ..Finding::cause(
                told.code,
                Severity::Hung,
                Subject::Direction(self.direction),
                headline,
            )
        })))
    }
}
