//! `cargo xtask dist`: the files of a release in one folder, the same bytes from the same commit.

mod archive;
mod binary;
mod check;
mod sbom;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::{command, hash, places, setup};
use archive::Entry;
use binary::{Make, PLATFORMS, Platform};

/// Make the files of a release: static binaries, image context, bill of materials, checksums
#[derive(clap::Args)]
pub struct Args {
    /// Where they go; what an earlier run left there is replaced [default: target/dist]
    #[arg(long, value_name = "FOLDER", conflicts_with = "check")]
    out: Option<PathBuf>,
    /// Make them of unoptimized binaries, and see whether they are what they must be: for tests
    #[arg(long)]
    check: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    if args.check {
        return check();
    }
    prepare()?;
    let out = args.out.clone().unwrap_or_else(|| places::target().join("dist"));
    warn_of_changes()?;
    let release = Release::of_commit()?;
    let built = binary::build_all(Make::Release)?;
    release.write(&built, &out)?;
    for file in std::fs::read_dir(&out)? {
        let file = file?;
        println!("  {:>10}  {}", file.metadata()?.len(), file.path().display());
    }
    Ok(())
}

/// The whole way of a release in haste.
///
/// # Errors
/// When a file is not what it must be.
pub fn check() -> anyhow::Result<()> {
    prepare()?;
    check::run()
}

fn prepare() -> anyhow::Result<()> {
    setup::ready(&[setup::Use::Zig])?;
    setup::install(&PLATFORMS.map(|platform| platform.triple), &[])
}

/// What the commit says of a release.
pub struct Release {
    version: String,
    /// When the commit was made: the time of all that is in the files.
    seconds: u64,
    /// The same as people write it.
    time: String,
}

impl Release {
    /// # Errors
    /// When git or cargo cannot be asked.
    pub fn of_commit() -> anyhow::Result<Self> {
        let said = |format: &str| {
            let mut git = Command::new("git");
            git.current_dir(places::workspace()).env("TZ", "UTC");
            git.args(["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", format]);
            command::output(&mut git).context("git must say when the commit was made")
        };
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seconds: said("--format=%ct")?.trim().parse()?,
            time: said("--format=%cd")?.trim().to_owned(),
        })
    }

    /// Writes all files of the release into a folder of its own.
    ///
    /// # Errors
    /// When something cannot be read, run or written.
    pub fn write(&self, built: &[(Platform, PathBuf)], out: &Path) -> anyhow::Result<()> {
        if out.exists() {
            if !out.join(SUMS).is_file() && std::fs::read_dir(out)?.next().is_some() {
                bail!("{} holds something else: name another folder with --out", out.display());
            }
            std::fs::remove_dir_all(out)?;
        }
        std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        let name = format!("wasm-tracer-{}", self.version);
        let extras = extras(built)?;
        let mut image = vec![
            Entry::file("Dockerfile", read("deploy/Dockerfile.release")?),
            Entry::folder("data"),
        ];
        for (platform, path) in built {
            let bytes = std::fs::read(path)?;
            let folder = format!("{name}-{}", platform.triple);
            let mut entries = vec![Entry::program("wasm-tracer", bytes.clone())];
            for document in ["LICENSE", "README.md", "README.zh-CN.md", "CHANGELOG.md"] {
                entries.push(Entry::file(document, read(document)?));
            }
            entries.extend(extras.iter().cloned());
            let entries = entries.into_iter().map(|entry| entry.below(&folder)).collect();
            let packed = archive::tar_gz(entries, self.seconds)?;
            std::fs::write(out.join(format!("{folder}.tar.gz")), packed)?;
            image.push(Entry::program("wasm-tracer", bytes).below(platform.docker));
        }
        let packed = archive::tar_gz(image, self.seconds)?;
        std::fs::write(out.join(format!("{name}-image.tar.gz")), packed)?;
        let sbom = sbom::of_command(&self.version, &self.time)?;
        std::fs::write(out.join(format!("{name}.cdx.json")), sbom)?;
        write_sums(out)
    }
}

const SUMS: &str = "SHA256SUMS";

/// Completions and manual, as the binary that runs here writes them.
fn extras(built: &[(Platform, PathBuf)]) -> anyhow::Result<Vec<Entry>> {
    let runs_here = built.iter().find(|(platform, _)| platform.runs_here());
    let (_, binary) = runs_here.context("none of the binaries runs here")?;
    let mut entries = Vec::new();
    for (shell, file) in [
        ("bash", "wasm-tracer.bash"),
        ("zsh", "_wasm-tracer"),
        ("fish", "wasm-tracer.fish"),
        ("powershell", "_wasm-tracer.ps1"),
        ("elvish", "wasm-tracer.elv"),
    ] {
        let script = command::output(Command::new(binary).args(["completions", shell]))?;
        entries.push(Entry::file(file, script.into_bytes()).below("completions"));
    }
    let manual = places::target().join("xtask/man");
    let _ = std::fs::remove_dir_all(&manual);
    command::output(Command::new(binary).arg("man").arg(&manual))?;
    for page in std::fs::read_dir(&manual)? {
        let page = page?;
        let name = page.file_name().to_string_lossy().into_owned();
        entries.push(Entry::file(&name, std::fs::read(page.path())?).below("man/man1"));
    }
    Ok(entries)
}

fn read(path: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(places::workspace().join(path)).with_context(|| path.to_owned())
}

/// As `sha256sum` writes them and `sha256sum --check` reads them.
fn write_sums(folder: &Path) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let hash = hash::of_file(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        lines.push((name, hash));
    }
    lines.sort();
    let text: String = lines.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    Ok(std::fs::write(folder.join(SUMS), text)?)
}

fn warn_of_changes() -> anyhow::Result<()> {
    let mut git = Command::new("git");
    git.current_dir(places::workspace()).args(["status", "--porcelain"]);
    if !command::output(&mut git)?.is_empty() {
        println!("  there are changes that no commit holds: nobody else can make the same files");
    }
    Ok(())
}
