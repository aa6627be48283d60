//! The thread that makes batches durable: what waits is committed together, then answered.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use timeline::delivery::Delivery;
use timeline::ids::{ContextId, Micros};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{Span, debug_span};

use crate::clock::{Clock, wall_millis};
use crate::decode::Decoded;
use crate::export::own::TARGET;
use crate::health::{Health, Part, sentence};
use crate::metrics::Metrics;
use crate::pipeline::{Arrived, Input};
use crate::store::{Appended, BatchId, Raw, Store, StoreError};

/// Most batches in one transaction.
const GROUP: usize = 256;

/// What the thread is asked for.
pub enum Command {
    /// Keep a batch.
    Append(Box<Arrival>),
    /// Let batches go whose timelines are stored.
    Forget(Vec<BatchId>),
}

/// A batch that waits to be kept.
pub struct Arrival {
    /// As it came.
    pub body: Bytes,
    /// Read.
    pub decoded: Decoded,
    /// Room for it, given back once it is folded.
    pub permit: OwnedSemaphorePermit,
    /// Its stages so far.
    pub span: Span,
    /// Where its sender waits.
    pub reply: oneshot::Sender<Result<Outcome, Arc<StoreError>>>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable now.
    Accepted,
    /// Durable before.
    Duplicate,
}

/// What the thread works with.
pub struct Committer {
    /// Where batches are kept.
    pub store: Arc<dyn Store>,
    /// When they arrive.
    pub clock: Clock,
    /// Where they go.
    pub pipeline: mpsc::UnboundedSender<Input>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What is wrong.
    pub health: Arc<Health>,
}

impl Committer {
    /// Works until all senders are gone.
    pub fn run(self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let (mut arrivals, mut forgotten) = (Vec::new(), Vec::new());
        while let Some(first) = commands.blocking_recv() {
            let mut next = Some(first);
            while let Some(command) = next.take() {
                match command {
                    Command::Append(arrival) => arrivals.push(*arrival),
                    Command::Forget(batches) => forgotten.extend(batches),
                }
                if arrivals.len() < GROUP {
                    next = commands.try_recv().ok();
                }
            }
            if !arrivals.is_empty() {
                self.append(std::mem::take(&mut arrivals));
            }
            if !forgotten.is_empty() {
                let batches = std::mem::take(&mut forgotten);
                match self.store.forget(&batches) {
                    Ok(()) => {
                        if self.health.note(Part::Settling, None) {
                            tracing::info!("batches leave the journal again");
                        }
                    }
                    Err(error) => {
                        self.failed(&error);
                        forgotten = batches;
                    }
                }
            }
        }
    }

    fn append(&self, arrivals: Vec<Arrival>) {
        let begun = Instant::now();
        let (arrived, wall_millis) = (self.clock.now(), wall_millis());
        let raws: Vec<_> = arrivals
            .iter()
            .map(|a| Raw {
                instance: a.decoded.delivery.instance,
                first: a.decoded.delivery.first_sequence,
                events: a.decoded.delivery.events.len() as u64,
                highest_context: highest_context(&a.decoded.delivery),
                arrived,
                wall_millis,
                bytes: &a.body,
            })
            .collect();
        // One transaction is a stage of each of its batches.
        let batches = raws.len();
        let within = |a: &Arrival| debug_span!(target: TARGET, parent: &a.span, "journal", batches);
        let spans: Vec<_> = arrivals.iter().map(within).collect();
        let appended = self.store.append(&raws);
        drop(spans);
        match appended {
            Ok(appended) => {
                self.metrics.stage("journal", begun.elapsed());
                if self.health.note(Part::Journal, None) {
                    tracing::info!("the journal takes batches again");
                }
                for (arrival, appended) in arrivals.into_iter().zip(appended) {
                    self.pass_on(arrival, appended, arrived);
                }
            }
            Err(error) => {
                self.failed(&error);
                let error = Arc::new(error);
                for arrival in arrivals {
                    // A sender that is gone tries again by itself.
                    let _ = arrival.reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn pass_on(&self, arrival: Arrival, appended: Appended, arrived: Micros) {
        let events = arrival.decoded.delivery.events.len() as u64;
        let outcome = match appended {
            Appended::New(id) => {
                self.metrics.events.inc_by(events);
                // The pipeline is gone only when the process ends; the journal has the batch.
                let _ = self.pipeline.send(Input::Batch(Box::new(Arrived {
                    id,
                    decoded: arrival.decoded,
                    span: arrival.span,
                    arrived,
                    permit: Some(arrival.permit),
                })));
                Outcome::Accepted
            }
            Appended::Duplicate => {
                self.metrics.duplicate_events.inc_by(events);
                Outcome::Duplicate
            }
        };
        let _ = arrival.reply.send(Ok(outcome));
    }

    fn failed(&self, error: &StoreError) {
        self.metrics.store_failures.inc();
        let wrong = sentence(error);
        let part = match error {
            StoreError::Unsettled { .. } => Part::Settling,
            _ => Part::Journal,
        };
        if self.health.note(part, Some(wrong.clone())) {
            tracing::error!("{wrong}");
        }
    }
}

fn highest_context(delivery: &Delivery) -> ContextId {
    delivery.events.iter().map(|event| event.context).max().unwrap_or_default()
}
