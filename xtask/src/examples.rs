//! Builds the example plugins and puts them side by side.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::{command, places, setup};

/// Which plugins to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Only those in Rust: neither Go nor a C++ compiler is needed.
    Rust,
    /// No C++ compiler is needed.
    RustAndGo,
    All,
}

/// Builds the plugins and the probe, and answers the folder that holds them: `body-call-rust.wasm`,
/// `body-call-go.wasm`, `misuse-go.wasm`, `trap-cpp.wasm`, `misuse.wasm`, `probe.wasm`.
pub fn build(which: Which) -> anyhow::Result<PathBuf> {
    setup::targets()?;
    let artifacts = places::artifacts();
    std::fs::create_dir_all(&artifacts)?;
    command::step("building the Rust plugins", || {
        let mut cargo = command::cargo();
        cargo.args(["build", "--quiet", "--release", "--target", "wasm32-wasip1"]);
        for package in ["body-call", "misuse", "probe"] {
            cargo.args(["--package", package]);
        }
        command::output(&mut cargo)?;
        for (built, name) in
            [("body_call", "body-call-rust"), ("misuse", "misuse"), ("probe", "probe")]
        {
            let built = places::target().join(format!("wasm32-wasip1/release/{built}.wasm"));
            std::fs::copy(&built, artifacts.join(format!("{name}.wasm")))
                .with_context(|| format!("cargo did not build {}", built.display()))?;
        }
        Ok(())
    })?;
    if which == Which::All {
        build_cpp(&artifacts)?;
    }
    if which != Which::Rust {
        let go = setup::go()?;
        command::step("building the Go examples", || {
            for example in ["body-call", "misuse"] {
                let mut build = Command::new(&go);
                build.current_dir(places::workspace().join("examples/go").join(example));
                build.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOTOOLCHAIN", "local");
                build.args(["build", "-buildmode=c-shared", "-trimpath", "-o"]);
                let built = artifacts.join(format!("{example}-go.wasm"));
                command::output(build.arg(built).arg(".")).with_context(|| {
                    format!("examples/go/{example} does not build: check the network (Go fetches its modules)")
                })?;
            }
            Ok(())
        })?;
    }
    Ok(artifacts)
}

/// The plugin in C++, as wasi-sdk would build it.
fn build_cpp(artifacts: &Path) -> anyhow::Result<()> {
    let zig = setup::zig()?;
    command::step("building the C++ example", || {
        let cache = places::cache()?.join("zig-cache");
        let mut build = Command::new(zig);
        build.current_dir(places::workspace().join("examples/cpp/trap"));
        build.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
        build.args(["cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-Os", "-UNDEBUG"]);
        build.args([
            "-D_GNU_SOURCE",
            "-fno-exceptions",
            "-fno-rtti",
            "-Wall",
            "-Wextra",
            "-Werror",
        ]);
        build.args(["-Wl,--export=malloc", "-x", "c++", "trap.cc", "-o"]);
        command::output(build.arg(artifacts.join("trap-cpp.wasm")))?;
        Ok(())
    })
}
