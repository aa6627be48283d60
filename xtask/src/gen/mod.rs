//! Generated files that are committed: written here, compared in the tests.

mod docs;
pub mod graft;
mod proto;

use clap::ValueEnum;

use crate::{command, places};

/// Write generated files
#[derive(clap::Args)]
pub struct Args {
    /// What to write; all of it when not given
    what: Vec<What>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// The wire's types and field numbers, from the .proto
    Proto,
    /// The recorder as a wasm module
    Graft,
    /// docs/diagnoses.md and the like, from the code
    Docs,
    /// The dashboards and rules in the Helm chart
    Chart,
}

/// Writes what was asked for.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let all = [What::Proto, What::Graft, What::Docs, What::Chart];
    for what in if args.what.is_empty() { &all[..] } else { &args.what } {
        match what {
            What::Proto => proto::write()?,
            What::Graft => write_graft()?,
            What::Docs => docs::write()?,
            What::Chart => docs::write_chart()?,
        }
    }
    Ok(())
}

fn write_graft() -> anyhow::Result<()> {
    crate::setup::targets()?;
    let place = places::workspace().join("wasm-tracer/graft/graft.wasm");
    let bytes = command::step("building the graft", || graft::build(&places::workspace()))?;
    std::fs::write(&place, &bytes)?;
    println!("  wasm-tracer/graft/graft.wasm: {} bytes", bytes.len());
    Ok(())
}
