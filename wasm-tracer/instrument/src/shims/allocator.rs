//! Shims of the allocator. The host allocates through it whatever it hands over. While the recorder
//! is in a hostcall it is served from the recorder's arena, and the plugin's allocator sees nothing.

use abi::graft::exports;
use wasm_encoder::{BlockType, InstructionSink};

use crate::Refusal;
use crate::merge::{Joined, function};

/// The shim of the plugin's own allocator.
pub(super) fn hooked(
    joined: &mut Joined<'_, '_>,
    name: &str,
    original: u32,
) -> Result<u32, Refusal> {
    let ty = joined.plugin.type_of(original)?;
    let target = joined.uses[original as usize];
    let (size, local) = (0, 1);
    let mut code = function(1);
    let mut sink = code.instructions();
    from_arena(joined, &mut sink, local);
    sink.local_get(size);
    call_restricted(joined, &mut sink, target, local);
    sink.end();
    Ok(joined.add(format!("wasm-tracer: {name}"), ty, code))
}

/// An allocator for a plugin that has none. Envoy refuses such a plugin ("missing malloc function"); a
/// host that takes it treats 0 as it treats none.
pub(super) fn added(joined: &mut Joined<'_, '_>) -> u32 {
    let ty = joined.types.words(1, 1);
    let mut code = function(1);
    let mut sink = code.instructions();
    from_arena(joined, &mut sink, 1);
    sink.i32_const(0).end();
    joined.add(format!("wasm-tracer: {} (added)", abi::ADDED_ALLOCATOR), ty, code)
}

/// Returns from the arena, as an absolute address, if the recorder is in a hostcall; 0 stays 0.
fn from_arena(joined: &Joined<'_, '_>, sink: &mut InstructionSink<'_>, local: u32) {
    sink.global_get(joined.globals.in_recorder)
        .if_(BlockType::Empty)
        .local_get(0)
        .call(joined.recorder(exports::ARENA_ALLOC))
        .local_tee(local)
        .global_get(joined.globals.base)
        .i32_add()
        .i32_const(0)
        .local_get(local)
        .select()
        .return_()
        .end();
}

/// Calls, with its arguments pushed before, what the host would restrict; `saved` keeps what was.
/// Results stay on the stack.
pub(super) fn call_restricted(
    joined: &Joined<'_, '_>,
    sink: &mut InstructionSink<'_>,
    target: u32,
    saved: u32,
) {
    let restricted = joined.globals.restricted;
    sink.global_get(restricted).local_set(saved);
    sink.i32_const(1).global_set(restricted);
    sink.call(target);
    sink.local_get(saved).global_set(restricted);
}
