//! A timeline read once, for all diagnoses: states, calls, endings.

use crate::diagnose::Instant;
use crate::timeline::Timeline;

/// A timeline as the diagnoses read it.
pub struct Story<'a> {
    /// The timeline.
    pub timeline: &'a Timeline,
    /// When.
    pub instant: Instant,
}

impl<'a> Story<'a> {
    /// Reads a timeline.
    pub fn of(timeline: &'a Timeline, instant: Instant) -> Story<'a> {
        Story { timeline, instant }
    }
}
