//! `cargo xtask demo`: fetches and builds what the demo needs, then starts it. The demo itself is
//! `tests/e2e/src/bin/demo.rs`, on the harness of the scenarios: one process that owns all it starts.

use crate::{command, examples, places, setup};

/// Show the lost callback on a real Envoy, explained; serves the page until Ctrl-C
#[derive(clap::Args)]
pub struct Args {
    /// Exit instead of serving; with an error if a finding is missing or a wrong one appears
    #[arg(long)]
    once: bool,
}

/// Sets up, builds and runs the demo.
pub fn run(args: &Args) -> anyhow::Result<()> {
    println!("set-up");
    setup::ready(&[setup::Use::Envoy, setup::Use::Go])?;
    let artifacts = examples::build(examples::Which::RustAndGo)?;
    let envoy = setup::envoy()?;
    command::step("building collector and instrumenter (minutes the first time)", || {
        let mut cargo = command::cargo();
        cargo.args(["build", "--quiet", "--package", "e2e", "--package", "wasm-tracer"]);
        command::output(cargo.args(["--bin", "demo", "--bin", "wasm-tracer"]))
    })?;
    let mut demo = std::process::Command::new(places::target().join("debug/demo"));
    demo.env("ENVOY", envoy).env("WASM_TRACER_ARTIFACTS", artifacts);
    if args.once {
        demo.arg("--once");
    }
    command::become_it(&mut demo)
}
