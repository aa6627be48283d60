//! The service: takes batches, keeps them, folds them to timelines, serves these.
//!
//! The rooms in the order in which data passes: config, ingest, decode, pipeline, store, live, api,
//! ui, metrics, export. [`start`] wires them.

mod api;
mod clock;
mod config;
pub mod decode;
mod export;
mod health;
mod ingest;
mod live;
mod logging;
mod metrics;
mod pipeline;
mod running;
pub mod store;
mod ui;

/// A timeline as JSON, and back.
pub mod json {
    pub use crate::api::recording::{BadJson, print, read};
}

pub use config::{
    BadSettings, Limits, Protocol, Retention, Sample, Settings, refuse_unknown_environment,
};
pub use running::{Running, StartError, run, start, start_on};
