//! Shims: small functions between host, plugin and recorder. A shim notes, calls the original, notes;
//! no frame of the recorder is live while the plugin's code runs.

mod allocator;
mod callback;
mod hostcall;
mod start;
mod status;
mod trap;

use abi::Hostcall;
use abi::graft::exports;
use wasm_encoder::{BlockType, InstructionSink};

use crate::Refusal;
use crate::merge::{Joined, function};
use crate::plan::ExportPlan;

/// What the shims changed.
pub(crate) struct Shims {
    /// For each export of the plugin the function it now names, if it is one and has a shim.
    pub exports: Vec<Option<u32>>,
    /// Exports that the plugin did not have.
    pub added: Vec<(&'static str, u32)>,
    /// The start section's function, shimmed.
    pub start: Option<u32>,
    /// The function to call before `unreachable` in plugin code.
    pub trap: u32,
}

/// Adds all shims. Those of imports come first: whatever the plugin exports may lead to them.
pub(crate) fn add(joined: &mut Joined<'_, '_>, within: u32) -> Result<Shims, Refusal> {
    for index in 0..joined.plugin_imports() {
        joined.uses[index] = import(joined, index, within)?;
    }
    let plan = joined.plan;
    let mut shimmed = Vec::with_capacity(plan.exports.len());
    for (export, plan) in joined.plugin.exports.iter().zip(&plan.exports) {
        shimmed.push(match plan {
            ExportPlan::Keep => None,
            ExportPlan::Callback(callback) => {
                Some(callback::hooked(joined, *callback, export.index)?)
            }
            ExportPlan::Allocator => Some(allocator::hooked(joined, export.name, export.index)?),
            ExportPlan::Start => Some(start::guarded(joined, export.name, export.index)?),
        });
    }
    let mut added: Vec<(&'static str, u32)> = plan
        .added
        .iter()
        .map(|callback| (callback.row().export, callback::added(joined, *callback)))
        .collect();
    if plan.add_allocator {
        added.push((abi::ADDED_ALLOCATOR, allocator::added(joined)));
    }
    let start = match joined.plugin.start {
        Some(function) => Some(start::guarded(joined, "start section", function)?),
        None => None,
    };
    Ok(Shims { exports: shimmed, added, start, trap: trap::helper(joined) })
}

/// What a use of an imported function names from now on.
fn import(joined: &mut Joined<'_, '_>, index: usize, within: u32) -> Result<u32, Refusal> {
    let plan = joined.plan.imports[index];
    let ty = joined.plugin.imported_functions[index];
    let target = match joined.homes[index] {
        Some(home) => home,
        None => stub(joined, index, ty),
    };
    let Some(hostcall) = plan.hostcall.filter(|_| plan.hooked) else {
        return Ok(target);
    };
    Ok(match hostcall {
        Hostcall::SetTickPeriod => hostcall::set_tick_period(joined, target, ty),
        Hostcall::GetStatus => status::get_status(joined, target, ty, within),
        Hostcall::ProcExit => hostcall::proc_exit(joined, target, ty),
        _ => hostcall::recorded(joined, hostcall, target, ty),
    })
}

/// In place of an import that the host does not offer.
fn stub(joined: &mut Joined<'_, '_>, index: usize, ty: u32) -> u32 {
    let mut code = function(0);
    code.instructions().i32_const(abi::Status::Unimplemented.number() as i32).end();
    let name = joined.plugin.function_imports().nth(index).map_or("import", |import| import.name);
    joined.add(format!("wasm-tracer: stub of {name}"), ty, code)
}

/// Tells the recorder of a hostcall that has returned.
fn tell(
    joined: &Joined<'_, '_>,
    sink: &mut InstructionSink<'_>,
    hostcall: Hostcall,
    status: Option<u32>,
) {
    sink.i32_const(hostcall.number() as i32);
    match status {
        Some(local) => sink.local_get(local),
        None => sink.i32_const(0),
    };
    let row = hostcall.row();
    let mut parameter = 0;
    for param in row.params {
        for _ in 0..param.kind.width() {
            sink.local_get(parameter);
            if param.kind == abi::ParamKind::Long {
                sink.i32_wrap_i64();
            }
            parameter += 1;
        }
    }
    for _ in parameter as usize..crate::graft::HOSTCALL_PARAMS {
        sink.i32_const(0);
    }
    sink.call(joined.recorder(exports::HOSTCALL));
}

/// Opens a block that runs only where the host allows hostcalls.
fn unless_restricted(joined: &Joined<'_, '_>, sink: &mut InstructionSink<'_>) {
    sink.global_get(joined.globals.restricted).i32_eqz().if_(BlockType::Empty);
}
