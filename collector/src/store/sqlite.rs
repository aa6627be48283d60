//! The store on SQLite: a journal and slices in one folder.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use timeline::ids::{InstanceId, TimelineId};
use timeline::timeline::Timeline;

use super::journal::Journal;
use super::slices::{Slices, Writer};
use super::{
    Appended, BatchId, Cursor, Kept, Lock, Page, Query, Raw, Resume, Row, Size, Store, StoreError,
};
use crate::config::Retention;

/// A folder with a journal and slices, locked for this process.
pub struct Sqlite {
    journal: Mutex<Journal>,
    writer: Mutex<Writer>,
    slices: Slices,
    retention: Retention,
    _lock: Lock,
}

impl Sqlite {
    /// Opens a folder, or makes it.
    pub fn open(folder: &Path, retention: Retention) -> Result<Sqlite, StoreError> {
        let lock = Lock::take(folder)?;
        Ok(Sqlite {
            journal: Mutex::new(Journal::open(folder, retention.journal_bytes)?),
            writer: Mutex::new(Writer::new(folder, retention)?),
            slices: Slices::open(folder)?,
            retention,
            _lock: lock,
        })
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Sqlite {
    fn append(&self, batches: &[Raw<'_>]) -> Result<Vec<Appended>, StoreError> {
        self.journal().append(batches)
    }

    fn forget(&self, batches: &[BatchId]) -> Result<(), StoreError> {
        self.writer().settle()?;
        self.journal().forget(batches)
    }

    fn resume_points(&self) -> Result<Vec<(InstanceId, Resume)>, StoreError> {
        self.journal().resume_points()
    }

    fn replay(&self, each: &mut dyn FnMut(Kept)) -> Result<(), StoreError> {
        self.journal().replay(each)
    }

    fn set_aside(&self, batch: &Kept) -> Result<(), StoreError> {
        self.journal().set_aside(batch)
    }

    fn put(&self, rows: &[Row]) -> Result<(), StoreError> {
        self.writer().put(&self.slices, rows)
    }

    fn get(&self, id: TimelineId) -> Result<Option<Timeline>, StoreError> {
        Ok(self.slices.find(id)?.map(|(_, timeline)| timeline))
    }

    fn list(&self, query: &Query, after: Option<Cursor>, limit: usize) -> Result<Page, StoreError> {
        self.slices.list(query, after, limit)
    }

    fn plugins(&self, most: usize) -> Result<BTreeSet<String>, StoreError> {
        self.slices.plugins(most)
    }

    fn tend(&self, wall_millis: i64) -> Result<(), StoreError> {
        self.writer().retain(&self.slices, wall_millis);
        let marks = self.retention.marks.as_millis() as i64;
        self.journal().forget_marks(wall_millis.saturating_sub(marks))
    }

    fn size(&self) -> Size {
        Size { journal: self.journal().bytes(), slices: self.slices.bytes() }
    }
}
