//! What stands around an Envoy under measurement: upstream and callee that answer at once, a sink in
//! the collector's place, a black hole in the sink's.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use prost::Message as _;
use proto::v1::Batch;
use tokio::net::{TcpListener, TcpStream};

use super::http::Connection;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";
const ACCEPTED: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";

/// How a server treats a request.
#[derive(Clone)]
pub enum Manner {
    /// 200 at once, when the request is whole.
    Answer,
    /// As a collector: reads the batch, notes it in the ledger, 200.
    Collect(Arc<Ledger>),
    /// Takes the request and never answers.
    Swallow,
}

/// Serves on a free port until the runtime ends.
pub async fn serve(manner: Manner) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, manner.clone()));
        }
    });
    Ok(address)
}

/// Until the peer goes. A connection that breaks is the peer's business: the load counts answers.
async fn converse(stream: TcpStream, manner: Manner) -> std::io::Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(request) = connection.receive().await? {
        match &manner {
            Manner::Answer => connection.send(ANSWER).await?,
            Manner::Swallow => {}
            Manner::Collect(ledger) => {
                ledger.note(request.body);
                connection.send(ACCEPTED).await?;
            }
        }
    }
    Ok(())
}

/// What the sink received.
#[derive(Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    so_far: Received,
    /// Cumulative numbers of each instance: hostcalls of the recorder, events lost.
    instances: HashMap<Vec<u8>, (u64, u64)>,
}

/// Sums since the start.
#[derive(Clone, Copy, Default)]
pub struct Received {
    pub batches: u64,
    pub bytes: u64,
    pub events: u64,
    /// Hostcalls that the recorder made for itself.
    pub own_hostcalls: u64,
    /// Events that will never come.
    pub lost: u64,
    /// Batches that do not decode.
    pub broken: u64,
}

impl Ledger {
    fn note(&self, body: &[u8]) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(batch) = Batch::decode(body) else {
            entries.so_far.broken += 1;
            return;
        };
        entries.so_far.batches += 1;
        entries.so_far.bytes += body.len() as u64;
        entries.so_far.events += batch.events.len() as u64;
        let lost = batch.counters.map_or(0, |counters| counters.events_lost);
        entries.instances.insert(batch.instance, (batch.own_hostcalls, lost));
    }

    /// Everything received so far.
    pub fn so_far(&self) -> Received {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut received = entries.so_far;
        for (own_hostcalls, lost) in entries.instances.values() {
            received.own_hostcalls += own_hostcalls;
            received.lost += lost;
        }
        received
    }
}

impl Received {
    /// What came after `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            batches: self.batches - earlier.batches,
            bytes: self.bytes - earlier.bytes,
            events: self.events - earlier.events,
            own_hostcalls: self.own_hostcalls.saturating_sub(earlier.own_hostcalls),
            lost: self.lost.saturating_sub(earlier.lost),
            broken: self.broken - earlier.broken,
        }
    }
}
