//! The server that requests are routed to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpStream;

use crate::http::Connection;
use crate::listening::Listening;
use crate::manner::UpstreamManner;

/// A running upstream; it ends when dropped.
pub struct Upstream {
    listening: Listening,
    requests: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts an upstream on `address`; port 0 takes any free one.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
        let listening =
            Listening::start(address, move |stream| serve(stream, Arc::clone(&counter))).await?;
        Ok(Self { listening, requests })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// How many requests have arrived (their headers, at least).
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, requests: Arc<AtomicU64>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(stream);
    while let Some(head) = connection.head().await? {
        requests.fetch_add(1, Ordering::Relaxed);
        let manner = UpstreamManner::of(&head);
        tracing::info!(path = head.path(), ?manner, "request");
        match manner {
            UpstreamManner::Early(status) => {
                // Answered before the body came. What follows on this connection is read and
                // dropped: closing with unread bytes would send a reset that can overtake the answer.
                connection.answer(status, "answered on the headers\n", true).await?;
                connection.body(&head).await?;
                return Ok(());
            }
            UpstreamManner::Patient => {
                let length = connection.body(&head).await?;
                let body = format!("read {length} bytes\n");
                connection.answer(200, &body, false).await?;
            }
            UpstreamManner::Close => return Ok(()),
            UpstreamManner::Silent => {
                connection.body(&head).await?;
                // Until the peer goes away.
                connection.head().await?;
                return Ok(());
            }
        }
    }
    Ok(())
}
