//! What is kept: raw batches until their timelines are stored, timelines until retention.
//!
//! [`Store`] is the seam; [`sqlite::Sqlite`] is the one kind there is. A batch is durable once
//! [`Store::append`] returned; only then may it be answered 2xx.

mod deeds;
mod format;
mod journal;
mod lock;
mod merge;
mod query;
mod ranges;
mod slice;
mod slices;
pub mod sqlite;
mod traces;

use std::collections::BTreeSet;
use std::sync::Arc;

use timeline::ids::{ContextId, InstanceId, Micros, Sequence, TimelineId};
use timeline::timeline::Timeline;

pub use lock::Lock;
pub(crate) use merge::united;
pub use query::{Cursor, Found, Page, Query};
pub use ranges::Ranges;

/// Number of a batch in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub i64);

/// A batch to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Whose.
    pub instance: InstanceId,
    /// Number of its first event.
    pub first: Sequence,
    /// Number of its events.
    pub events: u64,
    /// Highest context id in it.
    pub highest_context: ContextId,
    /// On the collector's clock.
    pub arrived: Micros,
    /// Milliseconds since 1970.
    pub wall_millis: i64,
    /// As it came.
    pub bytes: &'a [u8],
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is kept.
    New(BatchId),
    /// All its events were seen before.
    Duplicate,
}

/// A batch from the journal.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its number.
    pub id: BatchId,
    /// On the collector's clock of then.
    pub arrived: Micros,
    /// As it came.
    pub bytes: Vec<u8>,
}

/// Where an instance goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// All its events before this number were kept and let go.
    pub next: Sequence,
    /// Highest context id in them.
    pub used_until: ContextId,
}

/// A timeline to be stored.
#[derive(Clone, Debug)]
pub struct Row {
    /// The timeline.
    pub timeline: Arc<Timeline>,
    /// When it began, as lists order it: nanoseconds since 1970. What is stored first stays.
    pub started_nanos: i64,
    /// When it was closed: milliseconds since 1970, the collector's.
    pub closed_millis: i64,
    /// A part of it may be stored already: a replay, or a late event.
    pub may_be_stored: bool,
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Of raw batches.
    pub journal: u64,
    /// Of timelines.
    pub slices: u64,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room.
    #[error("the {what} has no room left; free space on the disk of {place}, or raise its limit")]
    Full {
        /// Journal or slice.
        what: &'static str,
        /// Its path.
        place: String,
    },
    /// The database failed.
    #[error("the {what} at {place} failed")]
    Failed {
        /// Journal or slice.
        what: &'static str,
        /// Its path.
        place: String,
        /// How.
        source: rusqlite::Error,
    },
    /// The file system failed.
    #[error("cannot use {place}")]
    File {
        /// The path.
        place: String,
        /// How.
        source: std::io::Error,
    },
    /// A slice that was written may not survive a power cut.
    #[error("cannot sync {place}, so its batches stay in the journal; check its disk")]
    Unsettled {
        /// The path.
        place: String,
        /// How.
        source: std::io::Error,
    },
    /// Another process has the store.
    #[error("another collector uses {0}; stop it, or give this one its own --data folder")]
    Taken(String),
    /// A stored timeline cannot be read.
    #[error("a stored timeline cannot be read: {0}")]
    Unreadable(String),
}

/// Keeps batches and timelines.
pub trait Store: Send + Sync + 'static {
    /// Makes batches durable, all or none; those seen before are not kept again.
    fn append(&self, batches: &[Raw<'_>]) -> Result<Vec<Appended>, StoreError>;

    /// Lets batches go whose timelines are stored, and makes sure first that these are durable.
    fn forget(&self, batches: &[BatchId]) -> Result<(), StoreError>;

    /// Where instances go on. One that is not named begins anew.
    fn resume_points(&self) -> Result<Vec<(InstanceId, Resume)>, StoreError>;

    /// Hands out the batches not let go, in the order of their coming.
    fn replay(&self, each: &mut dyn FnMut(Kept)) -> Result<(), StoreError>;

    /// Takes a batch that cannot be read out of the journal, into a file that nothing opens.
    fn set_aside(&self, batch: &Kept) -> Result<(), StoreError>;

    /// Stores timelines, all or none; one that is stored already is replaced.
    fn put(&self, rows: &[Row]) -> Result<(), StoreError>;

    /// The timeline of an id.
    fn get(&self, id: TimelineId) -> Result<Option<Timeline>, StoreError>;

    /// Stored timelines, latest begun first.
    fn list(&self, query: &Query, after: Option<Cursor>, limit: usize) -> Result<Page, StoreError>;

    /// Names of the plugins of stored timelines, at most so many of each stretch of time.
    fn plugins(&self, most: usize) -> Result<BTreeSet<String>, StoreError>;

    /// Rotates slices, applies retention, lets old marks go. `wall_millis`: now.
    fn tend(&self, wall_millis: i64) -> Result<(), StoreError>;

    /// Bytes on disk.
    fn size(&self) -> Size;
}
