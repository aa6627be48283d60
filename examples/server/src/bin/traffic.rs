//! `traffic`: requests without end to proxies in front of `misbehave`, some of which end badly.

use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Requests without end to proxies in front of `misbehave`, some of which end badly
#[derive(Parser)]
struct Args {
    /// Proxies, each HOST:PORT
    #[arg(required = true)]
    proxies: Vec<String>,
    /// Milliseconds between two requests to a proxy
    #[arg(long, default_value_t = 500)]
    every_millis: u64,
}

/// Paths, one after the other: what the upstream does, and the callee of the plugin.
const PATHS: [&str; 6] = [
    "/patient?callee=after-20",
    "/early-400?callee=after-300,status-403",
    "/patient?callee=after-20,status-403",
    "/early-200?callee=after-300,status-403",
    "/patient?callee=after-100",
    "/patient?callee=refuse",
];
/// No answer is waited for longer.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let args = Args::parse();
    let every = Duration::from_millis(args.every_millis.max(1));
    for proxy in args.proxies {
        tokio::spawn(ask(proxy, every));
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// A proxy that cannot be reached is asked again: it may only be starting.
async fn ask(proxy: String, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    for path in PATHS.into_iter().cycle() {
        ticks.tick().await;
        let answer = tokio::time::timeout(PATIENCE, request(&proxy, path)).await;
        match answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {PATIENCE:?}"))) {
            Ok(status) => tracing::info!(proxy, path, status, "answered"),
            Err(error) => tracing::warn!(proxy, path, "{error:#}"),
        }
    }
}

/// Sends one request and answers its status. Head and body leave in one write: sent apart, an early
/// upstream can answer before the proxy has seen the body, and then the plugin makes no call.
async fn request(proxy: &str, path: &str) -> anyhow::Result<u16> {
    let body = "some text";
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\
         content-type: text/plain\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(proxy).await.context("cannot connect")?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.context("the connection ended without an answer")
}
