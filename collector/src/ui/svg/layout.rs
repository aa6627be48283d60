//! What stands where: lanes, rows within them, and labels that never overlap.

use ::timeline::calls::{Call, Outcome};
use ::timeline::event::Event;
use ::timeline::ids::{ContextId, Micros};
use ::timeline::{Gap, Timeline};
use abi::{Callback, Direction, Kind};

use super::axis::Axis;
use super::holds::{self, Hold};
use super::label::{self, Label};
use crate::ui::phrases::{self as said, Phrase};

/// Width of the drawing.
pub const WIDTH: f64 = 880.0;
/// Where times begin; the names of the lanes stand before it.
pub const LEFT: f64 = 84.0;
/// Where times end.
pub const RIGHT: f64 = WIDTH - 18.0;
/// Where lanes begin.
pub const TOP: f64 = 50.0;
/// Height of a row of marks.
pub const ROW: f64 = 20.0;
/// Height of a call: its label and its bar.
pub const CALL: f64 = 34.0;
/// Height of the strip that says how long was held.
pub const STRIP: f64 = 17.0;
/// Width of one character of a label, but for those of East Asia, which have twice as much.
pub const LETTER: f64 = 6.65;
/// A mark is at least so wide.
const THIN: f64 = 5.0;
/// Rows with labels in a lane; what finds no room in them is drawn without a label.
const MOST_ROWS: usize = 6;
/// Calls drawn; the others are only counted.
const MOST_CALLS: usize = 24;
/// Events drawn: the first ones and the last ones.
const MOST_EVENTS: usize = 400;
const LAST_EVENTS: usize = 100;

/// Width of a label.
pub fn width_of(text: &str) -> f64 {
    let wide =
        text.chars().filter(|c| matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{ffdc}'));
    (text.chars().count() + wide.count()) as f64 * LETTER
}

/// A drawing, all places known.
pub struct Layout<'a> {
    /// Times to places.
    pub axis: &'a Axis,
    /// Up to where it is known that what is open is open.
    pub known: f64,
    /// From top to bottom.
    pub lanes: Vec<Lane<'a>>,
    /// Below the last lane.
    pub bottom: f64,
    /// When the stream was gone: delete, else the last of done and log.
    pub end: Option<Micros>,
    /// Events that were not drawn.
    pub left_out: usize,
    /// Where events were lost: left and right edge, which.
    pub gaps: Vec<(f64, f64, &'a Gap)>,
}

/// A lane.
pub struct Lane<'a> {
    /// Its name.
    pub name: &'static Phrase,
    /// Its upper edge.
    pub y: f64,
    /// Its height.
    pub height: f64,
    /// Its marks.
    pub marks: Vec<Placed<'a>>,
    /// Its calls, one under the other.
    pub calls: Vec<&'a Call>,
    /// Calls that found no room.
    pub more_calls: usize,
    /// Its shaded stretches.
    pub holds: Vec<Hold>,
}

/// A mark with its place.
pub struct Placed<'a> {
    /// What it shows.
    pub event: &'a Event,
    /// Its words.
    pub label: Label,
    /// Left edge.
    pub x: f64,
    /// Width.
    pub width: f64,
    /// Upper edge of its row.
    pub y: f64,
    /// Where its label begins; None: no room for it.
    pub label_x: Option<f64>,
}

/// The lanes, by what they show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Phases(Direction),
    Calls,
    Hostcalls,
    Context,
}

const LANES: [(Shows, &Phrase); 5] = [
    (Shows::Phases(Direction::Request), &said::REQUEST),
    (Shows::Phases(Direction::Response), &said::RESPONSE),
    (Shows::Calls, &said::LANE_CALLS),
    (Shows::Hostcalls, &said::LANE_HOSTCALLS),
    (Shows::Context, &said::LANE_CONTEXT),
];

/// The axis on which all that is drawn of these timelines has room.
pub fn shared_axis<'a>(timelines: impl IntoIterator<Item = &'a Timeline>) -> Axis {
    Axis::of(timelines.into_iter().flat_map(times), LEFT + 6.0, RIGHT)
}

impl<'a> Layout<'a> {
    /// Lays a timeline out, on an axis of it or of it and others.
    pub fn of(timeline: &'a Timeline, axis: &'a Axis) -> Layout<'a> {
        let holds = holds::of(timeline);
        let end = end(timeline);
        let (events, left_out) = drawn(&timeline.events);
        let gaps = gaps(timeline, axis);
        let known = known(timeline);
        let known = if known < axis.last { axis.x(known) } else { RIGHT };
        let mut lanes = Vec::new();
        let mut y = TOP;
        for (shows, name) in LANES {
            let calls: &[Call] = if shows == Shows::Calls { &timeline.calls } else { &[] };
            let of_lane = events.iter().copied().filter(|e| lane_of(e, timeline) == Some(shows));
            let (marks, rows) = place(of_lane, axis, (timeline.context, end), y + 5.0);
            let holds: Vec<Hold> =
                holds.iter().filter(|h| shows == Shows::Phases(h.direction)).copied().collect();
            let is_phases = matches!(shows, Shows::Phases(_)) && !timeline.is_root();
            if marks.is_empty() && calls.is_empty() && !is_phases {
                continue;
            }
            let shown = calls.len().min(MOST_CALLS);
            let more_calls = calls.len() - shown;
            let height = 10.0
                + rows.max(usize::from(is_phases)) as f64 * ROW
                + (shown as f64 + if more_calls > 0 { 0.5 } else { 0.0 }) * CALL
                + if holds.is_empty() { 0.0 } else { STRIP };
            let calls = calls.iter().take(shown).collect();
            lanes.push(Lane { name, y, height, marks, calls, more_calls, holds });
            y += height;
        }
        Layout { axis, known, lanes, bottom: y, end, left_out, gaps }
    }
}

/// When the stream was gone.
fn end(timeline: &Timeline) -> Option<Micros> {
    let last = |callback| {
        let own = timeline.events.iter().rev().filter(|e| e.context == timeline.context);
        own.filter(|e| e.kind == Kind::Callback(callback)).map(|e| e.at).next()
    };
    last(Callback::Delete).or_else(|| last(Callback::Done).max(last(Callback::Log)))
}

fn drawn(events: &[Event]) -> (Vec<&Event>, usize) {
    if events.len() <= MOST_EVENTS {
        return (events.iter().collect(), 0);
    }
    let first = events.iter().take(MOST_EVENTS - LAST_EVENTS);
    let last = events.iter().skip(events.len() - LAST_EVENTS);
    (first.chain(last).collect(), events.len() - MOST_EVENTS)
}

/// The times that must have a place.
fn times(timeline: &Timeline) -> Vec<Micros> {
    let (events, _) = drawn(&timeline.events);
    let mut times: Vec<Micros> = events.iter().flat_map(|e| [e.at, e.at.after(e.took)]).collect();
    let open_ended = holds::of(timeline).iter().any(|h| h.to.is_none())
        || timeline.calls.iter().any(|c| c.outcome == Outcome::Pending);
    if open_ended {
        times.push(known(timeline));
    }
    times
}

/// Up to when what is open is known to be.
fn known(timeline: &Timeline) -> Micros {
    timeline.known_until.max(timeline.started().after(timeline.span()))
}

/// The lane of an event; None if a call's bar shows it.
fn lane_of(event: &Event, timeline: &Timeline) -> Option<Shows> {
    match event.kind {
        // Another stream's invocation, in which the VM trapped.
        Kind::Callback(callback)
            if callback.phase().is_some() && event.context != timeline.context =>
        {
            Some(Shows::Context)
        }
        Kind::Callback(callback) => match callback.phase() {
            Some(phase) => Some(Shows::Phases(phase.direction())),
            None if callback.is_response() => {
                let of_call = timeline
                    .calls
                    .iter()
                    .any(|c| c.outcome.answer().is_some_and(|a| a.callback == event.sequence));
                (!of_call).then_some(Shows::Context)
            }
            None => Some(Shows::Context),
        },
        Kind::Hostcall(hostcall) if hostcall.is_dispatch() => {
            let of_call = timeline.calls.iter().any(|c| c.dispatch == event.sequence);
            (!of_call).then_some(Shows::Hostcalls)
        }
        Kind::Hostcall(_) | Kind::Unknown(_) => Some(Shows::Hostcalls),
    }
}

/// Puts marks into rows so that neither they nor their labels overlap; gives the number of rows too.
fn place<'a>(
    events: impl Iterator<Item = &'a Event>,
    axis: &Axis,
    (own, end): (ContextId, Option<Micros>),
    top: f64,
) -> (Vec<Placed<'a>>, usize) {
    let mut rows: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut placed = Vec::new();
    for event in events {
        let x = axis.x(event.at);
        let width = (axis.x(event.at.after(event.took)) - x).max(THIN);
        let label = label::of_event(event, own, end);
        let text = width_of(&label.text) + 6.0;
        let right = (x, x + width + text);
        let left = (x - text, x + width);
        let free = |row: &[(f64, f64)], span: (f64, f64)| {
            row.iter().all(|other| span.1 <= other.0 - 4.0 || span.0 >= other.1 + 4.0)
        };
        let mut choices = [(right, x + width + 4.0), (left, x - text + 2.0)];
        // The line of the end crosses no label, if it can be had.
        let line = end.map(|end| axis.x(end));
        choices.sort_by_key(|((from, to), _)| line.is_some_and(|at| *from < at && at < *to));
        let fits = |(span, _): &&((f64, f64), f64)| span.0 >= LEFT && span.1 <= RIGHT + 12.0;
        let mut found = None;
        for (span, label_x) in choices.iter().filter(fits) {
            let row = rows.iter().position(|row| free(row, *span)).unwrap_or(rows.len());
            if row < MOST_ROWS && found.is_none_or(|(best, _, _)| row < best) {
                found = Some((row, *span, Some(*label_x)));
            }
        }
        let (row, span, label_x) = found.unwrap_or_else(|| {
            let bare = (x, x + width);
            let row = rows.iter().position(|row| free(row, bare)).unwrap_or(0);
            (row, bare, None)
        });
        if row == rows.len() {
            rows.push(Vec::new());
        }
        rows[row].push(span);
        placed.push(Placed { event, label, x, width, y: top + row as f64 * ROW, label_x });
    }
    (placed, rows.len())
}

/// Where lost events would have stood: between their neighbours.
fn gaps<'a>(timeline: &'a Timeline, axis: &Axis) -> Vec<(f64, f64, &'a Gap)> {
    let of = |gap: &'a Gap| {
        let before = timeline.events.iter().filter(|e| e.sequence < gap.from).map(|e| e.at).max();
        let after = timeline.events.iter().filter(|e| e.sequence > gap.to).map(|e| e.at).min();
        let from = before.map_or(LEFT, |at| axis.x(at));
        let to = after.map_or(RIGHT, |at| axis.x(at));
        (from.min(to), from.max(to), gap)
    };
    timeline.gaps.iter().take(20).map(of).collect()
}
