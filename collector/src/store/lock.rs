//! One process per store.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::StoreError;

/// How long a predecessor that is just ending may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Holds a store's folder for this process, until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, making it if there is none.
    pub fn take(folder: &Path) -> Result<Lock, StoreError> {
        let place = || format!("{} as the folder of the store", folder.display());
        let failed = |source| StoreError::File { place: place(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .map_err(failed)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Taken(folder.display().to_string()));
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}
