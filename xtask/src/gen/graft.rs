//! Builds the graft: the recorder as a bare wasm module, the same bytes on every x86_64 Linux.

use std::path::Path;

use anyhow::{Context, bail};

use crate::{command, places};

/// Builds the graft of the workspace and answers its bytes.
pub fn build(workspace: &Path) -> anyhow::Result<Vec<u8>> {
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    let mut flags = vec![format!("--remap-path-prefix={}=/workspace", workspace.display())];
    if let Ok(home) = home {
        flags.push(format!("--remap-path-prefix={home}=/cargo"));
    }
    let mut cargo = command::cargo();
    cargo.current_dir(workspace).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    cargo.args(["build", "--quiet", "--profile", "graft", "--package", "graft"]);
    command::output(cargo.args(["--target", "wasm32-unknown-unknown"]))?;
    let built = places::target().join("wasm32-unknown-unknown/graft/graft.wasm");
    std::fs::read(&built).with_context(|| format!("cargo did not build {}", built.display()))
}

/// Says whether the committed graft is what the source gives.
pub fn check(workspace: &Path) -> anyhow::Result<()> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        println!("  graft.wasm is not compared: only builds on x86_64 Linux give the same bytes");
        return Ok(());
    }
    let committed = std::fs::read(workspace.join("wasm-tracer/graft/graft.wasm"))?;
    if build(workspace)? != committed {
        bail!("wasm-tracer/graft/graft.wasm is not current: run `cargo xtask gen graft`");
    }
    Ok(())
}
