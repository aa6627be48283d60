//! Buffers: bodies while they pass, the body of an answered call, configurations.

use abi::{Hostcall, Status};
use wasmtime::Result;

use super::{Args, Guest};
use crate::{Dialect, State};

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const DOWNSTREAM_DATA: u32 = 2;
const UPSTREAM_DATA: u32 = 3;
const CALL_BODY: u32 = 4;
const GRPC_MESSAGE: u32 = 5;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_DATA: u32 = 8;
/// higress-group/proxy-wasm-cpp-host @913c1b0 include/proxy-wasm/proxy_wasm_common.h: WasmBufferType.
const REDIS_ANSWER: u32 = 9;

pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    if hostcall == Hostcall::GetConfiguration {
        let bytes = read(guest.state(), PLUGIN_CONFIGURATION).cloned().unwrap_or_default();
        return guest.put_bytes(args.out_bytes(0), &bytes);
    }
    let buffer = args.int(0);
    match hostcall {
        Hostcall::SetBufferBytes => Ok(set(guest.state(), buffer, args)),
        Hostcall::GetBufferStatus => {
            let Some(bytes) = read(guest.state(), buffer) else { return Ok(Status::NotFound) };
            let length = bytes.len() as u32;
            guest.put_word(args.int(1), length);
            Ok(guest.put_word(args.int(2), 0))
        }
        _ => {
            let (start, length) = (args.int(1) as usize, args.int(2) as usize);
            let Some(bytes) = read(guest.state(), buffer) else { return Ok(Status::NotFound) };
            let end = (start + length).min(bytes.len());
            let Some(part) = bytes.get(start.min(end)..end) else {
                return Ok(Status::BadArgument);
            };
            let part = part.to_vec();
            // Stock hosts write neither address nor size for an empty part. Higress writes 0 and 0:
            // higress-group/proxy-wasm-cpp-host @04ef279 src/exports.cc: get_buffer_bytes.
            if part.is_empty() && guest.state().dialect != Dialect::Higress {
                return Ok(Status::Ok);
            }
            guest.put_bytes(args.out_bytes(3), &part)
        }
    }
}

static NOTHING: Vec<u8> = Vec::new();

/// `None`: there is no such buffer. A body that is not passing reads as empty.
fn read(state: &State, buffer: u32) -> Option<&Vec<u8>> {
    let root = state.roots.get(&state.root_id());
    match buffer {
        REQUEST_BODY => Some(state.stream()?.request.body().unwrap_or(&NOTHING)),
        RESPONSE_BODY => Some(state.stream()?.response.body().unwrap_or(&NOTHING)),
        DOWNSTREAM_DATA => state.connections.get(&state.context()).map(|c| &c.downstream),
        UPSTREAM_DATA => state.connections.get(&state.context()).map(|c| &c.upstream),
        GRPC_MESSAGE | CALL_DATA | REDIS_ANSWER => root?.message.as_ref(),
        CALL_BODY => root?.answer.as_ref().map(|answer| &answer.body),
        VM_CONFIGURATION => root?.configuring.then_some(&NOTHING),
        PLUGIN_CONFIGURATION => root.filter(|r| r.configuring).map(|r| &r.configuration),
        _ => None,
    }
}

/// `cpp-host Buffer::copyFrom`: start 0 with length 0 prepends, with the whole length replaces,
/// start at the end appends.
fn set(state: &mut State, buffer: u32, args: &Args) -> Status {
    let (start, length, bytes) = (args.int(1) as usize, args.int(2) as usize, args.bytes(3));
    let context = state.context();
    let Some(stream) = state.streams.get_mut(&context) else { return Status::NotFound };
    let half = match buffer {
        REQUEST_BODY => &mut stream.request,
        RESPONSE_BODY => &mut stream.response,
        _ => return Status::NotFound,
    };
    let Some(body) = half.body_mut() else { return Status::BadArgument };
    if start == 0 {
        body.splice(..length.min(body.len()), bytes.iter().copied());
    } else if start >= body.len() {
        body.extend_from_slice(bytes);
    } else {
        return Status::BadArgument;
    }
    Status::Ok
}
