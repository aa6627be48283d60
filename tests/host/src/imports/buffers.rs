//! Buffers: bodies while they pass, the body of an answered call, configurations.

use abi::{Hostcall, Status};
use wasmtime::Result;

use super::{Args, Guest};
use crate::State;

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CALL_BODY: u32 = 4;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;

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
            // Envoy writes neither address nor size for an empty part.
            if part.is_empty() {
                return Ok(Status::Ok);
            }
            let part = part.to_vec();
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
