//! One VM: takes deliveries in any order, gives timelines.

use std::sync::Arc;

use abi::Dialect;

use crate::delivery::{Delivery, Module, OpenInvocation, Root};
use crate::ids::{InstanceId, Micros};
use crate::timeline::{Gap, Update};

/// One VM and its timelines.
pub struct Instance {
    id: InstanceId,
}

/// What is known of an instance, for lists.
#[derive(Clone, Debug)]
pub struct InstanceStatus {
    /// The instance.
    pub id: InstanceId,
    /// What was instrumented.
    pub module: Arc<Module>,
    /// The plugins in it.
    pub roots: Vec<Arc<Root>>,
    /// Envoy's node id, empty if not readable.
    pub node: Arc<str>,
    /// Arrival of its last batch, on the collector's clock.
    pub last_heard: Micros,
    /// Up to here its events are complete but for the gaps, on its own clock.
    pub known_until: Micros,
    /// What was lost, most recent last; at most a hundred.
    pub gaps: Vec<Gap>,
    /// Timelines that still grow.
    pub open_timelines: usize,
    /// The rules it runs under, as far as known.
    pub dialect: Dialect,
    /// It said that no further batch follows.
    pub is_final: bool,
    /// Invocations that were open when it said that it was trapping.
    pub black_box: Vec<OpenInvocation>,
    /// Streams seen; 0: a canary or the main thread's VM.
    pub streams_seen: u64,
}

impl Instance {
    /// An instance of which nothing has arrived.
    pub fn new(id: InstanceId) -> Instance {
        Instance { id }
    }

    /// Its id.
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// Takes one batch. `arrived`: the collector's monotonic clock.
    pub fn deliver(&mut self, _delivery: Delivery, _arrived: Micros) -> Vec<Update> {
        Vec::new()
    }

    /// Lets time pass. `arrived`: the collector's monotonic clock.
    pub fn advance(&mut self, _arrived: Micros) -> Vec<Update> {
        Vec::new()
    }

    /// When to call [`Instance::advance`] next, on the collector's clock.
    pub fn next_deadline(&self) -> Option<Micros> {
        None
    }

    /// Closes the timeline that has been quiet longest; None if none is open.
    pub fn evict(&mut self) -> Option<Update> {
        None
    }

    /// Up to here its events are complete but for the gaps, on its own clock.
    pub fn known_until(&self) -> Micros {
        Micros(0)
    }

    /// What is known of it.
    pub fn status(&self) -> InstanceStatus {
        InstanceStatus {
            id: self.id,
            module: Arc::default(),
            roots: Vec::new(),
            node: Arc::from(""),
            last_heard: Micros(0),
            known_until: Micros(0),
            gaps: Vec::new(),
            open_timelines: 0,
            dialect: Dialect::from_tables(None, None),
            is_final: false,
            black_box: Vec::new(),
            streams_seen: 0,
        }
    }
}
