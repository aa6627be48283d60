//! The shim of `proxy_get_status`. The host keeps one status per root, and a failed call of the
//! recorder's overwrites it; then the plugin is answered from the one that the recorder saved, in
//! the way of proxy-wasm-cpp-host `src/exports.cc: get_status`: code, then a message that the plugin
//! allocates, then its address and size.

use abi::Hostcall;
use abi::graft::exports;
use wasm_encoder::{BlockType, InstructionSink, MemArg, MemArgTarget};

use super::allocator::call_restricted;
use super::tell;
use crate::merge::{Joined, function};

/// Bytes of a word.
const WORD: i32 = 4;

/// `(code, message, size) -> status`, all of them addresses where the host writes a word.
pub(super) fn get_status(joined: &mut Joined<'_, '_>, original: u32, ty: u32, within: u32) -> u32 {
    let (status, length, address, saved) = (3, 4, 5, 6);
    let mut code = function(4);
    let mut sink = code.instructions();
    // Inside the allocator only the host answers.
    sink.global_get(joined.globals.restricted).if_(BlockType::Empty);
    sink.local_get(0).local_get(1).local_get(2).call(original).return_().end();

    sink.call(joined.recorder(exports::GET_STATUS_SAVED)).local_tee(length);
    sink.i32_const(-1).i32_eq().if_(BlockType::Empty);
    sink.local_get(0).local_get(1).local_get(2).call(original).local_set(status);
    sink.else_();
    answer(joined, &mut sink, within, [status, length, address, saved]);
    sink.end();
    tell(joined, &mut sink, Hostcall::GetStatus, Some(status));
    sink.local_get(status).end();
    joined.add(format!("wasm-tracer: {}", Hostcall::GetStatus.row().import), ty, code)
}

fn answer(
    joined: &Joined<'_, '_>,
    sink: &mut InstructionSink<'_>,
    within: u32,
    [status, length, address, saved]: [u32; 4],
) {
    let word = MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(0), ordering: None };
    // Failed, unless all goes well: a bad address, or a message for which there is no room.
    sink.i32_const(abi::Status::InvalidMemoryAccess.number() as i32).local_set(status);
    sink.block(BlockType::Empty);
    // One address after the other, as the host does: what stood before a bad one is written.
    let check = |sink: &mut InstructionSink<'_>, parameter: u32| {
        sink.local_get(parameter).i32_const(WORD).call(within).i32_eqz().br_if(0);
    };
    check(sink, 0);
    sink.local_get(0).call(joined.recorder(exports::SAVED_STATUS_CODE)).i32_store(word);
    sink.local_get(length).if_(BlockType::Empty);
    match joined.plan.allocator(joined.plugin) {
        Some(allocator) => {
            let target = joined.uses[allocator.index as usize];
            sink.local_get(length);
            call_restricted(joined, sink, target, saved);
            sink.local_tee(address).i32_eqz().br_if(1);
            sink.local_get(address).call(joined.recorder(exports::SAVED_STATUS_COPY));
        }
        None => {
            sink.br(1);
        }
    }
    sink.end();
    check(sink, 1);
    sink.local_get(1).local_get(address).i32_store(word);
    check(sink, 2);
    sink.local_get(2).local_get(length).i32_store(word);
    sink.i32_const(abi::Status::Ok.number() as i32).local_set(status);
    sink.end();
}
