//! Accepting connections until dropped.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A listener and its connections; all of them end when it is dropped.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Listening {
    /// Listens on `address` (port 0: any free one) and runs `serve` for each connection.
    pub(crate) async fn start<F, S>(address: SocketAddr, serve: S) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
        S: Fn(TcpStream) -> F + Send + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => {
                            let served = serve(stream);
                            connections.spawn(async move {
                                if let Err(error) = served.await {
                                    tracing::debug!(%error, "connection ended early");
                                }
                            });
                        }
                        Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, accepting })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
