//! An upstream and a callee that misbehave on request.
//!
//! Both speak HTTP/1.1 by hand over tokio's TCP, because what has to be shown is below what an HTTP
//! library allows: an answer before the body was read, a reset, a connection closed in the middle.
//! Each request says how it wants to be treated, so one running process shows every case:
//! see [`manner::UpstreamManner`] and [`manner::CalleeManner`].

mod callee;
mod http;
mod listening;
pub mod manner;
mod upstream;

pub use callee::Callee;
pub use upstream::Upstream;
