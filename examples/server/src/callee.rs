//! The server that answers dispatches.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::http::Connection;
use crate::listening::Listening;
use crate::manner::{Act, CalleeManner};

/// Bytes of a dripping body, and the time between two of them.
const DRIPS: usize = 10;
const DRIP_EVERY: Duration = Duration::from_millis(100);

/// A running callee; it ends when dropped.
pub struct Callee {
    listening: Listening,
    calls: Arc<AtomicU64>,
}

impl Callee {
    /// Starts a callee on `address`; port 0 takes any free one.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let calls = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&calls);
        let listening =
            Listening::start(address, move |stream| serve(stream, Arc::clone(&counter))).await?;
        Ok(Self { listening, calls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// How many calls have arrived.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, calls: Arc<AtomicU64>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(stream);
    while let Some(head) = connection.head().await? {
        calls.fetch_add(1, Ordering::Relaxed);
        let manner = CalleeManner::of(&head);
        tracing::info!(path = head.path(), ?manner, "call");
        connection.body(&head).await?;
        tokio::time::sleep(manner.after).await;
        match manner.act {
            Act::Answer(status) => connection.answer(status, "checked\n", false).await?,
            Act::Refuse => return Ok(()),
            Act::Reset => return reset(connection).await,
            Act::Drip => drip(&mut connection).await?,
            Act::Never => {
                // Until the peer goes away.
                connection.head().await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Half a response, then a TCP reset: with no linger the kernel discards and sends RST on close.
async fn reset(mut connection: Connection<TcpStream>) -> io::Result<()> {
    let half =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\nhalf a bo";
    connection.stream.write_all(half).await?;
    // A reset right behind the bytes would discard them in the receiver's buffer too.
    tokio::time::sleep(Duration::from_millis(20)).await;
    socket2::SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO))?;
    Ok(())
}

async fn drip(connection: &mut Connection<TcpStream>) -> io::Result<()> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {DRIPS}\r\n\r\n");
    connection.stream.write_all(head.as_bytes()).await?;
    for _ in 0..DRIPS {
        tokio::time::sleep(DRIP_EVERY).await;
        connection.stream.write_all(b".").await?;
    }
    Ok(())
}
