//! Passes on to the benchmarks, built for release.

use crate::{command, examples, setup};

/// Measure what we claim about speed
#[derive(clap::Args)]
pub struct Args {
    /// Which benchmark and its arguments; none lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the benchmarks with Envoy and the example plugins in place.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut bench = command::cargo();
    bench.args(["run", "--release", "--quiet", "--package", "bench", "--"]).args(&args.arguments);
    let name = args.arguments.first().map_or("", String::as_str);
    if name == "overhead" {
        setup::ready(&[setup::Use::Envoy, setup::Use::Go])?;
        bench.env("ENVOY", setup::envoy()?);
    }
    if name == "instrument" {
        setup::ready(&[setup::Use::HigressPlugins, setup::Use::Go])?;
        bench.env("WASM_TRACER_HIGRESS_PLUGINS", setup::higress_plugins()?);
    }
    if ["overhead", "instrument"].contains(&name) {
        bench.env("WASM_TRACER_ARTIFACTS", examples::build(examples::Which::RustAndGo)?);
    }
    command::shown(&mut bench)
}
