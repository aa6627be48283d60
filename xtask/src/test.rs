//! `cargo xtask test`: the parts one after the other, each with its seconds; the last line sums the
//! tests of all binaries up.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};

use crate::{
    backend_tools, browser_tools, command, deploy_tools, dist, examples, r#gen, install, places,
    setup, tidy,
};

/// Run everything this project claims
#[derive(clap::Args)]
pub struct Args {
    /// Only what every day needs: fmt, clippy, tidy, generated files, unit tests, tests/host
    #[arg(long)]
    quick: bool,
}

/// Crates whose tests run without Envoy, Go or a wasm engine are "unit"; these are not among them.
const NOT_UNIT: [&str; 9] =
    ["host", "e2e", "deploy", "backends", "browser", "graft", "body-call", "misuse", "probe"];

/// What the parts so far have counted.
#[derive(Default)]
struct Report {
    passed: u64,
    failed: u64,
    broken: Vec<&'static str>,
}

/// Runs all parts, also after one has failed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let start = Instant::now();
    println!("set-up");
    setup::ready(if args.quick { &[] } else { &setup::ALL })?;
    setup::targets()?;
    // Go builds them for minutes: beside all that comes before they are used.
    let tools =
        (!args.quick).then(|| std::thread::spawn(|| (deploy_tools::all(), backend_tools::all())));
    let mut report = Report::default();
    report.part("fmt", |log| run_logged(command::cargo().args(["fmt", "--all", "--check"]), log));
    report.part("clippy", clippy);
    report.part("tidy", |_| tidy::run().map(|()| Counts::default()));
    report.part("generated", |_| {
        r#gen::graft::check(&places::workspace()).map(|()| Counts::default())
    });
    report.part("unit", |log| {
        let mut cargo = command::cargo();
        cargo.args(["test", "--workspace", "--no-fail-fast"]);
        for name in NOT_UNIT {
            cargo.args(["--exclude", name]);
        }
        if args.quick {
            // These need plugins from PyPI.
            cargo.args(["--", "--skip", "of_higress"]);
        } else {
            cargo.env("WASM_TRACER_HIGRESS_PLUGINS", setup::higress_plugins()?);
        }
        run_logged(&mut cargo, log)
    });
    let which = if args.quick { examples::Which::Rust } else { examples::Which::All };
    let mut artifacts = places::artifacts();
    report.part("examples", |_| {
        artifacts = examples::build(which)?;
        Ok(Counts::default())
    });
    report.part("host", |log| {
        let mut cargo = tests_of("host", &artifacts);
        if args.quick {
            // These need Go and plugins from PyPI.
            cargo.args(["--", "--skip", "higress_plugins", "--skip", "examples_instrumented"]);
            cargo.args(["--skip", "plugin_in_go"]);
        } else {
            cargo.env("WASM_TRACER_HIGRESS_PLUGINS", setup::higress_plugins()?);
        }
        run_logged(&mut cargo, log)
    });
    if !args.quick {
        report.part("e2e", |log| {
            let envoy = setup::envoy()?;
            // The scenarios use the command as users do.
            run_logged(command::cargo().args(["build", "--package", "wasm-tracer"]), log)?;
            let mut cargo = tests_of("e2e", &artifacts);
            cargo.env("ENVOY", envoy).envs(setup::older_envoys()?);
            run_logged(cargo.env("WASM_TRACER_HIGRESS_PLUGINS", setup::higress_plugins()?), log)
        });
    }
    if let Some(building) = tools {
        let mut backends = None;
        report.part("deploy", |log| {
            let built = building.join().map_err(|_| anyhow!("building the tools broke off"))?;
            backends = Some(built.1);
            let tools = built.0?;
            let mut build = command::cargo();
            build.args(["build", "--package", "wasm-tracer", "--package", "server"]);
            run_logged(&mut build, log)?;
            let mut cargo = tests_of("deploy", &artifacts);
            cargo.env("ENVOY", setup::envoy()?).envs(tools);
            run_logged(&mut cargo, log)
        });
        report.part("backends", |log| {
            let tools = backends.context("building the tools broke off")??;
            let mut cargo = tests_of("backends", &artifacts);
            run_logged(cargo.env("ENVOY", setup::envoy()?).envs(tools), log)
        });
    }
    if !args.quick {
        report.part("browser", |log| {
            let tools = browser_tools::all()?;
            run_logged(tests_of("browser", &artifacts).envs(tools), log)
        });
        report.part("install", |_| install::check().map(|()| Counts::default()));
        report.part("dist", |_| dist::check().map(|()| Counts::default()));
    }
    println!("all parts: {:.0} s", start.elapsed().as_secs_f32());
    if !report.broken.is_empty() {
        println!("failed: {}", report.broken.join(", "));
    }
    println!("{} passed, {} failed", report.passed, report.failed);
    if report.broken.is_empty() { Ok(()) } else { std::process::exit(1) }
}

fn tests_of(package: &str, artifacts: &Path) -> Command {
    let mut cargo = command::cargo();
    cargo.args(["test", "--no-fail-fast", "--package", package]);
    cargo.env("WASM_TRACER_ARTIFACTS", artifacts);
    cargo
}

/// Crates that would not even link elsewhere, with their target.
const WASM_ONLY: [(&str, &str); 4] = [
    ("graft", "wasm32-unknown-unknown"),
    ("body-call", "wasm32-wasip1"),
    ("misuse", "wasm32-wasip1"),
    ("probe", "wasm32-wasip1"),
];

/// Each crate for the machine it runs on.
fn clippy(log: &Path) -> anyhow::Result<Counts> {
    let mut host = command::cargo();
    host.args(["clippy", "--workspace"]);
    for (package, _) in WASM_ONLY {
        host.args(["--exclude", package]);
    }
    run_logged(host.args(["--all-targets", "--", "-D", "warnings"]), log)?;
    for (package, target) in WASM_ONLY {
        let mut wasm = command::cargo();
        wasm.args(["clippy", "--package", package, "--target", target, "--", "-D", "warnings"]);
        run_logged(&mut wasm, log)?;
    }
    Ok(Counts::default())
}

#[derive(Clone, Copy, Default)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl Report {
    fn part(&mut self, name: &'static str, work: impl FnOnce(&Path) -> anyhow::Result<Counts>) {
        println!("{name} …");
        let start = Instant::now();
        let done = log_place(name).and_then(|log| work(&log));
        let seconds = start.elapsed().as_secs_f32();
        let counts = match &done {
            Ok(counts) => *counts,
            Err(error) => {
                println!("{error:#}");
                error.downcast_ref::<Failed>().map_or(Counts::default(), |failed| failed.counts)
            }
        };
        self.passed += counts.passed;
        self.failed += counts.failed;
        let tests = match counts.passed + counts.failed {
            0 => String::new(),
            _ => format!(": {} passed, {} failed", counts.passed, counts.failed),
        };
        let end = if done.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<10} {seconds:>6.1} s  {end}{tests}");
        if done.is_err() {
            self.broken.push(name);
        }
    }
}

/// A command of a part failed; its output was printed.
#[derive(Debug)]
struct Failed {
    counts: Counts,
    log: PathBuf,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the whole output is in {}", self.log.display())
    }
}

impl std::error::Error for Failed {}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs a command with its output in `log`, counts the tests in it, and prints it when it failed.
fn run_logged(command: &mut Command, log: &Path) -> anyhow::Result<Counts> {
    let name = command.get_program().to_string_lossy().into_owned();
    let file = std::fs::File::create(log)?;
    let status = command
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .stderr(file.try_clone()?)
        .stdout(file)
        .status()
        .with_context(|| format!("{name} could not be started"))?;
    let text = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    let counts = count(&text);
    if !status.success() {
        println!("{}", what_failed(&text));
        bail!(Failed { counts, log: log.to_path_buf() });
    }
    Ok(counts)
}

fn log_place(part: &str) -> anyhow::Result<PathBuf> {
    let folder = places::target().join("xtask");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{part}.log")))
}

/// Sums up the lines `test result: ok. 3 passed; 1 failed; …`.
fn count(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines().filter(|line| line.starts_with("test result:")) {
        let number = |word: &str| {
            let before = line.split(word).next()?;
            before.split_whitespace().last()?.parse::<u64>().ok()
        };
        counts.passed += number(" passed").unwrap_or(0);
        counts.failed += number(" failed").unwrap_or(0);
    }
    counts
}

/// The output without the progress of cargo and without the tests that passed.
fn what_failed(output: &str) -> String {
    let progress = ["   Compiling", "    Checking", "     Running", " Downloading", "  Downloaded"];
    let dull = |line: &&str| {
        !(progress.iter().any(|start| line.starts_with(start))
            || line.starts_with("test ") && line.ends_with("... ok"))
    };
    output.lines().filter(dull).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{count, what_failed};

    const OUTPUT: &str = "   Compiling abi v0.1.0\n\
        test a ... ok\n\
        test b ... FAILED\n\
        test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n\
        test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured\n";

    #[test]
    fn results_of_all_binaries_are_summed_up() {
        let counts = count(OUTPUT);
        assert_eq!((counts.passed, counts.failed), (13, 1));
    }

    #[test]
    fn what_passed_is_not_repeated_when_something_failed() {
        let shown = what_failed(OUTPUT);
        assert!(shown.starts_with("test b ... FAILED"), "{shown}");
    }
}
