//! The time axis: times to places, with long silent gaps compressed to breaks.

use ::timeline::ids::Micros;

use crate::ui::words;

/// Width of a break.
const BREAK: f64 = 72.0;
/// What two neighbouring times are apart at least, room allowing.
const APART: f64 = 10.0;
/// A gap longer than this many times all the rest is broken.
const LONG: u64 = 3;
/// More breaks than this confuse.
const MOST_BREAKS: usize = 5;

/// Where times lie.
#[derive(Debug)]
pub struct Axis {
    /// Times and their places, both rising.
    points: Vec<(u64, f64)>,
    /// The compressed gaps.
    pub breaks: Vec<Break>,
    /// The last of the times.
    pub last: Micros,
    start: u64,
}

/// A compressed gap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Break {
    /// Its left edge.
    pub left: f64,
    /// Its right edge.
    pub right: f64,
    /// The time it stands for.
    pub span: Micros,
    until: u64,
}

/// A labelled place.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where.
    pub x: f64,
    /// Since the first time.
    pub label: String,
}

impl Axis {
    /// An axis from `left` to `right` on which all these times have room.
    pub fn of(times: impl IntoIterator<Item = Micros>, left: f64, right: f64) -> Axis {
        let mut times: Vec<u64> = times.into_iter().map(|t| t.0).collect();
        times.sort_unstable();
        times.dedup();
        let start = times.first().copied().unwrap_or(0);
        let last = Micros(times.last().copied().unwrap_or(0));
        if times.len() < 2 {
            times = vec![start, start.saturating_add(1_000)];
        }
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let broken = to_break(&gaps);
        let room = (right - left) - broken.len() as f64 * BREAK;
        let linear = gaps.len() - broken.len();
        let apart = if linear == 0 { 0.0 } else { APART.min(room * 0.4 / linear as f64) };
        let busy: u64 = (0..gaps.len()).filter(|g| !broken.contains(g)).map(|g| gaps[g]).sum();
        let scale = (room - apart * linear as f64) / busy.max(1) as f64;

        let mut x = left;
        let mut axis = Axis { points: vec![(times[0], x)], breaks: Vec::new(), last, start };
        for (at, gap) in gaps.iter().enumerate() {
            let from = x;
            x += if broken.contains(&at) { BREAK } else { apart + *gap as f64 * scale };
            let until = times[at + 1];
            if broken.contains(&at) {
                axis.breaks.push(Break { left: from, right: x, span: Micros(*gap), until });
            }
            axis.points.push((until, x));
        }
        axis
    }

    /// The place of a time; times outside lie on the edges.
    pub fn x(&self, time: Micros) -> f64 {
        let after = self.points.partition_point(|(at, _)| *at <= time.0);
        match (after.checked_sub(1).and_then(|b| self.points.get(b)), self.points.get(after)) {
            (Some((from, x0)), Some((to, x1))) => {
                x0 + (x1 - x0) * (time.0 - from) as f64 / (to - from).max(1) as f64
            }
            (Some((_, x)), None) | (None, Some((_, x))) => *x,
            (None, None) => 0.0,
        }
    }

    /// Labelled places, far enough apart for labels of `letter` pixels a character.
    pub fn ticks(&self, letter: f64) -> Vec<Tick> {
        let mut ticks: Vec<Tick> = Vec::new();
        let mut add = |x: f64, label: String| {
            let clear = |other: &Tick| {
                let characters = (label.chars().count() + other.label.chars().count()) as f64;
                (other.x - x).abs() > characters / 2.0 * letter + letter * 2.0
            };
            if ticks.iter().all(clear) {
                ticks.push(Tick { x, label });
            }
        };
        add(self.x(Micros(self.start)), "0".to_owned());
        for one in &self.breaks {
            add(one.right, words::span(Micros(one.until - self.start)));
        }
        let step = self.step();
        let room = letter * 4.0;
        for (from, to) in self.stretches() {
            let first = from.div_ceil(step).max(1);
            for n in (first..=to / step).take(64) {
                let x = self.x(Micros(self.start + step * n));
                if self.breaks.iter().all(|b| x < b.left - room || x > b.right + room) {
                    add(x, short(step * n));
                }
            }
        }
        ticks.sort_by(|a, b| a.x.total_cmp(&b.x));
        ticks
    }

    /// What lies between the breaks, since the first time.
    fn stretches(&self) -> Vec<(u64, u64)> {
        let mut stretches = Vec::new();
        let mut from = 0;
        for one in &self.breaks {
            let until = one.until - self.start;
            stretches.push((from, until - one.span.0));
            from = until;
        }
        stretches.push((from, self.points.last().map_or(0, |(last, _)| last - self.start)));
        stretches
    }

    /// 1, 2 or 5 times a power of ten, about an eighth of what is not broken.
    fn step(&self) -> u64 {
        let whole = self.points.last().map_or(0, |(last, _)| last - self.start);
        let broken: u64 = self.breaks.iter().map(|b| b.span.0).sum();
        let wanted = (whole.saturating_sub(broken) / 8).max(1);
        let mut power = 1u64;
        while power.saturating_mul(10) <= wanted {
            power = power.saturating_mul(10);
        }
        [1, 2, 5, 10]
            .into_iter()
            .map(|n| power.saturating_mul(n))
            .find(|step| *step >= wanted)
            .unwrap_or(wanted)
    }
}

/// Which gaps to break: those that alone are longer than all others that are not broken, many times.
fn to_break(gaps: &[u64]) -> Vec<usize> {
    let mut longest: Vec<usize> = (0..gaps.len()).collect();
    longest.sort_by_key(|at| std::cmp::Reverse(gaps[*at]));
    let mut rest: u64 = gaps.iter().sum();
    let mut broken = Vec::new();
    for at in longest.into_iter().take(MOST_BREAKS) {
        rest -= gaps[at];
        if rest == 0 || gaps[at] <= rest.saturating_mul(LONG) {
            break;
        }
        broken.push(at);
    }
    broken
}

/// A round time without digits that say nothing.
fn short(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros as f64 / 1e3),
        1_000_000..120_000_000 => format!("{} s", micros as f64 / 1e6),
        _ => words::span(Micros(micros)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(times: &[u64]) -> Axis {
        Axis::of(times.iter().map(|t| Micros(*t)), 100.0, 900.0)
    }

    #[test]
    fn a_long_silence_is_compressed_and_the_rest_keeps_its_room() {
        let axis = axis(&[0, 113, 1_870, 1_902, 5_114, 6_020, 6_040, 2_002_377]);
        assert_eq!(axis.breaks.len(), 1);
        assert_eq!(axis.breaks[0].span, Micros(2_002_377 - 6_040));
        assert!(axis.x(Micros(6_040)) > 700.0, "the busy part has most of the room");
        assert_eq!(axis.x(Micros(2_002_377)).round(), 900.0);
    }

    #[test]
    fn places_rise_with_times() {
        let times = [5, 6, 7, 400, 401, 90_000, 90_001, 10_000_000];
        let axis = axis(&times);
        let places: Vec<f64> = times.iter().map(|t| axis.x(Micros(*t))).collect();
        assert!(places.windows(2).all(|p| p[0] < p[1]), "{places:?}");
        assert_eq!((places[0].round(), places[7].round()), (100.0, 900.0));
    }

    #[test]
    fn none_and_one_time_make_an_axis_too() {
        assert_eq!(axis(&[]).x(Micros(0)), 100.0);
        assert_eq!(axis(&[70]).x(Micros(70)), 100.0);
        assert!(axis(&[70]).breaks.is_empty());
    }

    #[test]
    fn labels_of_ticks_do_not_touch() {
        let ticks = axis(&[0, 113, 1_870, 1_902, 5_114, 6_020, 6_040, 2_002_377]).ticks(6.6);
        assert!(ticks.len() > 3, "{ticks:?}");
        for pair in ticks.windows(2) {
            assert!(pair[1].x - pair[0].x > 6.6 * 4.0, "{pair:?}");
        }
        assert_eq!(ticks.last().map(|t| t.label.as_str()), Some("2.00 s"));
    }

    #[test]
    fn even_times_are_not_broken() {
        assert!(axis(&[0, 1_000, 2_000, 3_000]).breaks.is_empty());
        assert!(axis(&[0, 1_000_000]).breaks.is_empty());
    }
}
