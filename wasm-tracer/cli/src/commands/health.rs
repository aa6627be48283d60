//! `health`: is the collector well? For probes: exit code and one sentence.

use std::io::Write;

use anyhow::Result;

use crate::client::Client;

#[derive(clap::Args)]
pub struct Args {
    /// Ask only whether it serves, not whether it can keep what it is sent: for a probe that restarts
    /// it, or takes its pages out of service
    #[arg(long)]
    serves: bool,
    #[command(flatten)]
    client: Client,
}

pub fn run(args: &Args) -> Result<()> {
    args.client.probe(if args.serves { "/readyz" } else { "/healthz" })?;
    let is = if args.serves { "serves" } else { "is well" };
    writeln!(std::io::stdout(), "the collector at {} {is}", args.client.url())?;
    Ok(())
}
