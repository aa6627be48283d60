//! A proxy-wasm host for tests: it runs plugins on wasmtime as stock Envoy and Higress run them
//! (host-semantics §1 and §2), on a virtual clock, with callees, upstreams and clients that follow a
//! script, and writes down every call that crosses the border.
//!
//! A test reads as a script: [`Vm::load`], [`Vm::start`], [`Vm::post`], [`Vm::run_millis`], [`Vm::log`].
//! [`compare`] runs one script on an original and on its instrumented copy and names the first
//! difference that the plugin, the client or a callee could have seen.

mod calls;
mod chaos;
mod clock;
mod engine;
mod export;
mod filter_manager;
mod grpc;
mod headers;
mod imports;
mod log;
mod memory;
mod program;
mod properties;
pub mod puppet;
mod redis;
mod script;
mod state;
mod stream;
mod tcp;
mod vm;

pub use calls::{Call, Callee, Manner};
pub use chaos::Chaos;
pub use clock::Nanos;
pub use engine::Dialect;
pub use grpc::Service;
pub use headers::Headers;
pub use log::{Line, Log, Value, What, Who};
pub use memory::{Digest, Growths, Watch};
pub use program::Program;
pub use redis::Redis;
pub use script::compare::{Comparison, compare, compare_programs};
pub use script::{Start, Upstream};
pub use state::{Failing, State};
pub use stream::{Answer, StreamId};
pub use tcp::Peer;
pub use vm::Vm;
