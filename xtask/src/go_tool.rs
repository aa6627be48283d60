//! Programs that are built from the Go module proxy: pinned by a go.mod and go.sum in `tests/tools`,
//! built once into the cache folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::{command, hash, places, setup};

/// The folder of a module of Go, fetched into Go's own cache: for what it holds beside code. The go.mod
/// and go.sum in `tests/tools/NAME` pin it.
///
/// # Errors
/// When it cannot be fetched.
pub fn module(name: &str, module: &str) -> anyhow::Result<PathBuf> {
    let mut download = Command::new(setup::go_of_tools()?);
    download.current_dir(places::workspace().join("tests/tools").join(name));
    download.env("GOTOOLCHAIN", "local").args(["mod", "download", "-json", module]);
    let said = command::output(&mut download)
        .with_context(|| format!("{module} cannot be fetched: check the network"))?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    Ok(PathBuf::from(said["Dir"].as_str().context("Go does not say where the module is")?))
}

/// A program in Go. `tests/tools/NAME` holds its go.mod and go.sum.
pub struct GoTool {
    /// As the program is called, and what names its folder.
    pub name: &'static str,
    /// Its package, in one of the modules of that go.mod.
    pub package: &'static str,
    /// What building it took on two cores with nothing in any cache, for the progress line.
    pub seconds: u32,
}

impl GoTool {
    /// The program, building it when it is not there yet.
    ///
    /// # Errors
    /// When it does not build, with what Go said.
    pub fn binary(&self) -> anyhow::Result<PathBuf> {
        let place = self.place()?;
        if place.is_file() {
            return Ok(place);
        }
        let folder = place.parent().context("the cache folder has no parent")?;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot write to the cache folder {}", folder.display()))?;
        let go = setup::go_of_tools()?;
        // Built beside its place and renamed, so that an interrupted run leaves no half of it.
        let work = folder.join(format!("{}.part", std::process::id()));
        let title = format!("building {} in Go (some {} s)", self.name, self.seconds);
        let built = command::step(&title, || {
            let mut build = Command::new(go);
            build.current_dir(self.source()).env("GOTOOLCHAIN", "local");
            build.args([
                "build",
                "-mod=readonly",
                "-buildvcs=false",
                "-trimpath",
                "-ldflags=-s -w",
                // Prometheus without the clients of every cloud; the others know no such tag.
                "-tags=remove_all_sd",
            ]);
            command::output(build.arg("-o").arg(&work).arg(self.package)).with_context(|| {
                format!("{} does not build: check the network (Go fetches its modules)", self.name)
            })
        });
        let placed = built.and_then(|_| Ok(std::fs::rename(&work, &place)?));
        if placed.is_err() {
            let _ = std::fs::remove_file(&work);
        }
        placed.map(|()| place)
    }

    /// By what it is made of, so that a changed pin is built anew.
    fn place(&self) -> anyhow::Result<PathBuf> {
        let source = self.source();
        let mut files = vec![source.join("go.mod"), source.join("go.sum")];
        // Most are built from a package as it is, and have no source here.
        files.extend(Some(source.join("main.go")).filter(|main| main.is_file()));
        let pin = hash::pin(&files)?;
        Ok(places::cache()?.join("go-tools").join(self.name).join(pin).join(self.name))
    }

    fn source(&self) -> PathBuf {
        places::workspace().join(Path::new("tests/tools")).join(self.name)
    }
}
