//! Adaptors around the recorder's own hostcalls: they make its addresses absolute and say, by a
//! global, that the recorder is in a hostcall, so that the allocator serves it from its arena.

use crate::Refusal;
use crate::graft::Need;
use crate::helpers::Helpers;
use crate::merge::{Joined, function};

/// Adds an adaptor per hostcall that the graft imports; gives for each of its imports what its uses
/// name.
pub(crate) fn add(joined: &mut Joined<'_, '_>, helpers: &Helpers) -> Result<Vec<u32>, Refusal> {
    let graft = joined.graft;
    let mut uses = Vec::with_capacity(graft.needs.len());
    for (index, need) in graft.needs.iter().enumerate() {
        uses.push(match need {
            Need::Hostcall(hostcall) => hostcall_adaptor(joined, *hostcall, index)?,
            Need::Read => helpers.read,
            Need::Write => helpers.write,
            Need::Base => helpers.base,
            Need::Pages => helpers.pages,
            Need::PluginPages => helpers.plugin_pages,
        });
    }
    Ok(uses)
}

fn hostcall_adaptor(
    joined: &mut Joined<'_, '_>,
    hostcall: abi::Hostcall,
    import: usize,
) -> Result<u32, Refusal> {
    let graft_type = joined.graft.module.type_of(import as u32)?;
    let entry = joined.host_imports[import]
        .ok_or_else(|| Refusal::graft(format!("its import {import} has no entry of its own")))?;
    let (base, in_recorder) = (joined.globals.base, joined.globals.in_recorder);
    let row = hostcall.row();
    let mut code = function(0);
    let mut sink = code.instructions();
    sink.i32_const(1).global_set(in_recorder);
    for (parameter, is_address) in (0..).zip(row.pointers()) {
        sink.local_get(parameter);
        if is_address {
            sink.global_get(base).i32_add();
        }
    }
    sink.call(entry).i32_const(0).global_set(in_recorder).end();
    let ty = joined.types.of_graft(joined.graft.module.signature(graft_type)?)?;
    Ok(joined.add(format!("wasm-tracer: recorder's {}", row.import), ty, code))
}
