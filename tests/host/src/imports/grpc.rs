//! gRPC (`cpp-host src/exports.cc: grpc_call …`, `envoy Context::grpcCall, grpcStream, grpcSend,
//! grpcClose, grpcCancel`). Calls and streams belong to the root context.

use abi::{CallKind, Hostcall, Status, call_kind};
use wasmtime::Result;

use super::{Args, Guest};
use crate::State;
use crate::clock::Due;
use crate::grpc::{GrpcCall, Service};
use crate::state::Deferred;

/// First ids: `include/proxy-wasm/wasm.h`, kind in the two low bits, steps of four.
const STEP: u32 = 4;

pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    Ok(match hostcall {
        Hostcall::GrpcCall => start(guest, args, false),
        Hostcall::GrpcStream => start(guest, args, true),
        Hostcall::GrpcSend => send(guest.state(), args),
        Hostcall::GrpcClose => end(guest.state(), args.int(0), false),
        _ => end(guest.state(), args.int(0), true),
    })
}

/// Writes the id only when all went well, unlike `http_call`.
fn start(guest: &mut Guest<'_>, args: &Args, is_stream: bool) -> Status {
    let state = guest.state();
    // A service is named by its cluster or by a GrpcService message; here only by its cluster.
    let Some(service) = state.services.get(&args.text(0)).cloned() else {
        return Status::ParseFailure;
    };
    let root = state.root_id();
    let kind = if is_stream { CallKind::GrpcStream } else { CallKind::GrpcCall } as usize;
    state.next_id[kind] += STEP;
    let id = state.next_id[kind];
    if !state.take_call() {
        return Status::InternalFailure;
    }
    if matches!(service, Service::NoHealthyHost) {
        state.after_call.push_back(Deferred::GrpcStep { root, id, step: GrpcCall::refused() });
        return Status::InternalFailure;
    }
    let (call, out) = match is_stream {
        true => (GrpcCall::stream(root, service), args.int(4)),
        false => (GrpcCall::call(root, service, args.int(5)), args.int(6)),
    };
    arm(state, id, &call);
    state.grpc.insert(id, call);
    guest.put_word(out, id)
}

fn arm(state: &mut State, id: u32, call: &GrpcCall) {
    if let Some((after, _)) = call.coming.front() {
        state.clock.arm_in_millis(*after, Due::Grpc(id));
    }
}

fn send(state: &mut State, args: &Args) -> Status {
    let id = args.int(0);
    if call_kind(id) != CallKind::GrpcStream {
        return Status::BadArgument;
    }
    let Some(mut call) = state.grpc.remove(&id) else { return Status::NotFound };
    let idle = call.coming.is_empty();
    call.sent(args.bytes(1), args.int(2) != 0);
    if idle && !call.remote_closed {
        arm(state, id, &call);
    }
    state.grpc.insert(id, call);
    Status::Ok
}

/// `grpc_close` and `grpc_cancel`: a call is cancelled by both; a stream is closed on this side, and goes
/// when the other side has closed too, or is reset. No callback follows a cancellation.
fn end(state: &mut State, id: u32, cancel: bool) -> Status {
    if !matches!(call_kind(id), CallKind::GrpcCall | CallKind::GrpcStream) {
        return Status::BadArgument;
    }
    let Some(call) = state.grpc.get_mut(&id) else { return Status::NotFound };
    if cancel || !call.is_stream || call.remote_closed {
        state.grpc.remove(&id);
        state.clock.disarm(Due::Grpc(id));
    } else {
        call.local_closed = true;
    }
    Status::Ok
}
