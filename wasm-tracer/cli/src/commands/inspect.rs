//! `inspect`: what a module is, and what instrumenting it would do.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

#[derive(clap::Args)]
pub struct Args {
    /// The compiled plugin
    plugin: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let module = super::instrument::read(&args.plugin)?;
    let inspection = instrument::inspect(&module)
        .with_context(|| format!("cannot inspect {}", args.plugin.display()))?;
    Ok(write!(std::io::stdout(), "{inspection}")?)
}
