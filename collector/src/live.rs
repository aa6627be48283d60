//! The live stream: every change of a timeline, to whoever watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use timeline::timeline::Timeline;
use tokio::sync::broadcast;

/// Changes kept for a slow client; one that is slower misses some and is told so.
pub const BACKLOG: usize = 4096;

/// A change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Counts up, from the start of the process.
    pub number: u64,
    /// The timeline as it is now.
    pub timeline: Arc<Timeline>,
}

/// Sends changes to whoever watches.
#[derive(Clone)]
pub struct Live {
    sender: broadcast::Sender<Change>,
    number: Arc<AtomicU64>,
}

impl Live {
    /// Nobody watches yet.
    pub fn new() -> Live {
        Live { sender: broadcast::channel(BACKLOG).0, number: Arc::default() }
    }

    /// Sends a change.
    pub fn send(&self, timeline: &Arc<Timeline>) {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        if self.sender.receiver_count() > 0 {
            // The last watcher may have left just now.
            let _ = self.sender.send(Change { number, timeline: timeline.clone() });
        }
    }

    /// Watches from now on.
    pub fn watch(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }
}

impl Default for Live {
    fn default() -> Self {
        Live::new()
    }
}
