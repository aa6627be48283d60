//! What the scenarios find in their environment: Envoy, built plugins, the command under test.

use std::path::PathBuf;

use anyhow::{Context, bail};

/// Envoy's binary: `$ENVOY`, else the one that `cargo xtask setup` put into the cache folder.
///
/// # Errors
/// When it is not there.
pub fn envoy() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("ENVOY") {
        return Ok(path.into());
    }
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = folder("WASM_TRACER_CACHE")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("wasm-tracer")))
        .or_else(|| Some(folder("HOME")?.join(".cache/wasm-tracer")));
    let path = cache.context("no cache folder")?.join("envoy/1.40.0/envoy");
    if !path.is_file() {
        bail!("Envoy is not there yet: run `cargo xtask test`, or set ENVOY");
    }
    Ok(path)
}

/// An older Envoy's binary: what `variable` names, as `cargo xtask test` sets it.
pub(crate) fn older_envoy(variable: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os(variable);
    path.map(PathBuf::from)
        .with_context(|| format!("{variable} is not set: run `cargo xtask test`"))
}

/// A compiled plugin of the field, by file name without its end.
pub(crate) fn higress_plugin(name: &str) -> anyhow::Result<PathBuf> {
    let folder = std::env::var_os("WASM_TRACER_HIGRESS_PLUGINS")
        .context("WASM_TRACER_HIGRESS_PLUGINS is not set: run `cargo xtask test`")?;
    let path = PathBuf::from(folder).join(format!("{name}.wasm"));
    if !path.is_file() {
        bail!("{} is not there: run `cargo xtask setup`", path.display());
    }
    Ok(path)
}

/// A built example plugin, by file name.
///
/// # Errors
/// When it was not built.
pub fn artifact(name: &str) -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("WASM_TRACER_ARTIFACTS") {
        Some(folder) => PathBuf::from(folder),
        None => target()?.join("artifacts"),
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{name} is not built yet: run `cargo xtask test` (or `cargo xtask build-examples`)");
    }
    Ok(path)
}

/// The command `wasm-tracer`, as built beside these tests.
///
/// # Errors
/// When it was not built.
pub fn tracer() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("WASM_TRACER") {
        return Ok(path.into());
    }
    program("wasm-tracer")
}

/// A program of this workspace, as built beside these tests.
///
/// # Errors
/// When it was not built.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = target()?.join("debug").join(name);
    if !path.is_file() {
        bail!("{name} is not built yet: run `cargo xtask test`");
    }
    Ok(path)
}

/// Cargo's target folder, from where this very program lies in it.
fn target() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let profile = program
        .ancestors()
        .find(|folder| folder.ends_with("debug") || folder.ends_with("release"))
        .and_then(|folder| folder.parent());
    Ok(profile.context("this program does not lie in a target folder")?.to_path_buf())
}
