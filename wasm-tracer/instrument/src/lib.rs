//! The instrumenter: module in, module out.
//!
//! The recorder is a wasm module with its own memory (the graft). It is merged into the plugin, and
//! its memory is lowered into the plugin's, at the end of it. Exports `proxy_on_*` become shims that
//! note entry and return; imports become shims at every use.
//!
//! ```text
//! before                                      after
//! (import "env" "proxy_log" (func $log …))    (import "env" "proxy_log" (func $log …))
//!                                             (import "env" "proxy_http_call" (func …)) the recorder's own
//! (memory 17)                                 (memory 21)
//! (func $body … call $log … unreachable)      (func $body … call $log_shim … call $trap unreachable)
//!                                             (func …) the recorder's, its loads and stores shifted
//!                                             (func $body_shim … enter … call $body … leave …)
//! (export "proxy_on_request_body" $body)      (export "proxy_on_request_body" $body_shim)
//! ```
//!
//! Not disturbed: the plugin's types, tables, globals, data, the instructions of its functions but
//! for indices of functions, `memory.grow`, `memory.size` and `unreachable`; its allocator, its
//! garbage collector, its stack; the numbers it returns.
//!
//! The path of a module: `module` (taken apart) → `plan` (what to do; may refuse) → `merge` (joined
//! index spaces) → `shims` → `assemble` (`body` for the plugin's code, `lower` for the recorder's) →
//! `validate`. `verify` runs it again and compares.

mod adaptor;
mod assemble;
mod body;
mod config;
mod customs;
mod difference;
mod differs;
mod graft;
mod helpers;
mod inspect;
mod lower;
mod merge;
mod module;
mod names;
mod options;
mod own;
mod plan;
mod refusal;
mod report;
mod rewrite;
mod sdk;
mod shims;
mod types;
mod validate;
mod verify;

pub use difference::{Difference, How};
pub use inspect::Inspection;
pub use options::Options;
pub use refusal::Refusal;
pub use report::{Report, Sizes};
pub use sdk::Sdk;
pub use verify::{Made, Mismatch};

/// The version of the instrumenter, written into every module it makes.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The recorder that is merged by [`instrument`].
pub const GRAFT: &[u8] = include_bytes!("../../graft/graft.wasm");

/// A rewritten plugin.
#[derive(Debug)]
pub struct Instrumented {
    /// The module.
    pub wasm: Vec<u8>,
    /// What was done.
    pub report: Report,
}

/// Rewrites a plugin so that it records itself.
pub fn instrument(plugin: &[u8], options: &Options) -> Result<Instrumented, Refusal> {
    rewrite::instrument(GRAFT, plugin, options)
}

/// The same with another recorder, for tests.
pub fn instrument_with(
    graft: &[u8],
    plugin: &[u8],
    options: &Options,
) -> Result<Instrumented, Refusal> {
    rewrite::instrument(graft, plugin, options)
}

/// Takes a module apart and puts it together again, with no hooks and no recorder: what the
/// instrumenter does to a module that it does nothing to.
pub fn identity(module: &[u8]) -> Result<Vec<u8>, Refusal> {
    rewrite::identity(module)
}

/// Says what a module is and what [`instrument`] would do to it.
pub fn inspect(plugin: &[u8]) -> Result<Inspection, Refusal> {
    inspect::inspect(GRAFT, plugin)
}

/// Proves that `traced` was made from `original` by this very build: the rewrite is done again, with
/// the options that `traced` says, and compared byte for byte.
pub fn verify(traced: &[u8], original: &[u8]) -> Result<Made, Mismatch> {
    verify::verify(GRAFT, traced, original)
}
