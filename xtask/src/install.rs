//! `cargo install`, as somebody does it who never built a thing in Rust: nothing fetched before, and the
//! versions of Cargo.lock. Unoptimized: what is tried is that it installs.

use std::process::Command;

use anyhow::ensure;

use crate::{command, places};

/// # Errors
/// When it does not install, or what it installed does not run.
pub fn check() -> anyhow::Result<()> {
    let folder = places::target().join("xtask/install");
    for old in ["home", "root"] {
        let _ = std::fs::remove_dir_all(folder.join(old));
        std::fs::create_dir_all(folder.join(old))?;
    }
    let mut cargo = command::cargo();
    cargo.args(["install", "--locked", "--debug", "--path", "wasm-tracer/cli", "--root"]);
    cargo.arg(folder.join("root")).env("CARGO_HOME", folder.join("home"));
    cargo.env("CARGO_TARGET_DIR", folder.join("target")).env("CARGO_PROFILE_DEV_DEBUG", "0");
    command::output(&mut cargo)?;
    let installed = folder.join("root/bin/wasm-tracer");
    let said = command::output(Command::new(&installed).arg("--version"))?;
    ensure!(said == format!("wasm-tracer {}\n", env!("CARGO_PKG_VERSION")), "it says {said:?}");
    let said = command::output(Command::new(&installed).args(["explain", "late-callback"]))?;
    ensure!(said.contains("late-callback"), "it explains nothing: {said:?}");
    Ok(())
}
