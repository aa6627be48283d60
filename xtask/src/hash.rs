//! SHA-256 of files, as text.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

/// Of a file's bytes, as `sha256sum` writes it.
///
/// # Errors
/// When it cannot be read.
pub fn of_file(path: &Path) -> anyhow::Result<String> {
    Ok(hex(&Sha256::digest(read(path)?)))
}

/// What names the folder of what is made from these files, so that it is made anew when one changed.
///
/// # Errors
/// When one cannot be read.
pub fn pin(files: &[PathBuf]) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(read(file)?);
    }
    Ok(hex(&hash.finalize()[..8]))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

/// Bytes, two digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
