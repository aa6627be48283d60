//! What the tests in a browser need, each with the variable by which they know it: Chromium of this
//! machine or of Debian's packages, Node, and the npm packages that `tests/browser/package-lock.json` pins.

use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use crate::command;
use crate::npm::{Node, on_path};

/// As its packages are called on Debian, Ubuntu and Fedora, and by its maker.
const CHROMIUMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const NO_CHROMIUM: &str = "no Chromium was found and apt-get could not install one: install it \
    (Debian: apt install chromium), or set CHROMIUM=/path/to/chromium";

/// All of them, installing what is not there yet.
///
/// # Errors
/// When something is missing and cannot be had: one sentence that says what to install.
pub fn all() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let node = Node::found()?;
    let modules = node.packages("tests/browser")?;
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
