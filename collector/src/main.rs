//! `collector`: the service alone, as tests start it.

use clap::Parser;
use collector::Settings;

#[derive(Parser)]
#[command(about = "Takes batches of recorders, shows timelines and what is wrong with them")]
struct Command {
    #[command(flatten)]
    settings: Settings,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let command = Command::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("WASM_TRACER_COLLECTOR_LOG")
        .unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    collector::run(command.settings).await
}
