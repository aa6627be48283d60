//! The domain: events in, timelines and findings out.
//!
//! Pure: no IO, no clock, no tokio. Malformed input gives a timeline and a list of defects, never an
//! error. Predicates get `now` and `known_until` as arguments (design: absence).

pub mod delivery;
pub mod event;
pub mod finding;
pub mod ids;
