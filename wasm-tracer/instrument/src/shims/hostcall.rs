//! Shims of the plugin's hostcalls: the original first, then the recorder is told what it was and
//! what it answered. Inside the allocator and the start functions only the original runs.

use abi::graft::exports;
use abi::{Hostcall, Record};
use wasm_encoder::BlockType;

use super::{tell, unless_restricted};
use crate::merge::{Joined, function};

/// A hostcall that the recorder hears of once it has returned.
pub(super) fn recorded(
    joined: &mut Joined<'_, '_>,
    hostcall: Hostcall,
    original: u32,
    ty: u32,
) -> u32 {
    let row = hostcall.row();
    let params = row.wasm_params() as u32;
    let status = row.result.then_some(params);
    let mut code = function(u32::from(row.result));
    let mut sink = code.instructions();
    for parameter in 0..params {
        sink.local_get(parameter);
    }
    sink.call(original);
    if let Some(status) = status {
        sink.local_set(status);
    }
    unless_restricted(joined, &mut sink);
    let short = status.filter(|_| hostcall.record() == Record::WhenTelling);
    if let Some(status) = short {
        let counted = joined.recorder(exports::COUNTED);
        sink.i32_const(hostcall.number() as i32).local_get(status).call(counted);
        sink.i32_eqz().if_(BlockType::Empty);
    }
    tell(joined, &mut sink, hostcall, status);
    if short.is_some() {
        sink.end();
    }
    sink.end();
    if let Some(status) = status {
        sink.local_get(status);
    }
    sink.end();
    joined.add(format!("wasm-tracer: {}", row.import), ty, code)
}

/// The host has one timer per root: the recorder shares it between the plugin and itself.
pub(super) fn set_tick_period(joined: &mut Joined<'_, '_>, original: u32, ty: u32) -> u32 {
    let mut code = function(0);
    code.instructions()
        .global_get(joined.globals.restricted)
        .if_(BlockType::Empty)
        .local_get(0)
        .call(original)
        .return_()
        .end()
        .local_get(0)
        .call(joined.recorder(exports::SET_TICK_PERIOD))
        .end();
    joined.add(format!("wasm-tracer: {}", Hostcall::SetTickPeriod.row().import), ty, code)
}

/// Flushes first: on some hosts it does not return. On Envoy it does, and is then recorded as any
/// other.
pub(super) fn proc_exit(joined: &mut Joined<'_, '_>, original: u32, ty: u32) -> u32 {
    let mut code = function(0);
    let mut sink = code.instructions();
    unless_restricted(joined, &mut sink);
    sink.local_get(0).call(joined.recorder(exports::EXITING)).end();
    sink.local_get(0).call(original);
    unless_restricted(joined, &mut sink);
    tell(joined, &mut sink, Hostcall::ProcExit, None);
    sink.end().end();
    joined.add(format!("wasm-tracer: {}", Hostcall::ProcExit.row().import), ty, code)
}
