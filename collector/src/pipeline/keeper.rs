//! The thread that stores closed timelines, many at a time, and tends the store.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::WeakUnboundedSender;
use tracing::debug_span;

use super::Input;
use crate::clock::wall_millis;
use crate::export::own::TARGET;
use crate::health::{Health, Part, sentence};
use crate::metrics::Metrics;
use crate::store::{Row, Store};

/// Timelines stored together, at most, and how long the first of them waits.
const GROUP: usize = 4096;
const GATHER: Duration = Duration::from_millis(100);
/// How often a store that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How often slices and marks are tended.
const TEND: Duration = Duration::from_secs(30);

/// What the thread works with.
pub struct Keeper {
    /// Where timelines are stored.
    pub store: Arc<dyn Store>,
    /// Who waits to hear of it.
    pub pipeline: WeakUnboundedSender<Input>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What is wrong.
    pub health: Arc<Health>,
}

impl Keeper {
    /// Works until the pipeline is gone.
    pub fn run(self, rows: Receiver<Vec<Row>>) {
        let mut tended: Option<Instant> = None;
        loop {
            let gathered = gather(&rows);
            if tended.is_none_or(|at| at.elapsed() >= TEND) {
                self.tend();
                tended = Some(Instant::now());
            }
            match gathered {
                Ok(gathered) if gathered.is_empty() => {}
                Ok(gathered) => {
                    if !self.put(&gathered) {
                        return;
                    }
                }
                Err(()) => return,
            }
            self.metrics.store_size(self.store.size());
        }
    }

    /// Stores, trying until it works. False if the pipeline is gone: the journal has it all.
    fn put(&self, rows: &[Row]) -> bool {
        let begun = Instant::now();
        let _stage = debug_span!(target: TARGET, "store", timelines = rows.len()).entered();
        while let Err(error) = self.store.put(rows) {
            self.metrics.store_failures.inc();
            let wrong = sentence(&error);
            if self.health.note(Part::Slices, Some(wrong.clone())) {
                tracing::error!("{wrong}");
            }
            if self.pipeline.upgrade().is_none_or(|pipeline| pipeline.is_closed()) {
                return false;
            }
            std::thread::sleep(RETRY);
            self.tend();
        }
        if self.health.note(Part::Slices, None) {
            tracing::info!("timelines are stored again");
        }
        self.metrics.stage("store", begun.elapsed());
        let stored = rows.iter().map(|row| (row.timeline.id, row.timeline.revision)).collect();
        // The last rows of a stop come when the pipeline has gone; the next start finds them stored.
        if let Some(pipeline) = self.pipeline.upgrade() {
            let _ = pipeline.send(Input::Stored(stored));
        }
        true
    }

    fn tend(&self) {
        if let Err(error) = self.store.tend(wall_millis()) {
            tracing::warn!("{}", sentence(&error));
        }
    }
}

/// What comes within a moment; nothing when nothing comes.
fn gather(rows: &Receiver<Vec<Row>>) -> Result<Vec<Row>, ()> {
    let mut gathered = match rows.recv_timeout(TEND) {
        Ok(first) => first,
        Err(RecvTimeoutError::Timeout) => return Ok(Vec::new()),
        Err(RecvTimeoutError::Disconnected) => return Err(()),
    };
    let until = Instant::now() + GATHER;
    while gathered.len() < GROUP {
        match rows.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(more) => gathered.extend(more),
            Err(_) => break,
        }
    }
    Ok(gathered)
}
