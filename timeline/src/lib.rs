//! The domain: events in, timelines and findings out.
//!
//! Pure: no IO, no clock, no tokio. Malformed input gives a timeline and a list of defects, never an
//! error. Predicates get `now` and `known_until` as arguments (docs/adr/absence.md).

pub mod black_box;
mod calibrate;
pub mod calls;
pub mod codec;
mod correlate;
pub mod delivery;
pub mod diagnose;
pub mod event;
pub mod finding;
mod heartbeat;
pub mod hold;
pub mod ids;
pub mod instance;
mod kept;
pub mod memory;
mod numbers;
mod of_a_log;
pub mod registry;
pub mod request;
pub mod script;
mod story;
pub mod timeline;
pub mod trace;

pub use diagnose::{Diagnosis, Instant, diagnose};
pub use instance::{Instance, InstanceStatus};
pub use kept::{Folded, Kept};
pub use timeline::{Gap, Reason, Silence, State, Timeline, Update};
