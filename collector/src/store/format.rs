//! Opening database files: made new, opened, or set aside when another version wrote them.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;

/// What kind of file, its version and its tables.
pub(super) struct Format {
    /// In messages.
    pub what: &'static str,
    /// `PRAGMA user_version`.
    pub version: i32,
    /// Statements that make the tables.
    pub schema: &'static str,
    /// Statements for every connection that writes.
    pub writing: &'static str,
}

/// Opens a file for writing. One of another version, or damaged, is renamed first.
pub(super) fn open(path: &Path, format: &Format) -> Result<Connection, StoreError> {
    if path.exists() && !is_ours(path, format)? {
        set_aside(path)?;
    }
    let db = Connection::open(path).map_err(failed(format.what, path))?;
    prepare(&db, format).map_err(failed(format.what, path))?;
    Ok(db)
}

/// Opens a file of this version for reading.
pub(super) fn open_to_read(path: &Path, format: &Format) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(failed(format.what, path))
}

/// Is it of this kind and version? A file that is no database is not.
pub(super) fn is_ours(path: &Path, format: &Format) -> Result<bool, StoreError> {
    let db = Connection::open(path).map_err(failed(format.what, path))?;
    let version: Result<i32, _> = db.query_row("PRAGMA user_version", [], |row| row.get(0));
    match version {
        Ok(version) => {
            let tables: i64 = db
                .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
                .map_err(failed(format.what, path))?;
            // A crash may leave an empty file between making it and its tables.
            Ok(version == format.version || (version == 0 && tables == 0))
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => Ok(false),
        Err(error) => Err(failed(format.what, path)(error)),
    }
}

fn prepare(db: &Connection, format: &Format) -> rusqlite::Result<()> {
    db.execute_batch(format.writing)?;
    let version: i32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        db.execute_batch(&format!(
            "BEGIN; {} PRAGMA user_version = {}; COMMIT;",
            format.schema, format.version
        ))?;
    }
    Ok(())
}

/// Renames a file, with its log, to a name that nothing opens.
pub(super) fn set_aside(path: &Path) -> Result<(), StoreError> {
    let stamp = jiff::Timestamp::now().as_millisecond();
    for ending in ["", "-wal", "-shm"] {
        let from = with_ending(path, ending);
        let to = with_ending(path, &format!(".aside-{stamp}{ending}"));
        if from.exists() {
            std::fs::rename(&from, &to)
                .map_err(|source| StoreError::File { place: from.display().to_string(), source })?;
        }
    }
    tracing::warn!(
        file = %path.display(),
        "written by another version, or damaged: set aside under a name ending in .aside-{stamp}"
    );
    Ok(())
}

/// The file's name with something after it.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Says which file failed.
pub(super) fn failed(
    what: &'static str,
    path: &Path,
) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
    let place = path.display().to_string();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { what, place: place.clone() },
        _ => StoreError::Failed { what, place: place.clone(), source },
    }
}
