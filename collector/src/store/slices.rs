//! All slices of a store: the one being written, and those before it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use timeline::ids::TimelineId;
use timeline::timeline::Timeline;

use super::format::{self, failed, with_ending};
use super::merge::merge;
use super::query::{Cursor, Page, Query};
use super::slice::{self, FORMAT, Slice};
use super::{Row, StoreError};
use crate::config::Retention;

/// Slices for reading, latest last. Shared with the writer.
pub(super) struct Slices {
    all: RwLock<Vec<Arc<Slice>>>,
}

/// Writes timelines into the latest slice.
pub(super) struct Writer {
    folder: PathBuf,
    retention: Retention,
    current: Option<(Arc<Slice>, Connection)>,
    compressor: zstd::bulk::Compressor<'static>,
    /// Written since the last [`Writer::settle`].
    unsettled: BTreeSet<PathBuf>,
}

impl Slices {
    /// Opens what a folder holds; files of another version are set aside.
    pub fn open(folder: &Path) -> Result<Slices, StoreError> {
        let failed = |source| StoreError::File { place: folder.display().to_string(), source };
        let mut all = Vec::new();
        for file in std::fs::read_dir(folder).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            let Some(begun) = begun_of(&path) else { continue };
            if format::is_ours(&path, &FORMAT)? {
                drop(format::open(&path, &FORMAT)?);
                all.push(Arc::new(Slice::open(&path, begun)?));
            } else {
                format::set_aside(&path)?;
            }
        }
        all.sort_by_key(|slice| slice.begun);
        Ok(Slices { all: RwLock::new(all) })
    }

    /// Latest first.
    fn latest_first(&self) -> Vec<Arc<Slice>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().rev().cloned().collect()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Slice>>)) {
        change(&mut self.all.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The timeline of an id, and the slice it is in.
    pub fn find(&self, id: TimelineId) -> Result<Option<(Arc<Slice>, Timeline)>, StoreError> {
        for slice in self.latest_first() {
            if let Some(timeline) = slice.get(id)? {
                return Ok(Some((slice, timeline)));
            }
        }
        Ok(None)
    }

    /// Stored timelines, latest begun first. Any slice can have the next: a long one is closed late.
    pub fn list(
        &self,
        query: &Query,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let slices = self.latest_first();
        let mut rows = Vec::new();
        for (at, slice) in slices.iter().enumerate() {
            rows.extend(slice.rows(query, after, limit)?.into_iter().map(|row| (at, row)));
        }
        rows.sort_unstable_by_key(|(_, row)| Reverse(row.cursor));
        let is_full = rows.len() >= limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| is_full).map(|(_, row)| row.cursor);
        let mut of_slice: BTreeMap<usize, Vec<slice::Listed>> = BTreeMap::new();
        for (at, row) in rows {
            of_slice.entry(at).or_default().push(row);
        }
        let mut found = Vec::new();
        for (at, rows) in of_slice {
            found.extend(slices[at].read(query, rows)?);
        }
        found.sort_unstable_by_key(|found| Reverse(found.place));
        Ok(Page { found, next })
    }

    /// Names of the plugins of all stored timelines, at most so many of each slice.
    pub fn plugins(&self, most: usize) -> Result<BTreeSet<String>, StoreError> {
        let mut names = BTreeSet::new();
        for slice in self.latest_first() {
            names.extend(slice.plugins(most)?);
        }
        Ok(names)
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.latest_first().iter().map(|slice| slice.bytes()).sum()
    }
}

impl Writer {
    /// Writes on where the last process stopped.
    pub fn new(folder: &Path, retention: Retention) -> Result<Writer, StoreError> {
        let compressor = zstd::bulk::Compressor::new(1)
            .map_err(|source| StoreError::File { place: "zstd".to_owned(), source })?;
        Ok(Writer {
            folder: folder.to_owned(),
            retention,
            current: None,
            compressor,
            unsettled: BTreeSet::new(),
        })
    }

    /// Stores timelines; a part that is stored already stays in its slice and is made whole there.
    pub fn put(&mut self, slices: &Slices, rows: &[Row]) -> Result<(), StoreError> {
        let wholes = wholes(slices, rows)?;
        let mut fresh = Vec::with_capacity(wholes.len());
        let mut merged: BTreeMap<&PathBuf, Vec<&Row>> = BTreeMap::new();
        for (place, row) in &wholes {
            match place {
                None => fresh.push(row),
                Some(path) => merged.entry(path).or_default().push(row),
            }
        }
        for (path, rows) in merged {
            let db = format::open(path, &FORMAT)?;
            slice::write(&db, path, &rows, &mut self.compressor)?;
            self.unsettled.insert(path.clone());
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let now = rows.iter().map(|row| row.closed_millis).max().unwrap_or(0);
        let path = self.current(slices, now)?;
        if let Some((_, db)) = &self.current {
            slice::write(db, &path, &fresh, &mut self.compressor)?;
        }
        self.unsettled.insert(path);
        Ok(())
    }

    /// The slice to write to: a new one when there is none, or its time or size is over.
    fn current(&mut self, slices: &Slices, now: i64) -> Result<PathBuf, StoreError> {
        let latest = match &self.current {
            Some((slice, _)) => Some(slice.clone()),
            None => slices.latest_first().first().cloned(),
        };
        let is_over = |slice: &Slice| {
            now.saturating_sub(slice.begun) >= self.retention.slice_age.as_millis() as i64
                || slice.bytes() >= self.retention.slice_bytes
        };
        match (latest, &self.current) {
            (Some(slice), Some(_)) if !is_over(&slice) => return Ok(slice.path.clone()),
            (Some(slice), None) if !is_over(&slice) => {
                let db = format::open(&slice.path, &FORMAT)?;
                let path = slice.path.clone();
                self.current = Some((slice, db));
                return Ok(path);
            }
            _ => {}
        }
        let begun = slices.latest_first().first().map_or(now, |latest| now.max(latest.begun + 1));
        let path = self.folder.join(format!("slice-{begun}.db"));
        let db = format::open(&path, &FORMAT)?;
        let slice = Arc::new(Slice::open(&path, begun)?);
        slices.change(|all| all.push(slice.clone()));
        if let Some((old, db)) = self.current.replace((slice, db)) {
            // Its log goes into it: a finished slice is one file.
            let checkpoint = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            checkpoint.map_err(failed(FORMAT.what, &old.path))?;
        }
        Ok(path)
    }

    /// Makes what was written survive a power cut; its batches may leave the journal then.
    ///
    /// After an error all of it is still to be settled: the next call begins anew.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        for path in &self.unsettled {
            for ending in ["", "-wal"] {
                sync(&with_ending(path, ending))?;
            }
        }
        // The names of new slices, and of logs that opening them made anew.
        sync(&self.folder)?;
        self.unsettled.clear();
        Ok(())
    }

    /// Deletes slices that are too old or too many.
    pub fn retain(&mut self, slices: &Slices, now: i64) {
        let oldest_kept = now.saturating_sub(self.retention.age.as_millis() as i64);
        let mut bytes = slices.bytes();
        for slice in slices.latest_first().into_iter().rev() {
            let is_old = slice.written() < oldest_kept;
            let is_current = self.current.as_ref().is_some_and(|(c, _)| c.begun == slice.begun);
            if !is_old && (is_current || bytes <= self.retention.bytes) {
                break;
            }
            bytes = bytes.saturating_sub(slice.bytes());
            if is_current {
                self.current = None;
            }
            slices.change(|all| all.retain(|kept| kept.begun != slice.begun));
            self.unsettled.retain(|path| *path != slice.path);
            for ending in ["", "-wal", "-shm"] {
                let file = with_ending(&slice.path, ending);
                if let Err(error) = std::fs::remove_file(&file)
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::warn!(file = %file.display(), %error, "cannot delete an old slice");
                }
            }
        }
    }
}

/// Makes a file's bytes, or a folder's names, survive a power cut. A log may be in its slice already.
fn sync(path: &Path) -> Result<(), StoreError> {
    match std::fs::File::open(path).and_then(|file| file.sync_all()) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::Unsettled { place: path.display().to_string(), source })
        }
        _ => Ok(()),
    }
}

fn begun_of(path: &Path) -> Option<i64> {
    path.file_name()?.to_str()?.strip_prefix("slice-")?.strip_suffix(".db")?.parse().ok()
}

/// Each timeline of these rows once and whole, and the slice in which a part of it is stored.
fn wholes(slices: &Slices, rows: &[Row]) -> Result<Vec<(Option<PathBuf>, Row)>, StoreError> {
    let mut wholes: Vec<(Option<PathBuf>, Row)> = Vec::with_capacity(rows.len());
    let mut places: HashMap<TimelineId, usize> = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = row.timeline.id;
        if let Some((_, before)) = places.get(&id).and_then(|at| wholes.get_mut(*at)) {
            // It went on before its first part was written.
            if let Some(whole) = merge(Timeline::clone(&before.timeline), &row.timeline) {
                before.timeline = Arc::new(whole);
            }
            continue;
        }
        let stored = if row.may_be_stored { slices.find(id)? } else { None };
        let whole = match stored {
            None => (None, row.clone()),
            Some((slice, stored)) => match merge(stored, &row.timeline) {
                None => continue,
                Some(whole) => {
                    (Some(slice.path.clone()), Row { timeline: Arc::new(whole), ..row.clone() })
                }
            },
        };
        places.insert(id, wholes.len());
        wholes.push(whole);
    }
    Ok(wholes)
}
