//! `cargo xtask soak`: fetches and builds what the soak needs, then starts it. The soak itself is
//! `tests/e2e/src/bin/soak.rs`, on the harness of the scenarios.

use crate::{command, examples, places, setup};

/// Play the whole corpus at random through a real Envoy, and judge every timeline
#[derive(clap::Args)]
pub struct Args {
    /// `--minutes`, `--seed`, `--at-least`, `--loss`, `--vms`; `-- --help` says what they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Sets up, builds and runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    setup::ready(&[setup::Use::Envoy, setup::Use::Go, setup::Use::Zig])?;
    let artifacts = examples::build(examples::Which::All)?;
    let envoy = setup::envoy()?;
    command::step("building collector and soak (minutes the first time)", || {
        let mut cargo = command::cargo();
        cargo.args(["build", "--quiet", "--package", "e2e", "--package", "wasm-tracer"]);
        command::output(cargo.args(["--bin", "soak", "--bin", "wasm-tracer"]))
    })?;
    let mut soak = std::process::Command::new(places::target().join("debug/soak"));
    soak.env("ENVOY", envoy).env("WASM_TRACER_ARTIFACTS", artifacts).args(&args.arguments);
    command::become_it(&mut soak)
}
