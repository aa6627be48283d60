//! A timeline read once, for all diagnoses: its invocations with the state before and after each,
//! its calls, how it ended.

use std::ops::Range;

use abi::{Callback, Direction, Kind};

use crate::calls::{Call, Outcome};
use crate::diagnose::Instant;
use crate::event::Event;
use crate::finding::Window;
use crate::hold::Halves;
use crate::ids::{Entry, Micros, Sequence};
use crate::timeline::Timeline;

/// A timeline as the diagnoses read it.
pub struct Story<'a> {
    /// The timeline.
    pub timeline: &'a Timeline,
    /// When.
    pub instant: Instant,
    /// Its invocations, in order.
    pub steps: Vec<Step>,
}

/// One invocation and the hostcalls made in it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub entry: Entry,
    /// Positions of its events.
    events: Range<usize>,
    /// Position of the invocation itself; None if it was not recorded.
    invocation: Option<usize>,
    /// What was held before it.
    pub before: Halves,
    /// What was held after it.
    pub after: Halves,
}

impl<'a> Story<'a> {
    /// Reads a timeline.
    pub fn of(timeline: &'a Timeline, instant: Instant) -> Story<'a> {
        let mut steps: Vec<Step> = Vec::with_capacity(timeline.events.len());
        let mut halves = Halves::default();
        let mut start = 0;
        for group in timeline.events.chunk_by(|a, b| a.entry == b.entry) {
            let calls_start = group.partition_point(|e| !matches!(e.kind, Kind::Hostcall(_)));
            let (heads, hostcalls) = group.split_at(calls_start);
            let at = heads.iter().position(|e| matches!(e.kind, Kind::Callback(_)));
            let before = halves;
            halves.step(timeline.context, timeline.dialect, at.map(|at| &heads[at]), hostcalls);
            steps.push(Step {
                entry: group[0].entry,
                events: start..start + group.len(),
                invocation: at.map(|at| start + at),
                before,
                after: halves,
            });
            start += group.len();
        }
        Story { timeline, instant, steps }
    }

    /// The invocation of a step.
    pub fn invocation(&self, step: &Step) -> Option<&'a Event> {
        self.timeline.events.get(step.invocation?)
    }

    /// The hostcalls made in a step.
    pub fn hostcalls(&self, step: &Step) -> &'a [Event] {
        let events = &self.timeline.events[step.events.clone()];
        let start = events.partition_point(|e| !matches!(e.kind, Kind::Hostcall(_)));
        &events[start..]
    }

    /// The calls it owns.
    pub fn calls(&self) -> &'a [Call] {
        &self.timeline.calls
    }

    /// The step in which a call was dispatched.
    pub fn dispatch_step(&self, call: &Call) -> Option<&Step> {
        self.steps.iter().find(|s| s.entry == call.entry)
    }

    /// The step of an event.
    pub fn step_of(&self, sequence: Sequence) -> Option<&Step> {
        self.steps
            .iter()
            .find(|s| self.timeline.events[s.events.clone()].iter().any(|e| e.sequence == sequence))
    }

    /// The first invocation of a callback on the stream's own context.
    pub fn first(&self, callback: Callback) -> Option<&'a Event> {
        self.timeline
            .events
            .iter()
            .find(|e| e.kind == Kind::Callback(callback) && e.context == self.timeline.context)
    }

    /// The first sign that the stream has ended: log, done or delete.
    pub fn ended(&self) -> Option<&'a Event> {
        self.timeline.events.iter().find(|e| {
            e.context == self.timeline.context
                && matches!(e.kind, Kind::Callback(c) if crate::hold::is_ending(c))
        })
    }

    /// The state after the last event.
    pub fn now(&self) -> Halves {
        self.steps.last().map(|s| s.after).unwrap_or_default()
    }

    /// Calls without a response callback yet.
    pub fn out(&self) -> impl Iterator<Item = &'a Call> {
        self.calls().iter().filter(|c| c.outcome == Outcome::Pending)
    }

    /// Was the call out right before an event?
    pub fn was_out(&self, call: &Call, event: &Event) -> bool {
        let (Some(dispatch), false) =
            (self.timeline.event(call.dispatch), matches!(call.outcome, Outcome::Rejected(_)))
        else {
            return false;
        };
        let answered = call.outcome.answer().and_then(|a| self.timeline.event(a.callback));
        dispatch.order() < event.order() && answered.is_none_or(|a| event.order() < a.order())
    }

    /// Does the stream wait for this call: was it dispatched in a phase that then stopped, or while
    /// something was held? If not it was fire and forget.
    pub fn is_awaited(&self, call: &Call) -> Option<Direction> {
        let step = self.dispatch_step(call)?;
        let Kind::Callback(callback) = self.invocation(step)?.kind else { return None };
        match callback.phase() {
            Some(phase) => {
                let direction = phase.direction();
                step.after.of(direction).hold.is_held().then_some(direction)
            }
            None if callback.is_response() => [Direction::Request, Direction::Response]
                .into_iter()
                .find(|d| step.after.of(*d).hold.is_held()),
            None => None,
        }
    }

    /// What is missing between two events (to the end if `to` is None), as a sentence; None if
    /// nothing is. An event of a kind that this version does not know counts as missing.
    pub fn gap(&self, from: Sequence, to: Option<Sequence>) -> Option<String> {
        let end = to.unwrap_or(Sequence(u64::MAX));
        let from = self.first_number(from);
        let lost = self.timeline.gaps.iter().find(|g| g.from <= end && g.to >= from);
        if let Some(gap) = lost {
            return Some(format!(
                "Events {} to {} of this instance are missing ({}), so what did not happen cannot be told.",
                gap.from, gap.to, gap.reason
            ));
        }
        self.timeline
            .events
            .iter()
            .find(|e| matches!(e.kind, Kind::Unknown(_)) && e.sequence >= from && e.sequence <= end)
            .map(|e| {
                format!(
                    "Event {} is of kind {}, which this version does not know, so what did not happen cannot be told.",
                    e.sequence,
                    e.kind.number()
                )
            })
    }

    /// The least number that an event of the same invocation may have. Hostcalls are numbered before
    /// the invocation around them, so one that is lost lies anywhere after the invocation before it.
    fn first_number(&self, of: Sequence) -> Sequence {
        let Some(step) = self.step_of(of) else { return of };
        let earlier = &self.timeline.events[..step.events.start];
        let own = self.timeline.events[step.events.clone()].iter().map(|e| e.sequence).min();
        let after = earlier.iter().map(|e| Sequence(e.sequence.0.saturating_add(1))).max();
        own.unwrap_or(of).min(after.unwrap_or_default())
    }

    /// A window without a gap, in which none of some kinds happened.
    pub fn window(&self, from: Sequence, to: Option<Sequence>, none_of: &[Kind]) -> Window {
        Window {
            from,
            to,
            known_until: self.instant.known_until,
            complete: true,
            none_of: none_of.to_vec(),
        }
    }

    /// How the stream ended, or what answered it.
    pub fn ending(&self) -> Ending {
        Ending::of(self)
    }
}

/// What ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The upstream answered.
    UpstreamAnswered,
    /// The upstream's connection ended before it answered.
    UpstreamClosed,
    /// The client went away.
    ClientLeft,
    /// A timeout of the host.
    HostTimeout,
    /// The host or another filter answered.
    AnsweredByOthers,
    /// The plugin's own local response.
    OwnReply,
    /// A response came; by whom the host did not say.
    Response,
    /// It ended without a response; why the host did not say.
    WithoutResponse,
    /// It has not ended.
    Not,
}

impl Ending {
    fn of(story: &Story<'_>) -> Ending {
        const DOWNSTREAM_TERMINATION: u64 = 0x4000;
        const STREAM_IDLE: u64 = 0x1_0000;
        let stream = &story.timeline.stream;
        let details = stream.response_code_details.as_deref().unwrap_or_default();
        let flags = stream.response_flags.unwrap_or_default();
        let reply = story.now().replied.and_then(|reply| story.step_of(reply));
        let response = story.first(Callback::ResponseHeaders);
        if let Some(step) = reply
            && response.is_none_or(|r| r.entry >= step.entry)
        {
            return Ending::OwnReply;
        }
        match details {
            "via_upstream" => Ending::UpstreamAnswered,
            d if d.starts_with("upstream_reset") => Ending::UpstreamClosed,
            d if d.starts_with("downstream_remote_disconnect") => Ending::ClientLeft,
            d if d.contains("timeout") => Ending::HostTimeout,
            _ if flags & DOWNSTREAM_TERMINATION != 0 => Ending::ClientLeft,
            _ if flags & STREAM_IDLE != 0 => Ending::HostTimeout,
            "" => match (response, story.ended()) {
                (Some(_), _) => Ending::Response,
                (None, Some(_)) => Ending::WithoutResponse,
                (None, None) => Ending::Not,
            },
            _ => Ending::AnsweredByOthers,
        }
    }

    /// A clause: "the upstream answered on the headers alone (via_upstream)".
    pub fn clause(self, story: &Story<'_>) -> String {
        let stream = &story.timeline.stream;
        let with = |text: &str| match &stream.response_code_details {
            Some(details) if !details.is_empty() => format!("{text} ({details})"),
            _ => text.to_owned(),
        };
        let code = stream.response_code.filter(|c| *c != 0);
        let status = code.map(|c| format!(" with {c}")).unwrap_or_default();
        match self {
            Ending::UpstreamAnswered => {
                with(&format!("the upstream answered on the headers alone{status}"))
            }
            Ending::UpstreamClosed => with("the upstream closed the connection before it answered"),
            Ending::ClientLeft => with("the client left"),
            Ending::HostTimeout => with("a timeout of the host ended the stream"),
            Ending::AnsweredByOthers => with(&format!(
                "the host or another filter answered in the upstream's place{status}"
            )),
            Ending::OwnReply => "the plugin sent a local response itself".to_owned(),
            Ending::Response => format!("a response came{status}, by whom the host did not say"),
            Ending::WithoutResponse => {
                "the stream ended without a response: most likely the client left".to_owned()
            }
            Ending::Not => "the stream has not ended".to_owned(),
        }
    }
}

/// A span for people: milliseconds below ten seconds, else seconds.
pub fn span(span: Micros) -> String {
    match span.0 {
        micros if micros < 10_000 => format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10),
        micros if micros < 10_000_000 => format!("{} ms", (micros + 500) / 1_000),
        micros => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// A timeout for people.
pub fn timeout(timeout: Option<Micros>) -> String {
    match timeout {
        None => "no timeout".to_owned(),
        Some(t) if t.0 % 1_000_000 == 0 => format!("timeout {} s", t.0 / 1_000_000),
        Some(t) => format!("timeout {} ms", t.0 / 1_000),
    }
}
