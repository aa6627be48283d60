//! One HTTP stream as the host holds it: two halves, each with its hold state (host-semantics §1.4),
//! and what the client got.

use abi::Direction;

use crate::Headers;
use crate::script::Upstream;

/// A stream context's id.
pub type StreamId = u32;

/// What the client got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Response headers; empty if none came.
    pub headers: Headers,
    /// Response body.
    pub body: Vec<u8>,
    /// Response trailers.
    pub trailers: Headers,
    /// The response came to its end.
    pub complete: bool,
    /// The host reset the stream.
    pub reset: bool,
    /// The client went away.
    pub client_left: bool,
}

impl Answer {
    /// The status, 0 if none came.
    pub fn status(&self) -> u32 {
        self.headers.text(":status").and_then(|s| s.parse().ok()).unwrap_or(0)
    }
}

/// The filter's state in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Everything goes on.
    #[default]
    Open,
    /// Stopped, body and trailers phases are still called.
    Single,
    /// Stopped, nothing is called.
    All,
}

/// What `get_buffer_bytes` reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum View {
    #[default]
    Nothing,
    /// The piece that is passing.
    Piece,
    /// What has been kept.
    Kept,
}

/// One direction of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Half {
    pub headers: Headers,
    pub trailers: Headers,
    /// Headers have come in.
    pub begun: bool,
    pub has_trailers: bool,
    /// The end has come in.
    pub end_seen: bool,
    /// The filter has been told of the end.
    pub end_told: bool,
    pub hold: Hold,
    pub headers_forwarded: bool,
    pub trailers_forwarded: bool,
    /// After StopAll the kept body is given to this filter too.
    pub from_current: bool,
    /// The plugin answered StopIterationAndBuffer: the next piece comes with all that was kept.
    pub buffering: bool,
    pub kept: Option<Vec<u8>>,
    pub piece: Vec<u8>,
    pub view: View,
    /// The header map can be read.
    pub map_open: bool,
    pub trailers_open: bool,
    /// What went on to the other side.
    pub forwarded_body: Vec<u8>,
    pub forwarded_end: bool,
}

impl Half {
    /// Keeps a piece of body.
    pub fn keep(&mut self, piece: Vec<u8>) {
        self.kept.get_or_insert_default().extend(piece);
    }

    /// The body the plugin can read now.
    pub fn body(&self) -> Option<&Vec<u8>> {
        match self.view {
            View::Nothing => None,
            View::Piece => Some(&self.piece),
            View::Kept => self.kept.as_ref(),
        }
    }

    /// The same, to change it.
    pub fn body_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self.view {
            View::Nothing => None,
            View::Piece => Some(&mut self.piece),
            View::Kept => self.kept.as_mut(),
        }
    }
}

/// A stream context.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub root: u32,
    pub request: Half,
    pub response: Half,
    pub upstream: Upstream,
    pub started: u64,
    pub upstream_pending: bool,
    /// No further request phase: a local response was sent or the response is complete.
    pub request_dead: bool,
    /// The plugin asked for one.
    pub local_response_asked: bool,
    pub local_response_sent: bool,
    /// on_log has begun, or all after it: nothing can end it again.
    pub ended: bool,
    /// `on_log` runs: complete header maps can be read.
    pub logging: bool,
    pub details: Option<String>,
    pub flags: u64,
    pub answer: Answer,
}

impl Stream {
    pub fn half_mut(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}
