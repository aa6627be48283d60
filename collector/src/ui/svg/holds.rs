//! When each half of the stream was held, for shading: the domain's hold-state machine, with times.

use ::timeline::event::Event;
use ::timeline::hold::{Halves, resumes};
use ::timeline::ids::Micros;
use ::timeline::{State, Timeline};
use abi::{Direction, Kind};

/// A stretch in which a half of the stream was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Which half.
    pub direction: Direction,
    /// From the return of the phase that stopped it.
    pub from: Micros,
    /// To the resume, the reply or the end; None: still held.
    pub to: Option<Micros>,
}

/// The holds of a timeline, in the order of their starts.
pub fn of(timeline: &Timeline) -> Vec<Hold> {
    let mut holds: Vec<Hold> = Vec::new();
    let mut halves = Halves::default();
    for events in timeline.events.chunk_by(|a, b| a.entry == b.entry) {
        let (invocation, hostcalls) = match events.split_first() {
            Some((first, rest)) if !matches!(first.kind, Kind::Hostcall(_)) => (Some(first), rest),
            _ => (None, events),
        };
        halves.step(timeline.context, timeline.dialect, invocation, hostcalls);
        for direction in [Direction::Request, Direction::Response] {
            let is_held = halves.of(direction).hold.is_held();
            let open = holds.iter_mut().rev().find(|h| h.direction == direction && h.to.is_none());
            match (open, is_held) {
                (None, true) => {
                    holds.push(Hold { direction, from: returned(events), to: None });
                }
                (Some(hold), false) => {
                    hold.to = Some(released(events, direction).max(hold.from));
                }
                _ => {}
            }
        }
    }
    if timeline.state != State::Open {
        let last = timeline.started().after(timeline.span());
        for hold in holds.iter_mut().filter(|h| h.to.is_none()) {
            hold.to = Some(last.max(hold.from));
        }
    }
    holds
}

/// When an invocation returned.
fn returned(events: &[Event]) -> Micros {
    events.first().map_or(Micros(0), |e| e.at.after(e.took))
}

/// When an invocation let a half go: at its resume, else when it ended the stream or returned.
fn released(events: &[Event], direction: Direction) -> Micros {
    let resume = events.iter().find(|e| resumes(e) == Some(direction));
    match (resume, events.first()) {
        (Some(resume), _) => resume.at,
        (None, Some(first)) if matches!(first.kind, Kind::Callback(c) if c.phase().is_none()) => {
            first.at
        }
        (None, _) => returned(events),
    }
}
