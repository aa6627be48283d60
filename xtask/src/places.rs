//! Where things are: the workspace, the target folder, the cache folder; and how folders of the last are made.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::command;

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

/// The folder `place` of the cache folder, made when it is not there yet. It is made in a folder beside it,
/// and what `make` answers is renamed, so that an interrupted run leaves no half of it.
///
/// # Errors
/// When it cannot be made.
pub fn placed(
    place: PathBuf,
    title: &str,
    make: impl FnOnce(&Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<PathBuf> {
    if place.is_dir() {
        return Ok(place);
    }
    let mut work = place.clone().into_os_string();
    work.push(format!(".{}", std::process::id()));
    let work = PathBuf::from(work);
    let made = command::step(title, || {
        std::fs::create_dir_all(&work)
            .with_context(|| format!("cannot make {} in the cache folder", work.display()))?;
        make(&work)
    });
    let placed = made.and_then(|made| match std::fs::rename(made, &place) {
        // Another run was faster.
        Err(_) if place.is_dir() => Ok(()),
        placed => placed.with_context(|| format!("it cannot be moved to {}", place.display())),
    });
    let _ = std::fs::remove_dir_all(&work);
    placed.map(|()| place)
}
