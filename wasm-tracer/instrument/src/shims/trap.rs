//! What plugin code calls before `unreachable`: the black box. One helper for all, so that each place
//! costs a call of some three bytes.

use abi::graft::exports;

use super::unless_restricted;
use crate::merge::{Joined, function};

/// Adds the helper.
pub(super) fn helper(joined: &mut Joined<'_, '_>) -> u32 {
    let mut code = function(0);
    let mut sink = code.instructions();
    unless_restricted(joined, &mut sink);
    sink.call(joined.recorder(exports::TRAP)).end().end();
    let ty = joined.types.words(0, 0);
    joined.add("wasm-tracer: before unreachable", ty, code)
}
