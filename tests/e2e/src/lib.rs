//! The harness of the scenarios: real Envoys with given filters, servers with given manners, and a
//! collector, all on free loopback ports. Scenarios in `tests/` read as scripts; this is the only
//! place that knows how Envoy is configured, started and ended.

mod client;
mod collector;
pub mod corpus;
mod environment;
mod envoy;
mod envoy_config;
pub mod field;
pub mod gate;
mod guarded;
mod http;
mod lives;
mod marker;
mod plugin;
mod random;
pub mod soak;
mod stack;
mod wait;

pub use client::{Answer, Request};
pub use collector::{Collector, Finding, get as get_text, is_closed, metric};
pub use environment::{artifact, envoy, program, tracer};
pub use guarded::Guarded;
pub use http::{Received, read_request};
pub use lives::{Door, Entry, Lives, Said, Settings, Trace, send_to};
pub use plugin::{FailurePolicy, Mode, Plugin, Sdk};
pub use random::Random;
pub use stack::{Builder, Cluster, Filter, Stack};
pub use wait::{soon, until};
