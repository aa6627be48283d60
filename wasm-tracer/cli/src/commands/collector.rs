//! `collector`: the service itself.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use collector::Settings;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
}

pub fn run(args: Args) -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("WASM_TRACER_COLLECTOR_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Runtime::new().context("the machine gives no threads")?;
    runtime.block_on(collector::run(args.settings))
}
