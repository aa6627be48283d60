//! A timeline that is open, or closed and not stored: in few bytes, since there are many of the first.

use timeline::Kept;
use timeline::finding::Severity;
use timeline::timeline::{State, Timeline};

use crate::store::{Cursor, Query};

/// A timeline that is open, or closed and not stored.
pub(super) struct Known {
    /// As of when it was first seen: clocks are read anew with each batch.
    pub place: Cursor,
    /// As it was told last.
    pub now: Now,
    /// Number of its first event.
    pub first: u64,
    /// The store may have it, or an earlier part of it.
    pub may_be_stored: bool,
    /// It was closed before in this process and goes on; or, asked only where timelines are handed over,
    /// a part of it was stored by a process before it. Elsewhere such a one counts as closed once more.
    pub was_closed: bool,
}

/// A timeline as it was told last, and what is asked of all at once.
pub(super) struct Now {
    /// All of it.
    pub kept: Kept,
    /// Its revision.
    pub revision: u32,
    /// It still grows.
    pub is_open: bool,
    /// How bad it is; None: nothing was found.
    severity: Option<Severity>,
    /// Verdicts that cannot be said yet.
    pub pending: u32,
}

impl Now {
    /// Of a timeline, in both forms.
    pub fn of(timeline: &Timeline, kept: Kept) -> Now {
        Now {
            kept,
            revision: timeline.revision,
            is_open: timeline.state == State::Open,
            severity: timeline.severity(),
            pending: u32::try_from(timeline.pending.len()).unwrap_or(u32::MAX),
        }
    }
}

impl Known {
    /// May it match? Asked of all, and so without unfolding one.
    pub fn may_match(&self, query: &Query) -> bool {
        query.covers(&self.place)
            && query.may_match(&self.now.kept.root().plugin, self.now.severity)
    }
}
