//! Header maps: which of them can be read when (`envoy Context::getMap`, host-semantics §1.1, §2.1).

use abi::{Hostcall, Status};
use wasmtime::Result;

use super::{Args, Guest};
use crate::{Headers, State};

const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const RESPONSE_TRAILERS: u32 = 3;
const GRPC_INITIAL_METADATA: u32 = 4;
const GRPC_TRAILING_METADATA: u32 = 5;
const CALL_HEADERS: u32 = 6;
const CALL_TRAILERS: u32 = 7;

pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    let map = args.int(0);
    let Some(readable) = readable(guest.state(), map) else { return Ok(Status::BadArgument) };
    Ok(match hostcall {
        Hostcall::GetHeaderMapPairs => {
            let pairs = readable.map(Headers::to_pairs).unwrap_or_default();
            guest.put_bytes(args.out_bytes(1), &pairs)?
        }
        Hostcall::GetHeaderMapValue => {
            let Some(headers) = readable else { return Ok(absent(guest.state())) };
            let value = headers.get(&args.text(1));
            let old = guest.state().version == abi::AbiVersion::V0_1_0;
            match value {
                Some(value) => guest.put_bytes(args.out_bytes(2), &value)?,
                None if old => guest.put_bytes(args.out_bytes(2), b"")?,
                None => Status::NotFound,
            }
        }
        Hostcall::GetHeaderMapSize => match readable {
            Some(headers) => {
                let size = headers.byte_size() as u32;
                guest.put_word(args.int(1), size)
            }
            None => Status::BadArgument,
        },
        _ => match writable(guest.state(), map) {
            Some(headers) => change(headers, hostcall, args),
            None => Status::BadArgument,
        },
    })
}

fn change(headers: &mut Headers, hostcall: Hostcall, args: &Args) -> Status {
    match hostcall {
        Hostcall::AddHeaderMapValue => headers.add(&args.text(1), args.bytes(2)),
        Hostcall::ReplaceHeaderMapValue => headers.replace(&args.text(1), args.bytes(2)),
        Hostcall::RemoveHeaderMapValue => headers.remove(&args.text(1)),
        _ => match Headers::from_pairs(args.bytes(1)) {
            Some(all) => *headers = all,
            None => return Status::BadArgument,
        },
    }
    Status::Ok
}

/// Reading a value of a map that is not there.
fn absent(state: &State) -> Status {
    match state.stream() {
        Some(stream) if stream.logging => Status::NotFound,
        _ => Status::BadArgument,
    }
}

/// The outer `None`: no such kind of map. The inner: not now.
fn readable(state: &State, map: u32) -> Option<Option<&Headers>> {
    let root = state.roots.get(&state.root_id());
    let answer = root.and_then(|root| root.answer.as_ref());
    let stream = state.stream();
    let logging = stream.is_some_and(|s| s.logging);
    Some(match map {
        REQUEST_HEADERS => stream
            .filter(|s| s.request.map_open || (logging && s.request.begun))
            .map(|s| &s.request.headers),
        REQUEST_TRAILERS => stream.filter(|s| s.request.trailers_open).map(|s| &s.request.trailers),
        RESPONSE_HEADERS => stream
            .filter(|s| s.response.map_open || (logging && s.response.begun))
            .map(|s| &s.response.headers),
        RESPONSE_TRAILERS => stream
            .filter(|s| s.response.trailers_open || (logging && s.response.has_trailers))
            .map(|s| &s.response.trailers),
        CALL_HEADERS => answer.map(|a| &a.headers),
        GRPC_INITIAL_METADATA | GRPC_TRAILING_METADATA => root.and_then(|r| r.metadata.as_ref()),
        CALL_TRAILERS => None,
        _ => return None,
    })
}

fn writable(state: &mut State, map: u32) -> Option<&mut Headers> {
    let context = state.context();
    let stream = state.streams.get_mut(&context)?;
    match map {
        REQUEST_HEADERS if stream.request.map_open => Some(&mut stream.request.headers),
        REQUEST_TRAILERS if stream.request.trailers_open => Some(&mut stream.request.trailers),
        RESPONSE_HEADERS if stream.response.map_open => Some(&mut stream.response.headers),
        RESPONSE_TRAILERS if stream.response.trailers_open => Some(&mut stream.response.trailers),
        _ => None,
    }
}
