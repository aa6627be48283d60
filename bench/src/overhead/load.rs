//! A load generator: a fixed number of connections, each with one request out at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::http::Connection;

/// What is asked again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Get,
    /// With a small body.
    Post,
}

impl Request {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Get => {
                b"GET /measured?at=all HTTP/1.1\r\nhost: measured.example\r\n\
                  user-agent: bench\r\naccept: */*\r\n\r\n"
            }
            Self::Post => {
                b"POST /measured?at=all HTTP/1.1\r\nhost: measured.example\r\n\
                  user-agent: bench\r\naccept: */*\r\ncontent-type: text/plain\r\n\
                  content-length: 14\r\n\r\nfourteen bytes"
            }
        }
    }
}

/// A running load. It ends when it is dropped.
pub struct Load {
    answered: Arc<AtomicU64>,
    connections: JoinSet<anyhow::Result<()>>,
}

impl Load {
    /// Opens `connections` to `target` and starts.
    pub fn start(target: SocketAddr, connections: usize, request: Request) -> Self {
        let answered = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            tasks.spawn(ask_for_ever(target, request, Arc::clone(&answered)));
        }
        Self { answered, connections: tasks }
    }

    /// Requests answered with 200 so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends only when a connection fails or is answered with something else than 200.
    pub async fn failure(&mut self) -> anyhow::Error {
        match self.connections.join_next().await {
            Some(Ok(Err(error))) => error,
            _ => anyhow::anyhow!("the load ended by itself"),
        }
    }
}

async fn ask_for_ever(
    target: SocketAddr,
    request: Request,
    answered: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let stream = TcpStream::connect(target).await.context("cannot connect to the Envoy")?;
    let mut connection = Connection::new(stream)?;
    loop {
        connection.send(request.bytes()).await?;
        let answer = connection.receive().await?.context("the Envoy closed a connection")?;
        if !answer.head.starts_with("HTTP/1.1 200") {
            let line = answer.head.lines().next().unwrap_or_default();
            bail!("the Envoy answered \"{line}\" instead of 200");
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}
