//! Where things are: the workspace, the target folder, the cache folder.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}

/// Where cargo keeps the sources of dependencies.
pub fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
}

/// Where built example plugins are put.
pub fn artifacts() -> PathBuf {
    target().join("artifacts")
}

/// Where fetched programs and plugins are kept for all clones.
pub fn cache() -> anyhow::Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(cache) = folder("WASM_TRACER_CACHE") {
        return Ok(workspace().join(cache));
    }
    if let Some(cache) = folder("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(cache).join("wasm-tracer"));
    }
    let home = folder("HOME").context("no folder to keep downloads in: set WASM_TRACER_CACHE")?;
    Ok(PathBuf::from(home).join(".cache/wasm-tracer"))
}
