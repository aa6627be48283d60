//! Shims of what starts a module: `_initialize`, `_start`, `main` and the start section. While one
//! runs, hosts forbid nearly every hostcall and kill the VM for it, so the recorder keeps still.

use super::allocator::call_restricted;
use crate::Refusal;
use crate::merge::{Joined, function};

/// Runs a function of any type with `restricted` set.
pub(super) fn guarded(
    joined: &mut Joined<'_, '_>,
    name: &str,
    original: u32,
) -> Result<u32, Refusal> {
    let ty = joined.plugin.type_of(original)?;
    let params = joined.plugin.signature(ty)?.params().len() as u32;
    let target = joined.uses[original as usize];
    let mut code = function(1);
    let mut sink = code.instructions();
    for parameter in 0..params {
        sink.local_get(parameter);
    }
    call_restricted(joined, &mut sink, target, params);
    sink.end();
    Ok(joined.add(format!("wasm-tracer: {name}"), ty, code))
}
