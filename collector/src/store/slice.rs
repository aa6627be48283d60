//! One slice: a database file with the timelines closed in some stretch of time.
//!
//! A row holds what lists filter by and where its timeline lies: a stretch of a compressed block
//! that many timelines share.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};
use timeline::calls::Call;
use timeline::codec;
use timeline::ids::{Micros, TimelineId};
use timeline::timeline::Timeline;
use timeline::trace::TraceId;

use super::deeds;
use super::format::{self, Format, failed, with_ending};
use super::query::{Cursor, Found, Query, request_hash};
use super::traces;
use super::{Row, StoreError};

const WHAT: &str = "slice";
pub(super) const FORMAT: Format = Format {
    what: WHAT,
    version: 5,
    schema: "
        CREATE TABLE blocks(id INTEGER PRIMARY KEY, size INTEGER NOT NULL, bytes BLOB NOT NULL);
        CREATE TABLE timelines(
            row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, started INTEGER NOT NULL,
            closed INTEGER NOT NULL,
            plugin TEXT NOT NULL, severity INTEGER NOT NULL, codes TEXT NOT NULL,
            request INTEGER NOT NULL, block INTEGER NOT NULL, place INTEGER NOT NULL,
            length INTEGER NOT NULL, longest INTEGER NOT NULL);
        CREATE TABLE traces(block INTEGER PRIMARY KEY, list BLOB NOT NULL);
        CREATE TABLE plugins(name TEXT PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE deeds(name TEXT, plugin TEXT, PRIMARY KEY(name, plugin)) WITHOUT ROWID;
        CREATE TABLE puts(first INTEGER PRIMARY KEY, latest INTEGER NOT NULL);
        CREATE INDEX by_start ON timelines(started, longest);
        CREATE INDEX by_plugin ON timelines(plugin, started, longest);
        CREATE INDEX by_request ON timelines(request) WHERE request != 0;
        CREATE INDEX by_finding ON timelines(started, severity, plugin, codes)
            WHERE severity > 0;",
    writing: "
        PRAGMA page_size = 8192;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA wal_autocheckpoint = 2048;
        PRAGMA cache_size = -16384;",
};
/// Bytes of encoded timelines that are compressed together.
const BLOCK_BYTES: usize = 64 << 10;
/// So few rows are sooner sorted than searched for from the latest begun on.
const FEW: i64 = 5_000;
/// Timelines that an answer about a trace reads of one slice, at most.
const OF_TRACE: usize = 500;
/// No block is larger: what a damaged row may make us allocate.
const BLOCK_LIMIT: usize = 64 << 20;

/// A slice, open for reading.
pub(super) struct Slice {
    /// Its name: milliseconds since 1970 when it was begun.
    pub begun: i64,
    /// Its file.
    pub path: PathBuf,
    reader: Mutex<Connection>,
}

impl Slice {
    /// Opens a file for reading.
    pub fn open(path: &Path, begun: i64) -> Result<Slice, StoreError> {
        let reader = Mutex::new(format::open_to_read(path, &FORMAT)?);
        Ok(Slice { begun, path: path.to_owned(), reader })
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The timeline of an id.
    pub fn get(&self, id: TimelineId) -> Result<Option<Timeline>, StoreError> {
        let reader = self.reader();
        let place = reader
            .prepare_cached("SELECT block, place, length FROM timelines WHERE id = ?1")
            .and_then(|mut s| s.query_row([id.0], Place::read).optional())
            .map_err(failed(WHAT, &self.path))?;
        place.map(|place| Blocks::of(self, &reader).timeline(place)).transpose()
    }

    /// Rows after a cursor, latest begun first.
    pub fn rows(
        &self,
        query: &Query,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let reader = self.reader();
        if let Some(deed) = &query.deed {
            let has = deeds::has(&reader, deed, query.plugin.as_deref());
            if !has.map_err(failed(WHAT, &self.path))? {
                return Ok(Vec::new());
            }
        }
        let of_trace = query.trace.map(|trace| self.of_trace(&reader, trace)).transpose()?;
        if of_trace.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let (mut filter, mut values) = filter(query, &of_trace.unwrap_or_default(), after);
        let index = match self.lately(&reader, query).map_err(failed(WHAT, &self.path))? {
            Lately::None => return Ok(Vec::new()),
            Lately::Few(first) => {
                values.push(first.into());
                filter.push_str(&format!(" AND row >= ?{}", values.len()));
                "NOT INDEXED"
            }
            Lately::Many => index(query),
        };
        let sql = format!(
            "SELECT block, place, length, closed, started, id FROM timelines {index} WHERE {filter}
             ORDER BY started DESC, id DESC LIMIT {limit}"
        );
        let read = |row: &rusqlite::Row<'_>| {
            let cursor = Cursor { started: row.get(4)?, id: TimelineId(row.get(5)?) };
            Ok(Listed { cursor, place: Place::read(row)?, closed_millis: row.get(3)? })
        };
        reader
            .prepare_cached(&sql)
            .and_then(|mut s| s.query_map(params_from_iter(values), read)?.collect())
            .map_err(failed(WHAT, &self.path))
    }

    /// How many rows were closed since a query's time, at most. They are the last: what was written
    /// together was closed together.
    fn lately(&self, reader: &Connection, query: &Query) -> rusqlite::Result<Lately> {
        let Some(since) = query.since_millis else { return Ok(Lately::Many) };
        let first: Option<i64> = reader
            .prepare_cached("SELECT min(first) FROM puts WHERE latest >= ?1")?
            .query_row([since], |row| row.get(0))?;
        let Some(first) = first else { return Ok(Lately::None) };
        let last: Option<i64> = reader
            .prepare_cached("SELECT max(row) FROM timelines")?
            .query_row([], |row| row.get(0))?;
        let is_few = last.unwrap_or(0).saturating_sub(first) < FEW && !query.names_streams();
        Ok(if is_few { Lately::Few(first) } else { Lately::Many })
    }

    /// Those that may be of a trace, each between two ids; latest stored first, not endlessly many.
    fn of_trace(
        &self,
        reader: &Connection,
        trace: TraceId,
    ) -> Result<Vec<(TimelineId, TimelineId)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<_>> {
            let mut found = Vec::new();
            let mut lists = reader.prepare_cached("SELECT list FROM traces ORDER BY block DESC")?;
            let mut rows = lists.query([])?;
            while let Some(row) = rows.next()?
                && found.len() < OF_TRACE
            {
                let list = row.get_ref(0)?.as_blob()?;
                found.extend(traces::find(list, trace).take(OF_TRACE - found.len()));
            }
            Ok(found)
        };
        read().map_err(failed(WHAT, &self.path))
    }

    /// The timelines of rows that match: a row's filter knows less than a query.
    pub fn read(&self, query: &Query, rows: Vec<Listed>) -> Result<Vec<Found>, StoreError> {
        let reader = self.reader();
        let mut blocks = Blocks::of(self, &reader);
        let mut found = Vec::with_capacity(rows.len());
        for Listed { cursor: place, place: stretch, closed_millis } in rows {
            let timeline = blocks.timeline(stretch)?;
            if query.matches(&timeline) {
                found.push(Found { place, timeline, closed_millis });
            }
        }
        Ok(found)
    }

    /// Names of the plugins of its timelines, at most so many.
    pub fn plugins(&self, most: usize) -> Result<Vec<String>, StoreError> {
        self.reader()
            .prepare_cached("SELECT name FROM plugins LIMIT ?1")
            .and_then(|mut s| s.query_map([most as i64], |row| row.get(0))?.collect())
            .map_err(failed(WHAT, &self.path))
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        ["", "-wal"]
            .iter()
            .filter_map(|ending| std::fs::metadata(with_ending(&self.path, ending)).ok())
            .map(|meta| meta.len())
            .sum()
    }

    /// When its file was last written; milliseconds since 1970.
    pub fn written(&self) -> i64 {
        let latest = ["", "-wal"]
            .iter()
            .filter_map(|ending| std::fs::metadata(with_ending(&self.path, ending)).ok())
            .filter_map(|meta| meta.modified().ok())
            .filter_map(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map(|since| since.as_millis() as i64)
            .max();
        latest.unwrap_or(self.begun)
    }
}

/// Rows that were closed since a query's time.
enum Lately {
    None,
    /// From this one on.
    Few(i64),
    Many,
}

/// The index by which the fewest rows are looked at. SQLite knows nothing of what is in the table.
fn index(query: &Query) -> &'static str {
    if query.names_streams() {
        ""
    } else if query.found || query.finding.is_some() || query.severity.is_some() {
        "INDEXED BY by_finding"
    } else if query.plugin.is_some() {
        "INDEXED BY by_plugin"
    } else {
        "INDEXED BY by_start"
    }
}

/// The filter of a query, in SQL, and its values.
/// `ids`: it is between two of these; empty: any.
fn filter(
    query: &Query,
    ids: &[(TimelineId, TimelineId)],
    after: Option<Cursor>,
) -> (String, Vec<Value>) {
    let mut terms = vec!["1".to_owned()];
    let mut values = Vec::new();
    if let Some(after) = after {
        terms.push("(started, id) < (?1, ?2)".to_owned());
        values.extend([Value::from(after.started), Value::from(after.id.0.to_vec())]);
    }
    if !ids.is_empty() {
        let mut ranges = Vec::with_capacity(ids.len());
        for (least, most) in ids {
            values.extend([Value::from(least.0.to_vec()), Value::from(most.0.to_vec())]);
            ranges.push(format!("id BETWEEN ?{} AND ?{}", values.len() - 1, values.len()));
        }
        terms.push(format!("({})", ranges.join(" OR ")));
    }
    let mut add = |term: &str, value: Value| {
        values.push(value);
        terms.push(term.replace('?', &format!("?{}", values.len())));
    };
    if let Some(id) = &query.request_id {
        add("request = ? AND request != 0", request_hash(id).into());
    }
    if let Some(begun) = query.begun_nanos {
        add("started >= ?", begun.into());
    }
    if let Some(longest) = query.longest_micros {
        add("longest >= ?", i64::try_from(longest).unwrap_or(i64::MAX).into());
    }
    if let Some(plugin) = &query.plugin {
        add("plugin = ?", plugin.clone().into());
    }
    if let Some(code) = &query.finding {
        add("severity > 0 AND instr(codes, ?) > 0", format!(" {code} ").into());
    }
    if let Some(severity) = query.severity {
        add("severity = ? AND severity > 0", (severity as i64 + 1).into());
    }
    if let Some(since) = query.since_millis {
        add("closed >= ?", since.into());
    }
    if query.found {
        terms.push("severity > 0".to_owned());
    }
    (terms.join(" AND "), values)
}

/// A row of a list, its timeline not read yet.
pub(super) struct Listed {
    /// Its place in lists.
    pub cursor: Cursor,
    place: Place,
    closed_millis: i64,
}

/// Where a timeline lies.
struct Place {
    block: i64,
    place: usize,
    length: usize,
}

impl Place {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Place> {
        let number = |at| row.get::<_, i64>(at).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        Ok(Place { block: row.get(0)?, place: number(1)?, length: number(2)? })
    }
}

/// Blocks, each decompressed once.
struct Blocks<'a> {
    slice: &'a Slice,
    reader: &'a Connection,
    known: HashMap<i64, Vec<u8>>,
}

impl<'a> Blocks<'a> {
    fn of(slice: &'a Slice, reader: &'a Connection) -> Blocks<'a> {
        Blocks { slice, reader, known: HashMap::new() }
    }

    fn timeline(&mut self, place: Place) -> Result<Timeline, StoreError> {
        if !self.known.contains_key(&place.block) {
            let bytes = self.read(place.block)?;
            self.known.insert(place.block, bytes);
        }
        self.known
            .get(&place.block)
            .and_then(|bytes| bytes.get(place.place..place.place.checked_add(place.length)?))
            .ok_or_else(|| StoreError::Unreadable("its block is too short".to_owned()))
            .and_then(|b| codec::decode(b).map_err(|e| StoreError::Unreadable(e.to_string())))
    }

    fn read(&self, block: i64) -> Result<Vec<u8>, StoreError> {
        let (size, bytes): (i64, Vec<u8>) = self
            .reader
            .prepare_cached("SELECT size, bytes FROM blocks WHERE id = ?1")
            .and_then(|mut s| s.query_row([block], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(failed(WHAT, &self.slice.path))?;
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(BLOCK_LIMIT);
        zstd::bulk::decompress(&bytes, size).map_err(|e| StoreError::Unreadable(e.to_string()))
    }
}

/// Writes timelines into a slice, in one transaction.
pub(super) fn write(
    db: &Connection,
    path: &Path,
    rows: &[&Row],
    compressor: &mut zstd::bulk::Compressor<'static>,
) -> Result<(), StoreError> {
    let mut write = || -> rusqlite::Result<()> {
        let transaction = db.unchecked_transaction()?;
        let plugins: BTreeSet<&str> =
            rows.iter().map(|r| r.timeline.root.plugin.as_str()).collect();
        for plugin in plugins {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO plugins(name) VALUES (?1)")?
                .execute([plugin])?;
        }
        deeds::put(&transaction, rows.iter().map(|row| &*row.timeline))?;
        let first: Option<i64> =
            transaction.query_row("SELECT max(row) + 1 FROM timelines", [], |row| row.get(0))?;
        let latest = rows.iter().map(|row| row.closed_millis).max().unwrap_or(i64::MAX);
        transaction
            .prepare_cached(
                "INSERT INTO puts(first, latest) VALUES (?1, ?2)
                 ON CONFLICT(first) DO UPDATE SET latest = max(latest, ?2)",
            )?
            .execute([first.unwrap_or(1), latest])?;
        let mut rest = rows;
        while !rest.is_empty() {
            let mut block = Vec::with_capacity(BLOCK_BYTES + 4096);
            let mut places = Vec::new();
            for row in rest {
                let begin = block.len();
                block.extend_from_slice(&codec::encode(&row.timeline));
                places.push((begin, block.len() - begin));
                if block.len() >= BLOCK_BYTES {
                    break;
                }
            }
            let packed = compressor
                .compress(&block)
                .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
            transaction
                .prepare_cached("INSERT INTO blocks(size, bytes) VALUES (?1, ?2)")?
                .execute(params![block.len() as i64, packed])?;
            let block = transaction.last_insert_rowid();
            let (now, later) = rest.split_at(places.len());
            let traces = traces::list(now.iter().map(|row| &*row.timeline));
            if !traces.is_empty() {
                transaction
                    .prepare_cached("INSERT INTO traces(block, list) VALUES (?1, ?2)")?
                    .execute(params![block, traces])?;
            }
            for (row, place) in now.iter().zip(places) {
                upsert(&transaction, row, block, place)?;
            }
            rest = later;
        }
        transaction.commit()
    };
    write().map_err(failed(WHAT, path))
}

fn upsert(
    db: &Connection,
    row: &Row,
    block: i64,
    (place, length): (usize, usize),
) -> rusqlite::Result<()> {
    let timeline = &*row.timeline;
    let mut codes = String::new();
    for finding in &timeline.findings {
        if codes.is_empty() {
            codes.push(' ');
        }
        codes.push_str(&finding.code);
        codes.push(' ');
    }
    db.prepare_cached(
        "INSERT INTO timelines(id, closed, plugin, severity, codes, request, block, place, length, started, longest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT(id) DO UPDATE SET plugin = ?3, severity = ?4, codes = ?5, request = ?6,
            block = ?7, place = ?8, length = ?9, longest = ?11",
    )?
    .execute(params![
        timeline.id.0,
        row.closed_millis,
        timeline.root.plugin,
        timeline.severity().map_or(0, |severity| severity as i64 + 1),
        codes,
        request_hash(&timeline.stream.request_id),
        block,
        place as i64,
        length as i64,
        row.started_nanos,
        i64::try_from(longest_micros(timeline)).unwrap_or(i64::MAX),
    ])?;
    Ok(())
}

/// Nothing of it took longer: of what did not end, as far as it can be told.
fn longest_micros(timeline: &Timeline) -> u64 {
    let started = timeline.started();
    let mut end = started.after(timeline.span());
    let is_answered = |call: &Call| call.outcome.answer().is_some();
    if timeline.deleted().is_none() || !timeline.calls.iter().all(is_answered) {
        let deadline = |call: &Call| call.dispatched_at.after(call.timeout.unwrap_or_default());
        let deadlines = timeline.calls.iter().map(deadline);
        end = deadlines.chain([timeline.known_until]).fold(end, Micros::max);
    }
    end.since(started).0
}
