//! A timeline read once, for all diagnoses: its invocations with the state before and after each,
//! its calls, how it ended.

mod ending;

use std::fmt::{Display, from_fn};

use abi::{CallKind, Callback, Direction, Kind};

use crate::calls::{Call, Outcome};
use crate::diagnose::Instant;
use crate::event::Event;
use crate::finding::Window;
use crate::hold::{Halves, Hold};
use crate::ids::{Entry, Micros, Sequence};
use crate::timeline::Timeline;

pub use ending::Ending;

/// A timeline as the diagnoses read it.
pub struct Story<'a> {
    /// The timeline.
    pub timeline: &'a Timeline,
    /// When.
    pub instant: Instant,
    /// Its invocations, in order.
    pub steps: Vec<Step>,
    /// The first invocation of each callback on the stream's own context, by its number.
    firsts: [Option<&'a Event>; CALLBACKS],
    /// The first of them that tells of the end.
    ended: Option<&'a Event>,
}

/// More than a callback's number can be.
const CALLBACKS: usize = {
    let (mut most, mut at) = (0, 0);
    while at < Callback::ALL.len() {
        let number = Callback::ALL[at].number() as usize;
        most = if number > most { number } else { most };
        at += 1;
    }
    most + 1
};

/// One invocation and the hostcalls made in it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub entry: Entry,
    /// Position of its first event.
    start: u32,
    /// That of its first hostcall.
    hostcalls: u32,
    /// That behind its last event.
    end: u32,
    /// Position of the invocation itself; None if it was not recorded.
    invocation: Option<u32>,
    /// What was held before it.
    pub before: Halves,
    /// What was held after it.
    pub after: Halves,
}

impl<'a> Story<'a> {
    /// Reads a timeline.
    pub fn of(timeline: &'a Timeline, instant: Instant) -> Story<'a> {
        let mut steps: Vec<Step> = Vec::with_capacity(timeline.events.len());
        let mut firsts = [None; CALLBACKS];
        let mut halves = Halves::default();
        let mut start = 0;
        for group in timeline.events.chunk_by(|a, b| a.entry == b.entry) {
            let calls_start = group.partition_point(|e| !matches!(e.kind, Kind::Hostcall(_)));
            let (heads, hostcalls) = group.split_at(calls_start);
            let at = heads.iter().position(|e| matches!(e.kind, Kind::Callback(_)));
            let before = halves;
            halves.step(timeline.context, timeline.dialect, at.map(|at| &heads[at]), hostcalls);
            for event in heads.iter().filter(|event| event.context == timeline.context) {
                if let Kind::Callback(callback) = event.kind {
                    firsts[callback.number() as usize].get_or_insert(event);
                }
            }
            steps.push(Step {
                entry: group[0].entry,
                start: start as u32,
                hostcalls: (start + calls_start) as u32,
                end: (start + group.len()) as u32,
                invocation: at.map(|at| (start + at) as u32),
                before,
                after: halves,
            });
            start += group.len();
        }
        let ends = [Callback::Log, Callback::Done, Callback::Delete];
        let ends = ends.into_iter().filter_map(|end| firsts[end.number() as usize]);
        let ended = ends.min_by_key(|end: &&Event| end.order());
        Story { timeline, instant, steps, firsts, ended }
    }

    /// The invocation of a step.
    pub fn invocation(&self, step: &Step) -> Option<&'a Event> {
        self.timeline.events.get(step.invocation? as usize)
    }

    /// The hostcalls made in a step.
    pub fn hostcalls(&self, step: &Step) -> &'a [Event] {
        &self.timeline.events[step.hostcalls as usize..step.end as usize]
    }

    /// The steps in which the plugin made a hostcall.
    pub fn acting(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.hostcalls < step.end)
    }

    /// All events of a step.
    fn events(&self, step: &Step) -> &'a [Event] {
        &self.timeline.events[step.start as usize..step.end as usize]
    }

    /// The calls it owns.
    pub fn calls(&self) -> &'a [Call] {
        &self.timeline.calls
    }

    /// The hostcalls made in an invocation.
    pub fn hostcalls_in(&self, invocation: &Event) -> &'a [Event] {
        self.step_in(invocation.entry).map_or(&[][..], |step| self.hostcalls(step))
    }

    /// The step in which a call was dispatched.
    pub fn dispatch_step(&self, call: &Call) -> Option<&Step> {
        self.step_in(call.entry)
    }

    fn step_in(&self, entry: Entry) -> Option<&Step> {
        self.steps.iter().find(|s| s.entry == entry)
    }

    /// The step of an event.
    pub fn step_of(&self, sequence: Sequence) -> Option<&Step> {
        self.steps.iter().find(|s| self.events(s).iter().any(|e| e.sequence == sequence))
    }

    /// The first invocation of a callback on the stream's own context.
    pub fn first(&self, callback: Callback) -> Option<&'a Event> {
        self.firsts[callback.number() as usize]
    }

    /// The first sign that the stream has ended: log, done or delete.
    pub fn ended(&self) -> Option<&'a Event> {
        self.ended
    }

    /// What ended a stop of a direction: the stream's end, or for the request a response.
    pub fn end_of_stop(&self, direction: Direction) -> Option<&'a Event> {
        match (direction, self.first(Callback::ResponseHeaders), self.ended) {
            (Direction::Request, Some(response), Some(end)) => {
                Some(if response.order() < end.order() { response } else { end })
            }
            (Direction::Request, response, end) => response.or(end),
            (Direction::Response, _, end) => end,
        }
    }

    /// The state right before the invocation of an event; after the last one for None.
    pub fn state_before(&self, event: Option<&Event>) -> Option<Halves> {
        match event {
            Some(event) => Some(self.step_in(event.entry)?.before),
            None => Some(self.now()),
        }
    }

    /// The response callback of a call, if it came.
    pub fn answer(&self, call: &Call) -> Option<&'a Event> {
        self.timeline.event(call.outcome.answer()?.callback)
    }

    /// The local response that the host accepted.
    pub fn reply(&self) -> Option<&'a Event> {
        self.timeline.event(self.now().replied?)
    }

    /// The state after the last event.
    pub fn now(&self) -> Halves {
        self.steps.last().map(|s| s.after).unwrap_or_default()
    }

    /// Calls without a response callback yet.
    pub fn out(&self) -> impl Iterator<Item = &'a Call> {
        self.calls().iter().filter(|c| c.outcome == Outcome::Pending)
    }

    /// The call that a response callback answers.
    pub fn answered_by(&self, callback: &Event) -> Option<&'a Call> {
        let is_it = |c: &&Call| c.outcome.answer().is_some_and(|a| a.callback == callback.sequence);
        self.calls().iter().find(is_it)
    }

    /// Was the call out right before an event?
    pub fn was_out(&self, call: &Call, event: &Event) -> bool {
        let (Some(dispatch), false) =
            (self.timeline.event(call.dispatch), matches!(call.outcome, Outcome::Rejected(_)))
        else {
            return false;
        };
        let answered = self.answer(call);
        dispatch.order() < event.order() && answered.is_none_or(|a| event.order() < a.order())
    }

    /// Does the stream wait for this call: was it dispatched in a phase that then stopped, or while
    /// something was held, or did a later phase stop for it? If not it was fire and forget.
    pub fn is_awaited(&self, call: &Call) -> Option<Direction> {
        let later = || Some(self.stopped_later(call)?.0);
        self.awaited_at_once(call).or_else(later)
    }

    /// A phase that stopped for a call which the phase of its dispatch had not waited for: nothing further
    /// was to come in its direction, and no other call was out for which it could have stopped.
    pub fn awaited_later(&self, call: &Call) -> Option<(Direction, &'a Event)> {
        if self.awaited_at_once(call).is_some() {
            return None;
        }
        self.stopped_later(call)
    }

    /// The same of a call that is known not to be awaited by the phase of its dispatch.
    fn stopped_later(&self, call: &Call) -> Option<(Direction, &'a Event)> {
        let dispatch = self.dispatch_step(call)?;
        let is_phase = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.phase().is_some());
        self.invocation(dispatch).filter(|e| is_phase(e))?;
        let later = self.steps.iter().filter(|step| step.entry > dispatch.entry);
        later.into_iter().find_map(|step| {
            let phase = self.invocation(step).filter(|e| e.context == self.timeline.context)?;
            let Kind::Callback(callback) = phase.kind else { return None };
            let direction = callback.phase()?.direction();
            let half = step.after.of(direction);
            let is_last = half.hold == Hold::All || half.hold.is_held() && half.ended;
            if !is_last || step.after.replied.is_some() || !self.was_out(call, phase) {
                return None;
            }
            let other = |c: &Call| c.id != call.id && self.was_out(c, phase);
            // One that the phase itself made, accepted or refused, is what it stopped for.
            let made = |e: &Event| e.is_dispatch();
            let is_for_other =
                self.calls().iter().any(other) || self.hostcalls(step).iter().any(made);
            // A call that is not known may be what it stopped for.
            let is_whole = || self.gap(call.dispatch, Some(phase.sequence)).is_none();
            (!is_for_other && is_whole()).then_some((direction, phase))
        })
    }

    fn awaited_at_once(&self, call: &Call) -> Option<Direction> {
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

    /// What is missing of one invocation, as above: on which context a hostcall acted can be told only
    /// where no set_effective_context before it is missing.
    pub fn gap_in(&self, invocation: &Event) -> Option<String> {
        self.gap(invocation.sequence, Some(invocation.sequence))
    }

    /// The least number that an event of the same invocation may have. Hostcalls are numbered before
    /// the invocation around them, so one that is lost lies anywhere after the invocation before it.
    fn first_number(&self, of: Sequence) -> Sequence {
        let Some(step) = self.step_of(of) else { return of };
        let earlier = &self.timeline.events[..step.start as usize];
        let own = self.events(step).iter().map(|e| e.sequence).min();
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

    /// Shows that a direction was still held right before an event (`None`: is held now): the last phase
    /// that stopped, and a window after it without a further phase and without a resume. None if it
    /// was not held; the gap, a sentence, if events between are missing.
    pub fn still_held(
        &self,
        direction: Direction,
        until: Option<&Event>,
    ) -> Option<Result<StillHeld, String>> {
        let before = |e: &Event| until.is_none_or(|u| e.order() < u.order());
        if !self.state_before(until)?.of(direction).hold.is_held() {
            return None;
        }
        let is_phase = |e: &&Event| match e.kind {
            Kind::Callback(c) => c.phase().is_some_and(|p| p.direction() == direction),
            _ => false,
        };
        let own = self.timeline.events.iter().filter(|e| e.context == self.timeline.context);
        let phase = own.filter(is_phase).filter(|e| before(e)).max_by_key(|e| e.order())?;
        let to = until.map(|e| e.sequence);
        if let Some(gap) = self.gap(phase.sequence, to) {
            return Some(Err(gap));
        }
        let inside = |e: &&Event| e.order() > phase.order() && before(e);
        let releases = crate::hold::releases(direction);
        let without_effect: Vec<&Event> = self
            .timeline
            .events
            .iter()
            .filter(|e| inside(e) && releases.contains(&e.kind))
            .collect();
        let none_of: Vec<Kind> = releases
            .iter()
            .copied()
            .filter(|kind| without_effect.iter().all(|e| e.kind != *kind))
            .collect();
        Some(Ok(StillHeld {
            direction,
            phase: phase.sequence,
            window: self.window(phase.sequence, to, &none_of),
            without_effect: without_effect.iter().map(|e| e.sequence).collect(),
        }))
    }

    /// Did the upstream have nothing but the headers when the response came: was every part of the
    /// body kept since it came?
    fn on_headers_alone(&self, response: &Event) -> bool {
        let Some(end) = self.steps.iter().position(|s| s.entry == response.entry) else {
            return false;
        };
        let is_body = |s: &Step| {
            let body = Kind::Callback(Callback::RequestBody);
            self.invocation(s).is_some_and(|e| e.kind == body)
        };
        let Some(body) = self.steps[..end].iter().position(is_body) else { return false };
        let Some(first) = self.invocation(&self.steps[body]) else { return false };
        let kept = self.steps[body..end].iter().all(|s| s.after.request.hold.is_held());
        let went = self.steps[body].before.request.forwarded_by.is_some();
        went && kept && self.gap(first.sequence, Some(response.sequence)).is_none()
    }

    /// How the stream ended, or what answered it.
    pub fn ending(&self) -> Ending {
        Ending::of(self)
    }
}

/// What shows that a direction was still held.
#[derive(Clone, Debug)]
pub struct StillHeld {
    /// What was held.
    pub direction: Direction,
    /// The last phase of the direction; it stopped.
    pub phase: Sequence,
    /// From it on nothing let the direction go.
    pub window: Window,
    /// Hostcalls in the window that let nothing go: refused, on another context, or the other way.
    pub without_effect: Vec<Sequence>,
}

impl StillHeld {
    /// The events to cite.
    pub fn cited(&self) -> impl Iterator<Item = Sequence> + use<> {
        let phase = self.phase;
        [phase].into_iter().chain(self.without_effect.clone())
    }
}

/// A span for people: milliseconds below ten seconds, else seconds.
pub fn span(span: Micros) -> impl Display {
    from_fn(move |f| match span.0 {
        micros if micros < 10_000 => {
            write!(f, "{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
        }
        micros if micros < 10_000_000 => write!(f, "{} ms", (micros + 500) / 1_000),
        micros => write!(f, "{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    })
}

/// The timeout of a call for people.
pub fn timeout(call: &Call) -> String {
    match call.timeout {
        None if call.kind == CallKind::Redis => "the timeout of its redis_init".to_owned(),
        None => "no timeout".to_owned(),
        Some(t) if t.0 % 1_000_000 == 0 => format!("timeout {} s", t.0 / 1_000_000),
        Some(t) => format!("timeout {} ms", t.0 / 1_000),
    }
}
