//! Shims of callbacks:
//!
//! ```text
//! proxy_on_request_body(context, size, end):
//!   if !enter(kind, context, size, end, 0, 0) { return 0 }
//!   result = original(context, size, end)
//!   leave(kind, context, result)
//!   result
//! ```
//!
//! Hosts never call back inside the allocator or a start function, so nothing is asked here.

use abi::graft::{ABSENT, exports};
use abi::{Callback, Returns};
use wasm_encoder::{BlockType, Function};

use crate::Refusal;
use crate::merge::{Joined, function};

/// Parameters after the context that `enter` takes.
const ENTER_ARGUMENTS: u32 = 4;

/// The shim of a callback that the plugin has.
pub(super) fn hooked(
    joined: &mut Joined<'_, '_>,
    callback: Callback,
    original: u32,
) -> Result<u32, Refusal> {
    let ty = joined.plugin.type_of(original)?;
    let params = joined.plugin.signature(ty)?.params().len() as u32;
    // Exported again, an imported function may have a shim of its own.
    let target = joined.uses[original as usize];
    let code = shim(joined, callback, params, Some(target));
    Ok(joined.add(format!("wasm-tracer: {}", callback.row().export), ty, code))
}

/// A callback that the plugin lacks.
pub(super) fn added(joined: &mut Joined<'_, '_>, callback: Callback) -> u32 {
    let row = callback.row();
    let params = callback.param_count(joined.plan.abi);
    let ty = joined.types.words(params, usize::from(row.returns != Returns::Nothing));
    let code = shim(joined, callback, params as u32, None);
    joined.add(format!("wasm-tracer: {} (added)", row.export), ty, code)
}

fn shim(
    joined: &Joined<'_, '_>,
    callback: Callback,
    params: u32,
    original: Option<u32>,
) -> Function {
    let returns = callback.row().returns;
    // What a host takes an absent export for; for a callback that the recorder kept for itself.
    let default = i32::from(returns == Returns::Bool);
    let absent = if original.is_none() { ABSENT } else { 0 };
    let kind = (callback.number() | absent) as i32;
    let (context, result) = (0, params);
    let tick_end = (callback == Callback::Tick).then(|| joined.recorder(exports::TICK_END));

    let mut code = function(u32::from(returns != Returns::Nothing));
    let mut sink = code.instructions();
    sink.i32_const(kind).local_get(context);
    for argument in 1..=ENTER_ARGUMENTS {
        match argument < params {
            true => sink.local_get(argument),
            false => sink.i32_const(0),
        };
    }
    sink.call(joined.recorder(exports::ENTER)).i32_eqz().if_(BlockType::Empty);
    if let Some(tick_end) = tick_end {
        sink.local_get(context).call(tick_end);
    }
    if returns != Returns::Nothing {
        sink.i32_const(default);
    }
    sink.return_().end();

    if let Some(original) = original {
        for parameter in 0..params {
            sink.local_get(parameter);
        }
        sink.call(original);
    } else if returns != Returns::Nothing {
        sink.i32_const(default);
    }
    if returns != Returns::Nothing {
        sink.local_set(result);
    }
    sink.i32_const(kind).local_get(context);
    match returns {
        Returns::Nothing => sink.i32_const(0),
        _ => sink.local_get(result),
    };
    sink.call(joined.recorder(exports::LEAVE));
    if let Some(tick_end) = tick_end {
        sink.local_get(context).call(tick_end);
    }
    if returns != Returns::Nothing {
        sink.local_get(result);
    }
    sink.end();
    code
}
