//! The journal: raw batches and the sequence numbers seen, in one transaction, with fsync.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use timeline::ids::{ContextId, InstanceId, Micros, Sequence};

use super::format::{self, Format, failed};
use super::{Appended, BatchId, Kept, Ranges, Raw, Resume, StoreError};

const WHAT: &str = "journal";
const FORMAT: Format = Format {
    what: WHAT,
    version: 2,
    schema: "
        CREATE TABLE batches(id INTEGER PRIMARY KEY, arrived INTEGER NOT NULL,
            instance BLOB NOT NULL, first INTEGER NOT NULL, context INTEGER NOT NULL,
            bytes BLOB NOT NULL);
        CREATE TABLE marks(instance BLOB PRIMARY KEY, seen BLOB NOT NULL, last_heard INTEGER NOT NULL,
            used_until INTEGER NOT NULL) WITHOUT ROWID;",
    writing: "
        PRAGMA page_size = 16384;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 1024;
        PRAGMA journal_size_limit = 67108864;
        PRAGMA cache_size = -8192;",
};
const PAGE_BYTES: u64 = 16384;

/// The open journal.
pub(super) struct Journal {
    path: PathBuf,
    db: Connection,
    next: i64,
    marks: HashMap<InstanceId, Mark>,
}

/// What was seen of an instance.
#[derive(Clone, Default)]
struct Mark {
    seen: Ranges,
    last_heard: i64,
    /// Highest context id in batches let go.
    used_until: u32,
}

impl Journal {
    /// Opens the journal of a folder. `limit`: its most bytes.
    pub fn open(folder: &Path, limit: u64) -> Result<Journal, StoreError> {
        let path = folder.join("journal.db");
        let db = format::open(&path, &FORMAT)?;
        let read = |db: &Connection| -> rusqlite::Result<(i64, HashMap<InstanceId, Mark>)> {
            db.pragma_update(None, "max_page_count", (limit / PAGE_BYTES) as i64)?;
            let next =
                db.query_row("SELECT ifnull(max(id), 0) + 1 FROM batches", [], |r| r.get(0))?;
            let mut marks = HashMap::new();
            let mut statement =
                db.prepare("SELECT instance, seen, last_heard, used_until FROM marks")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let mark = Mark {
                    seen: Ranges::from_bytes(row.get_ref(1)?.as_blob()?),
                    last_heard: row.get(2)?,
                    used_until: row.get(3)?,
                };
                marks.insert(InstanceId(row.get(0)?), mark);
            }
            Ok((next, marks))
        };
        let (next, marks) = read(&db).map_err(failed(WHAT, &path))?;
        Ok(Journal { path, db, next, marks })
    }

    /// Makes batches durable, all or none.
    pub fn append(&mut self, batches: &[Raw<'_>]) -> Result<Vec<Appended>, StoreError> {
        let mut touched: HashMap<InstanceId, Mark> = HashMap::new();
        let mut outcome = Vec::with_capacity(batches.len());
        let mut next = self.next;
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.db.unchecked_transaction()?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO batches(id, arrived, instance, first, context, bytes)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for batch in batches {
                let mark = touched.entry(batch.instance).or_insert_with(|| {
                    self.marks.get(&batch.instance).cloned().unwrap_or_default()
                });
                mark.last_heard = mark.last_heard.max(batch.wall_millis);
                if batch.events > 0 {
                    let (first, last) = (batch.first.0, batch.first.0 + batch.events - 1);
                    if mark.seen.covers(first, last) {
                        outcome.push(Appended::Duplicate);
                        continue;
                    }
                    mark.seen.add(first, last);
                }
                let (arrived, first) = (batch.arrived.0 as i64, batch.first.0 as i64);
                let context = batch.highest_context.0;
                insert.execute(params![
                    next,
                    arrived,
                    batch.instance.0,
                    first,
                    context,
                    batch.bytes
                ])?;
                outcome.push(Appended::New(BatchId(next)));
                next += 1;
            }
            drop(insert);
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO marks(instance, seen, last_heard, used_until) VALUES (?1, ?2, ?3, 0)
                 ON CONFLICT(instance) DO UPDATE SET seen = ?2, last_heard = ?3",
            )?;
            for (instance, mark) in &touched {
                upsert.execute(params![instance.0, mark.seen.to_bytes(), mark.last_heard])?;
            }
            drop(upsert);
            transaction.commit()
        };
        write().map_err(failed(WHAT, &self.path))?;
        self.next = next;
        self.marks.extend(touched);
        Ok(outcome)
    }

    /// Lets batches go.
    pub fn forget(&mut self, batches: &[BatchId]) -> Result<(), StoreError> {
        let mut used = HashMap::<InstanceId, u32>::new();
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.db.unchecked_transaction()?;
            let mut delete = transaction
                .prepare_cached("DELETE FROM batches WHERE id = ?1 RETURNING instance, context")?;
            for batch in batches {
                let mut rows = delete.query([batch.0])?;
                while let Some(row) = rows.next()? {
                    let until = used.entry(InstanceId(row.get(0)?)).or_default();
                    *until = row.get::<_, u32>(1)?.max(*until);
                }
            }
            drop(delete);
            let mut raise = transaction.prepare_cached(
                "UPDATE marks SET used_until = max(used_until, ?2) WHERE instance = ?1",
            )?;
            for (instance, until) in &used {
                raise.execute(params![instance.0, until])?;
            }
            drop(raise);
            transaction.commit()
        };
        write().map_err(failed(WHAT, &self.path))?;
        for (instance, until) in used {
            if let Some(mark) = self.marks.get_mut(&instance) {
                mark.used_until = mark.used_until.max(until);
            }
        }
        Ok(())
    }

    /// Where instances go on.
    pub fn resume_points(&self) -> Result<Vec<(InstanceId, Resume)>, StoreError> {
        let read = || -> rusqlite::Result<HashMap<InstanceId, u64>> {
            let sql = "SELECT instance, min(first) FROM batches GROUP BY instance";
            let mut statement = self.db.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                Ok((InstanceId(row.get(0)?), row.get::<_, i64>(1)?.max(0) as u64))
            })?;
            rows.collect()
        };
        let held = read().map_err(failed(WHAT, &self.path))?;
        let point = |(instance, mark): (&InstanceId, &Mark)| {
            let complete = mark.seen.complete_until()?;
            let next = held.get(instance).map_or(complete, |first| (*first).min(complete));
            let used_until = ContextId(mark.used_until);
            Some((*instance, Resume { next: Sequence(next), used_until }))
        };
        Ok(self.marks.iter().filter_map(point).collect())
    }

    /// Hands out all batches in the order of their coming.
    pub fn replay(&self, each: &mut dyn FnMut(Kept)) -> Result<(), StoreError> {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement =
                self.db.prepare("SELECT id, arrived, bytes FROM batches ORDER BY id")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let arrived: i64 = row.get(1)?;
                each(Kept {
                    id: BatchId(row.get(0)?),
                    arrived: Micros(arrived.max(0) as u64),
                    bytes: row.get(2)?,
                });
            }
            Ok(())
        };
        read().map_err(failed(WHAT, &self.path))
    }

    /// Moves a batch into a file of its own. Its numbers stay seen: sent again, it is no better.
    pub fn set_aside(&mut self, batch: &Kept) -> Result<(), StoreError> {
        let stamp = jiff::Timestamp::now().as_millisecond();
        let file = self.path.with_file_name(format!("batch-{}.aside-{stamp}", batch.id.0));
        let keep = || -> std::io::Result<()> {
            let mut out = std::fs::File::create(&file)?;
            out.write_all(&batch.bytes)?;
            out.sync_all()
        };
        keep().map_err(|source| StoreError::File { place: file.display().to_string(), source })?;
        self.forget(&[batch.id])
    }

    /// Lets marks go of instances not heard of since a time.
    pub fn forget_marks(&mut self, heard_before_millis: i64) -> Result<(), StoreError> {
        let before = self.marks.len();
        self.marks.retain(|_, mark| mark.last_heard >= heard_before_millis);
        if self.marks.len() < before {
            self.db
                .execute("DELETE FROM marks WHERE last_heard < ?1", [heard_before_millis])
                .map_err(failed(WHAT, &self.path))?;
        }
        Ok(())
    }

    /// Bytes of batches, without free pages.
    pub fn bytes(&self) -> u64 {
        let pragma =
            |name| self.db.pragma_query_value(None, name, |r| r.get::<_, i64>(0)).unwrap_or(0);
        (pragma("page_count") - pragma("freelist_count")).max(0) as u64 * PAGE_BYTES
    }
}
