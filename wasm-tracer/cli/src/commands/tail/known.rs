//! Findings that are known already, by what stays the same from run to run: the plugin, the code, and what
//! it is about. Never ids, and no path: paths hold ids.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Name of the plugin.
    pub plugin: String,
    /// Code of the diagnosis.
    pub code: String,
    /// `call to CLUSTER`, `request`, `response` or `timeline`.
    pub about: String,
}

/// Reads a file of them.
pub fn read(path: &Path) -> Result<BTreeSet<Known>> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read {}, a file as --write-known writes it", path.display())
    })?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is no list of findings as --write-known writes it", path.display())
    })
}

/// Fails if the file could not be written later, when all was seen and would be lost. Leaves no trace; a pipe
/// and a link that leads nowhere yet are left alone.
pub fn check(path: &Path) -> Result<()> {
    let tried = if path.is_file() || path.is_dir() {
        OpenOptions::new().append(true).open(path).map(drop)
    } else if path.symlink_metadata().is_err() {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        made.and_then(|_| std::fs::remove_file(path))
    } else {
        Ok(())
    };
    tried.with_context(|| {
        format!("cannot write {} (its folder must be there, and writable)", path.display())
    })
}

/// Writes a file of them, sorted, one a line: so that a change of it can be read.
pub fn write(path: &Path, known: &BTreeSet<Known>) -> Result<()> {
    let lines: Vec<String> = known.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    let text = match lines.is_empty() {
        true => "[]\n".to_owned(),
        false => format!("[\n  {}\n]\n", lines.join(",\n  ")),
    };
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
