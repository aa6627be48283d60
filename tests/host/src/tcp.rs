//! TCP streams: the network filter around one plugin (`envoy Context::onNewConnection, onData, onWrite,
//! onEvent, onCloseTCP`; names of the ends are those of proxy-wasm's `CloseType`).

use abi::Callback;

use crate::{StreamId, Vm};

/// Which peer closed, as the close callbacks say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Not known.
    Unknown = 0,
    /// This side.
    Local = 1,
    /// The other side.
    Remote = 2,
}

/// A TCP connection with its stream context.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    pub root: u32,
    /// Bytes from downstream and from upstream that the plugin can read or holds.
    pub downstream: Vec<u8>,
    pub upstream: Vec<u8>,
    /// The plugin stopped the bytes from downstream.
    pub held: bool,
    /// What went on, to the upstream and to the client.
    pub forwarded: Vec<u8>,
    pub answered: Vec<u8>,
    /// Its end has begun.
    pub closing: bool,
}

impl Vm {
    /// A client connects.
    pub fn connect(&mut self, root: u32) -> StreamId {
        let id = self.new_context();
        self.state().connections.insert(id, Connection { root, ..Connection::default() });
        self.callback(Callback::ContextCreate, &[id, root]);
        self.callback(Callback::NewConnection, &[id]);
        id
    }

    /// Bytes come from the client, and perhaps the end. Held bytes come again with the next ones.
    pub fn from_client(&mut self, id: StreamId, bytes: &str, end: bool) {
        let Some(connection) = self.state().connections.get_mut(&id) else { return };
        connection.downstream.extend(bytes.as_bytes());
        let size = connection.downstream.len() as u32;
        let action = self.callback(Callback::DownstreamData, &[id, size, u32::from(end)]);
        if let Some(connection) = self.state().connections.get_mut(&id) {
            connection.held = action == Some(1);
            if !connection.held {
                connection.forwarded.append(&mut connection.downstream);
            }
        }
    }

    /// Bytes come from the upstream. Its end is told as a close, since hosts see no other event of it.
    pub fn from_upstream(&mut self, id: StreamId, bytes: &str, end: bool) {
        let Some(connection) = self.state().connections.get_mut(&id) else { return };
        connection.upstream.extend(bytes.as_bytes());
        let size = connection.upstream.len() as u32;
        let action = self.callback(Callback::UpstreamData, &[id, size, u32::from(end)]);
        if let Some(connection) = self.state().connections.get_mut(&id)
            && action != Some(1)
        {
            connection.answered.append(&mut connection.upstream);
        }
        if end {
            self.callback(Callback::UpstreamConnectionClose, &[id, Peer::Unknown as u32]);
        }
    }

    /// The connection ends: the close, then done, log, delete.
    pub fn hang_up(&mut self, id: StreamId, peer: Peer) {
        let Some(connection) = self.state().connections.get_mut(&id) else { return };
        if !std::mem::replace(&mut connection.closing, true) {
            self.callback(Callback::DownstreamConnectionClose, &[id, peer as u32]);
            self.callback(Callback::Done, &[id]);
            self.callback(Callback::Log, &[id]);
            self.callback(Callback::Delete, &[id]);
            self.state().connections.remove(&id);
        }
    }

    /// `continueReading`.
    pub(crate) fn resume_reading(&mut self, id: StreamId) {
        if let Some(connection) = self.state().connections.get_mut(&id) {
            connection.held = false;
            connection.forwarded.append(&mut connection.downstream);
        }
    }
}
