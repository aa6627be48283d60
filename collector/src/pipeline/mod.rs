//! The one task that owns all timelines: batches and time in, updates out.
//!
//! Its inputs are a closed enum; nothing else touches the state, so there is no lock.

mod chains;
mod counts;
mod keeper;
mod known;
mod plugin;
mod state;
mod traffic;
mod vm;

use std::time::Duration;

use timeline::Kept;
use timeline::ids::{Micros, TimelineId};
use timeline::instance::InstanceStatus;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::decode::{Decoded, Fuse, SourceTotals};
use crate::store::{BatchId, Cursor, Query};

pub use keeper::Keeper;
pub use plugin::{PluginReport, PluginVm};
pub use state::{State, Wiring};
pub use traffic::TrafficReport;

/// How often batches are let go and bounds are looked at.
const SWEEP: Duration = Duration::from_millis(500);

/// What happens to the pipeline.
pub enum Input {
    /// A batch is durable.
    Batch(Box<Arrived>),
    /// Timelines are stored, in these revisions.
    Stored(Vec<(TimelineId, u32)>),
    /// Somebody wants to know.
    Ask(Question),
}

/// A durable batch.
pub struct Arrived {
    /// Its number in the journal.
    pub id: BatchId,
    /// What it says.
    pub decoded: Decoded,
    /// When it came.
    pub arrived: Micros,
    /// Its stages so far; none in a replay.
    pub span: tracing::Span,
    /// Room taken by it; None in a replay.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// Timelines and their places in lists. Who asked unfolds them: the task has others to serve.
pub type Placed = Vec<(Cursor, Kept)>;

/// What can be asked of timelines that are not stored yet.
pub enum Question {
    /// One of them.
    Timeline(TimelineId, oneshot::Sender<Option<Kept>>),
    /// Those that may match after a place, latest begun first; at most so many, unless the query looks
    /// inside them.
    List(Query, Option<Cursor>, usize, oneshot::Sender<Placed>),
    /// All instances.
    Instances(oneshot::Sender<Vec<Report>>),
    /// What came in the last minute.
    Traffic(oneshot::Sender<TrafficReport>),
    /// What the recorders of a plugin counted.
    Plugin(String, oneshot::Sender<PluginReport>),
}

/// An instance, and what its recorder says of itself.
pub struct Report {
    /// The instance.
    pub status: InstanceStatus,
    /// SHA-256 of the module that was instrumented; None: its recorder does not say.
    pub original: Option<[u8; 32]>,
    /// Why its recorder records nothing now; None: it does.
    pub fuse: Option<Fuse>,
    /// What its recorder counted; None: no count of it has come.
    pub at_source: Option<SourceTotals>,
}

/// Runs until all senders of inputs but the keeper's are gone.
pub async fn run(mut state: State, mut inputs: mpsc::UnboundedReceiver<Input>) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let deadline = state.next_deadline();
        // Time first: a flood of batches must not hold up what is due.
        tokio::select! {
            biased;
            _ = sweep.tick() => state.sweep(),
            () = until(deadline) => state.advance(),
            input = inputs.recv() => match input {
                Some(Input::Batch(arrived)) => state.batch(*arrived),
                Some(Input::Stored(stored)) => state.stored(&stored),
                Some(Input::Ask(question)) => state.answer(question),
                None => return,
            },
        }
    }
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
