//! `misbehave`: an upstream and a callee whose requests say how they want to be treated.

use std::net::SocketAddr;

use clap::Parser;

/// An upstream and a callee that misbehave on request, by the header x-manner or the first segment
/// of the path
#[derive(Parser)]
struct Args {
    /// Address of the upstream: early-NNN, patient, close, silent
    #[arg(long, default_value = "127.0.0.1:8081")]
    upstream: SocketAddr,
    /// Address of the callee: after-NNN, status-NNN, refuse, reset, drip, never
    #[arg(long, default_value = "127.0.0.1:8082")]
    callee: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let args = Args::parse();
    let upstream = server::Upstream::start(args.upstream).await?;
    let callee = server::Callee::start(args.callee).await?;
    tracing::info!(upstream = %upstream.address(), callee = %callee.address(), "listening");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
