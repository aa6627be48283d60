//! `man FOLDER`: the manual, a page for each subcommand, from their own declaration.

use std::path::PathBuf;

use anyhow::{Context, Result};

#[derive(clap::Args)]
pub struct Args {
    /// Where the pages go; it is made if need be. `man -l FOLDER/wasm-tracer.1` shows the first
    folder: PathBuf,
}

pub fn run(args: &Args, command: clap::Command) -> Result<()> {
    let cannot = || format!("cannot write the manual into {}", args.folder.display());
    std::fs::create_dir_all(&args.folder).with_context(cannot)?;
    clap_mangen::generate_to(command, &args.folder).with_context(cannot)
}
