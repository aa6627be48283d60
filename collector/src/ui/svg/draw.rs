//! A layout as SVG elements.

use ::timeline::Timeline;
use ::timeline::calls::{Call, Outcome};
use ::timeline::ids::Micros;

use super::axis::Axis;
use super::label::{self, Look};
use super::layout::{
    CALL, LEFT, LETTER, Lane, Layout, Placed, RIGHT, ROW, STRIP, TOP, WIDTH, width_of,
};
use super::palette::{
    AFTER, BAND, END, FAINT, FONT, GAP, GAP_INK, HELD, HELD_INK, INK, PAPER, RULE,
};
use super::words as told;
use crate::ui::escape::{Attributes, Html};
use crate::ui::language::Language;
use crate::ui::phrases::{self as said, Phrase};
use crate::ui::words;

/// Height of what stands below the lanes.
const FOOT: f64 = 30.0;

/// The whole drawing, on an axis of the timeline or of it and others.
pub fn drawing(timeline: &Timeline, axis: &Axis, language: Language) -> Html {
    let layout = Layout::of(timeline, axis);
    let height = layout.bottom + FOOT;
    let mut svg = Html::new(language);
    let view = format!("0 0 {} {}", n(WIDTH), n(height));
    let attributes: Attributes = &[
        ("xmlns", "http://www.w3.org/2000/svg"),
        ("class", "wt-timeline"),
        ("viewBox", &view),
        ("width", &n(WIDTH)),
        ("height", &n(height)),
        ("role", "img"),
        ("font-family", FONT),
        ("font-size", "11"),
    ];
    svg.element("svg", attributes, |svg| {
        svg.leaf("title", &[], &told::title(timeline, language));
        svg.leaf("desc", &[], &told::description(timeline, layout.end, language));
        rectangle(svg, (0.0, 0.0, WIDTH, height), &[("class", "wt-paper"), ("fill", PAPER)]);
        grounds(svg, &layout);
        scale(svg, &layout);
        for lane in &layout.lanes {
            holds(svg, lane, &layout);
        }
        end_line(svg, &layout);
        for lane in &layout.lanes {
            draw_lane(svg, lane, &layout);
        }
        legend(svg, &layout, timeline);
        svg.line();
    });
    svg
}

/// A number without digits that no eye sees.
fn n(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    format!("{rounded}")
}

fn rectangle(svg: &mut Html, (x, y, width, height): (f64, f64, f64, f64), looks: Attributes) {
    let (x, y, width, height) = (n(x), n(y), n(width.max(0.0)), n(height.max(0.0)));
    let place: Attributes = &[("x", &x), ("y", &y), ("width", &width), ("height", &height)];
    svg.line();
    svg.void("rect", &[place, looks].concat());
}

fn line(svg: &mut Html, (x1, y1, x2, y2): (f64, f64, f64, f64), looks: Attributes) {
    let (x1, y1, x2, y2) = (n(x1), n(y1), n(x2), n(y2));
    let place: Attributes = &[("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)];
    svg.line();
    svg.void("line", &[place, looks].concat());
}

/// Text keeps its ground: lines behind it do not cross it out.
const HALO: Attributes<'static> = &[
    ("stroke", PAPER),
    ("stroke-width", "3"),
    ("stroke-opacity", "0.8"),
    ("stroke-linejoin", "round"),
    ("paint-order", "stroke"),
];

fn text(svg: &mut Html, (x, y): (f64, f64), looks: Attributes, words: &str) {
    let (x, y) = (n(x), n(y));
    let place: Attributes = &[("x", &x), ("y", &y)];
    svg.line();
    svg.leaf("text", &[place, looks].concat(), words);
}

fn grounds(svg: &mut Html, layout: &Layout) {
    for (at, lane) in layout.lanes.iter().enumerate() {
        if at % 2 == 0 {
            let place = (0.0, lane.y, WIDTH, lane.height);
            rectangle(svg, place, &[("class", "wt-band"), ("fill", BAND)]);
        }
        let looks: Attributes = &[("class", "wt-ink"), ("fill", INK), ("font-weight", "600")];
        text(svg, (8.0, lane.y + 18.0), looks, svg.words(lane.name));
    }
    if let Some(end) = layout.end {
        let x = layout.axis.x(end);
        let place = (x, TOP, WIDTH - x, layout.bottom - TOP);
        rectangle(svg, place, &[("class", "wt-after"), ("fill", AFTER), ("fill-opacity", "0.7")]);
    }
    for (from, to, gap) in &layout.gaps {
        let looks: Attributes = &[
            ("class", "wt-gap"),
            ("fill", GAP),
            ("fill-opacity", "0.09"),
            ("stroke", GAP),
            ("stroke-opacity", "0.6"),
            ("stroke-dasharray", "2 3"),
        ];
        svg.element("g", &[], |svg| {
            let range = [gap.from.to_string(), gap.to.to_string()];
            let what = svg.filled(&said::MISSING, &[&range[0], &range[1]]);
            svg.leaf("title", &[], &format!("{what}{}", gap.reason));
            rectangle(svg, (*from, TOP, (to - from).max(4.0), layout.bottom - TOP), looks);
            let looks: Attributes =
                &[("class", "wt-gap-ink"), ("fill", GAP_INK), ("text-anchor", "middle")];
            let middle = ((from + to) / 2.0).clamp(LEFT + 40.0, RIGHT - 40.0);
            text(svg, (middle, TOP - 28.0), looks, svg.words(&said::LOST_HERE));
        });
    }
}

/// Ticks, their labels, and the breaks.
fn scale(svg: &mut Html, layout: &Layout) {
    let rule: Attributes = &[("class", "wt-rule"), ("stroke", RULE)];
    line(svg, (LEFT, TOP, LEFT, layout.bottom), rule);
    for tick in layout.axis.ticks(LETTER) {
        line(svg, (tick.x, TOP - 6.0, tick.x, layout.bottom), rule);
        let half = tick.label.chars().count() as f64 * LETTER / 2.0;
        let anchor = if tick.x + half > WIDTH - 4.0 { "end" } else { "middle" };
        let x = if anchor == "end" { WIDTH - 4.0 } else { tick.x };
        let looks: Attributes = &[("class", "wt-faint"), ("fill", FAINT), ("text-anchor", anchor)];
        text(svg, (x, TOP - 11.0), looks, &tick.label);
    }
    for one in &layout.axis.breaks {
        let middle = (one.left + one.right) / 2.0;
        let (left, right) = (middle - 5.0, middle + 5.0);
        let place = (left, TOP - 6.0, right - left, layout.bottom - TOP + 6.0);
        rectangle(svg, place, &[("class", "wt-paper-break"), ("fill", PAPER)]);
        for x in [left, right] {
            let mut points = String::new();
            let mut y = TOP - 6.0;
            let mut side = -2.0;
            while y < layout.bottom {
                points.push_str(&format!("{},{} ", n(x + side), n(y)));
                y += 5.0;
                side = -side;
            }
            let looks: Attributes = &[
                ("class", "wt-break"),
                ("points", points.trim_end()),
                ("fill", "none"),
                ("stroke", FAINT),
                ("stroke-opacity", "0.7"),
            ];
            svg.line();
            svg.void("polyline", looks);
        }
    }
}

fn holds(svg: &mut Html, lane: &Lane, layout: &Layout) {
    for hold in &lane.holds {
        let left = layout.axis.x(hold.from);
        let right = hold.to.map_or(layout.known + 10.0, |to| layout.axis.x(to));
        let (y, height) = (lane.y + 2.0, lane.height - 4.0);
        let name = svg.words(lane.name);
        let words = match hold.to {
            Some(to) => svg.filled(&said::HELD_FOR, &[name, &words::span(to.since(hold.from))]),
            None => svg.filled(&said::HELD_STILL, &[name]),
        };
        let open = hold.to.is_none();
        let looks: Attributes = &[
            ("class", "wt-held"),
            ("fill", HELD),
            ("fill-opacity", "0.24"),
            ("stroke", HELD),
            ("stroke-dasharray", if open { "4 3" } else { "none" }),
        ];
        rectangle(svg, (left, y, (right - left).max(3.0), height), looks);
        let fits_right = left + width_of(&words) < RIGHT;
        let (x, anchor) = if fits_right { (left + 4.0, "start") } else { (right - 4.0, "end") };
        let looks: Attributes =
            &[("class", "wt-held-ink"), ("fill", HELD_INK), ("text-anchor", anchor)];
        let others = lane.holds.len() > 1 && right - left < 110.0;
        if !others {
            text(svg, (x, lane.y + lane.height - STRIP / 2.0 + 2.0), looks, &words);
        }
    }
}

fn end_line(svg: &mut Html, layout: &Layout) {
    let Some(end) = layout.end else { return };
    let x = layout.axis.x(end);
    let looks: Attributes = &[("class", "wt-end"), ("stroke", END), ("stroke-width", "1.5")];
    line(svg, (x, TOP - 30.0, x, layout.bottom), looks);
    let words = svg.words(&said::END_OF_STREAM);
    let width = width_of(words) + 10.0;
    let left = (x + width).min(WIDTH - 2.0) - width;
    let looks: Attributes = &[("class", "wt-end-flag"), ("fill", END), ("rx", "2")];
    rectangle(svg, (left, TOP - 46.0, width, 17.0), looks);
    let looks: Attributes = &[("class", "wt-end-ink"), ("fill", PAPER)];
    text(svg, (left + 5.0, TOP - 33.5), looks, words);
}

fn draw_lane(svg: &mut Html, lane: &Lane, layout: &Layout) {
    for mark in &lane.marks {
        draw_mark(svg, mark);
    }
    let rows = lane.marks.iter().map(|m| m.y + ROW).fold(lane.y + 5.0, f64::max);
    for (at, call) in lane.calls.iter().enumerate() {
        draw_call(svg, call, rows + at as f64 * CALL, layout);
    }
    if lane.more_calls > 0 {
        let words = svg.filled(&said::MORE_CALLS, &[&lane.more_calls.to_string()]);
        let y = rows + lane.calls.len() as f64 * CALL + 12.0;
        text(svg, (LEFT + 8.0, y), &[("class", "wt-faint"), ("fill", FAINT)], &words);
    }
}

fn draw_mark(svg: &mut Html, mark: &Placed) {
    let look = mark.label.look;
    svg.line();
    svg.element("g", &[("class", "wt-mark")], |svg| {
        let title = ::timeline::script::event_line(mark.event);
        svg.leaf("title", &[], &title);
        let looks: Attributes = &[("class", look.class()), ("fill", look.color()), ("rx", "1.5")];
        rectangle(svg, (mark.x, mark.y + 2.0, mark.width, ROW - 6.0), looks);
        if let Some(x) = mark.label_x {
            let looks: Attributes = &[("class", look.ink_class()), ("fill", look.ink())];
            text(svg, (x, mark.y + 13.0), &[HALO, looks].concat(), &mark.label.text);
        }
    });
}

/// A call: its words, and below them its bar from dispatch to response callback.
fn draw_call(svg: &mut Html, call: &Call, y: f64, layout: &Layout) {
    let (words, special, look) = label::of_call(call, layout.end, svg.speech().language);
    let x = layout.axis.x(call.dispatched_at);
    let bar = y + 17.0;
    svg.line();
    svg.element("g", &[("class", "wt-a-call")], |svg| {
        let all = format!("{words}{}", special.as_deref().unwrap_or_default());
        svg.leaf("title", &[], &all);
        call_words(svg, (x, y + 11.0), &words, special.as_deref(), look);
        match call.outcome {
            Outcome::Rejected(_) => cross(svg, x + 4.0, bar + 4.0),
            Outcome::Pending => pending(svg, (x, layout.known + 4.0), bar),
            Outcome::Cancelled(_) => {
                let right = layout.end.map_or(x, |end| layout.axis.x(end).max(x));
                stretch(svg, (x, right), bar, Look::Lost);
                cross(svg, right, bar + 4.0);
            }
            Outcome::Answered(answer) => {
                let right = layout.axis.x(answer.at);
                stretch(svg, (x, right), bar, Look::Call);
                tip(svg, right, bar, Look::Call);
            }
            Outcome::Failed(answer) => {
                let right = layout.axis.x(answer.at);
                stretch(svg, (x, right), bar, Look::Bad);
                cross(svg, right, bar + 4.0);
            }
            Outcome::Late(answer) => {
                let right = layout.axis.x(answer.at);
                let end = layout.end.map_or(x, |end| layout.axis.x(end)).clamp(x, right.max(x));
                stretch(svg, (x, end), bar, Look::Call);
                stretch(svg, (end, right), bar, Look::Lost);
                tip(svg, right, bar, Look::Lost);
            }
        }
        timeout(svg, call, bar, layout);
    });
}

fn call_words(svg: &mut Html, (x, y): (f64, f64), words: &str, special: Option<&str>, look: Look) {
    let all = width_of(words) + special.map_or(0.0, width_of);
    let x = x.min(RIGHT - all).max(LEFT + 4.0);
    svg.line();
    let (x, y) = (n(x), n(y));
    let looks: Attributes = &[("x", &x), ("y", &y), ("class", "wt-ink"), ("fill", INK)];
    svg.element("text", &[looks, HALO].concat(), |svg| {
        svg.text(words);
        if let Some(special) = special {
            let looks: Attributes =
                &[("class", look.ink_class()), ("fill", look.ink()), ("font-weight", "700")];
            svg.leaf("tspan", looks, special);
        }
    });
}

fn stretch(svg: &mut Html, (left, right): (f64, f64), y: f64, look: Look) {
    let looks: Attributes = &[("class", look.class()), ("fill", look.color())];
    rectangle(svg, (left, y, (right - left).max(2.0), 8.0), looks);
}

/// Where the response callback came.
fn tip(svg: &mut Html, x: f64, y: f64, look: Look) {
    let points = format!(
        "{},{} {},{} {},{} {},{}",
        n(x),
        n(y - 2.5),
        n(x + 6.5),
        n(y + 4.0),
        n(x),
        n(y + 10.5),
        n(x - 6.5),
        n(y + 4.0)
    );
    let looks: Attributes = &[("class", look.class()), ("points", &points), ("fill", look.color())];
    svg.void("polygon", looks);
}

fn cross(svg: &mut Html, x: f64, y: f64) {
    let looks: Attributes = &[
        ("class", "wt-bad-line"),
        ("stroke", Look::Bad.color()),
        ("stroke-width", "2.5"),
        ("stroke-linecap", "round"),
    ];
    line(svg, (x - 4.0, y - 4.0, x + 4.0, y + 4.0), looks);
    line(svg, (x - 4.0, y + 4.0, x + 4.0, y - 4.0), looks);
}

/// Open-ended and dashed: the callback may still come.
fn pending(svg: &mut Html, (x, right): (f64, f64), y: f64) {
    let looks: Attributes = &[
        ("class", "wt-pending"),
        ("fill", Look::Call.color()),
        ("fill-opacity", "0.14"),
        ("stroke", Look::Call.color()),
        ("stroke-dasharray", "5 3"),
    ];
    rectangle(svg, (x, y, right - x, 8.0), looks);
    let (x, y) = (right, y + 4.0);
    let points = format!("{},{} {},{} {},{}", n(x), n(y - 6.0), n(x + 9.0), n(y), n(x), n(y + 6.0));
    let looks: Attributes =
        &[("class", Look::Call.class()), ("points", &points), ("fill", Look::Call.color())];
    svg.void("polygon", looks);
}

/// A small line where the call's timeout stands, if that is within the drawing.
fn timeout(svg: &mut Html, call: &Call, y: f64, layout: &Layout) {
    let Some(at) = call.timeout.map(|timeout| call.dispatched_at.after(timeout)) else { return };
    let until = call.outcome.answer().map_or(Micros(u64::MAX), |answer| answer.at);
    let x = layout.axis.x(at);
    if at <= until && x < RIGHT - 1.0 && x > LEFT {
        let looks: Attributes =
            &[("class", "wt-bad-line"), ("stroke", Look::Bad.color()), ("stroke-width", "2")];
        line(svg, (x, y - 3.0, x, y + 11.0), looks);
    }
}

/// What the looks mean, of those that occur.
fn legend(svg: &mut Html, layout: &Layout, timeline: &Timeline) {
    let marks = || layout.lanes.iter().flat_map(|lane| &lane.marks);
    let has = |look: Look| marks().any(|m| m.label.look == look);
    let calls = |f: fn(&Outcome) -> bool| timeline.calls.iter().any(|c| f(&c.outcome));
    let entries: [(bool, &str, &str, &Phrase); 6] = [
        (has(Look::Go), Look::Go.class(), Look::Go.color(), &said::GOES_ON),
        (has(Look::Stop), Look::Stop.class(), Look::Stop.color(), &said::STOPS),
        (!timeline.calls.is_empty(), Look::Call.class(), Look::Call.color(), &said::A_CALL),
        (calls(|o| matches!(o, Outcome::Pending)), "wt-pending-key", "none", &said::DASHED),
        (
            has(Look::Lost) || calls(|o| matches!(o, Outcome::Late(_) | Outcome::Cancelled(_))),
            Look::Lost.class(),
            Look::Lost.color(),
            &said::TOO_LATE,
        ),
        (
            has(Look::Bad) || calls(|o| matches!(o, Outcome::Failed(_) | Outcome::Rejected(_))),
            Look::Bad.class(),
            Look::Bad.color(),
            &said::FAILED,
        ),
    ];
    let mut x = LEFT;
    let y = layout.bottom + 19.0;
    let mut entry = |svg: &mut Html, class: &str, color: &str, words: &str| {
        if color != "none" {
            rectangle(svg, (x, y - 8.0, 10.0, 8.0), &[("class", class), ("fill", color)]);
            x += 14.0;
        }
        text(svg, (x, y), &[("class", "wt-faint"), ("fill", FAINT)], words);
        x += width_of(words) + 16.0;
    };
    for (_, class, color, words) in entries.iter().filter(|(shown, ..)| *shown) {
        entry(svg, class, color, svg.words(words));
    }
    if !layout.axis.breaks.is_empty() {
        let all: Vec<String> = layout.axis.breaks.iter().map(|b| words::span(b.span)).collect();
        entry(svg, "", "none", &svg.filled(&said::COMPRESSED, &[&all.join(", ")]));
    }
    if layout.left_out > 0 {
        let words = svg.filled(&said::NOT_DRAWN, &[&layout.left_out.to_string()]);
        entry(svg, "", "none", &words);
    }
    line(
        svg,
        (0.0, layout.bottom, WIDTH, layout.bottom),
        &[("class", "wt-rule"), ("stroke", RULE)],
    );
}
