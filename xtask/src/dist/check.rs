//! `cargo xtask dist --check`: the whole way of a release with unoptimized binaries, and whether what
//! comes out is what a user needs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use flate2::read::GzDecoder;

use super::binary::{self, Make, PLATFORMS};
use super::{Release, SUMS};
use crate::{command, places};

/// # Errors
/// When a binary does not build or run, or a file is not what it must be.
pub fn run() -> anyhow::Result<()> {
    let built = binary::build_all(Make::Hasty)?;
    let version = env!("CARGO_PKG_VERSION");
    for (platform, path) in &built {
        if platform.runs_here() {
            let said = command::output(Command::new(path).env_clear().arg("--version"))?;
            ensure!(said == format!("wasm-tracer {version}\n"), "its version is {said:?}");
        }
    }
    let folders = ["once", "again"].map(|name| places::target().join("xtask/dist").join(name));
    let release = Release::of_commit()?;
    for folder in &folders {
        release.write(&built, folder)?;
    }
    let [files, again] = [read_all(&folders[0])?, read_all(&folders[1])?];
    ensure!(files == again, "the same binaries gave other files the second time");
    check_sums(&folders[0], files.keys())?;
    let name = format!("wasm-tracer-{version}");
    let file = |end: &str| {
        let path = format!("{name}{end}");
        files.get(&path).with_context(|| format!("there is no {path}"))
    };
    for platform in PLATFORMS {
        let triple = platform.triple;
        check_archive(file(&format!("-{triple}.tar.gz"))?, &format!("{name}-{triple}/"))
            .with_context(|| format!("the archive for {triple}"))?;
    }
    check_image(file("-image.tar.gz")?).context("the context of the image")?;
    let sbom: serde_json::Value = serde_json::from_slice(file(".cdx.json")?)?;
    ensure!(sbom["bomFormat"] == "CycloneDX", "{name}.cdx.json is no bill of materials");
    println!("  {} files, twice the same", files.len());
    Ok(())
}

fn read_all(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        files.insert(file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path())?);
    }
    Ok(files)
}

/// With the program that users have for it.
fn check_sums<'a>(folder: &Path, files: impl Iterator<Item = &'a String>) -> anyhow::Result<()> {
    let mut sums = Command::new("sha256sum");
    sums.current_dir(folder).args(["--check", "--strict", SUMS]);
    let said = command::output(&mut sums)?;
    let ok: BTreeSet<_> = said.lines().filter_map(|line| line.strip_suffix(": OK")).collect();
    let all: BTreeSet<_> = files.map(String::as_str).filter(|name| *name != SUMS).collect();
    ensure!(ok == all, "{SUMS} speaks of {ok:?}, and there are {all:?}");
    Ok(())
}

/// Something in an archive; a folder has no bytes.
struct Packed {
    mode: u32,
    bytes: Vec<u8>,
}

/// What is in an archive, by its path.
fn contents(packed: &[u8]) -> anyhow::Result<BTreeMap<String, Packed>> {
    let mut contents = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(packed)).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        contents.insert(path, Packed { mode: entry.header().mode()?, bytes });
    }
    Ok(contents)
}

/// A binary, the documents, completions and a page of the manual for each subcommand, in one folder.
fn check_archive(packed: &[u8], folder: &str) -> anyhow::Result<()> {
    let contents = contents(packed)?;
    let is_program = |path: &str| contents.get(path).is_some_and(|packed| packed.mode == 0o755);
    ensure!(is_program(&format!("{folder}wasm-tracer")), "it has no program");
    let wanted = [
        "LICENSE",
        "README.md",
        "README.zh-CN.md",
        "CHANGELOG.md",
        "completions/wasm-tracer.bash",
        "completions/_wasm-tracer",
        "completions/wasm-tracer.fish",
        "completions/_wasm-tracer.ps1",
        "man/man1/wasm-tracer.1",
        "man/man1/wasm-tracer-instrument.1",
        "man/man1/wasm-tracer-collector.1",
    ];
    for file in wanted {
        let found = contents.get(&format!("{folder}{file}"));
        ensure!(found.is_some_and(|packed| !packed.bytes.is_empty()), "{file} is not there");
    }
    match contents.keys().find(|path| !path.starts_with(folder)) {
        Some(other) => bail!("{other} would be unpacked beside the folder"),
        None => Ok(()),
    }
}

/// All that the Dockerfile copies is there, for every platform.
fn check_image(packed: &[u8]) -> anyhow::Result<()> {
    let contents = contents(packed)?;
    let dockerfile = contents.get("Dockerfile").context("it has no Dockerfile")?;
    let dockerfile = String::from_utf8_lossy(&dockerfile.bytes);
    let mut copied = BTreeSet::from(["Dockerfile".to_owned()]);
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let from = line.split_whitespace().find(|word| !word.starts_with("--")).unwrap_or_default();
        copied.extend(PLATFORMS.map(|platform| from.replace("${TARGETARCH}", platform.docker)));
    }
    let there: BTreeSet<_> =
        contents.keys().map(|path| path.trim_end_matches('/').to_owned()).collect();
    ensure!(copied == there, "it holds {there:?}, and {copied:?} are used");
    Ok(())
}
