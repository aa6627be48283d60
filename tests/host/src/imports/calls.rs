//! Dispatches (`envoy Context::httpCall`, host-semantics §2.4). Calls belong to the root context.

use abi::{Hostcall, Status};
use wasmtime::Result;

use super::{Args, Guest};
use crate::calls::{Manner, outcome};
use crate::clock::Due;
use crate::{Call, Headers, State, Who};

pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    match hostcall {
        Hostcall::HttpCall => {
            let out = args.int(5);
            let by = guest.who;
            if !guest.write(out, &[0; 4]) {
                return Ok(Status::InvalidMemoryAccess);
            }
            let (status, id) = http_call(guest.state(), by, args);
            guest.put_word(out, id);
            Ok(status)
        }
        _ => Ok(resolve_dns(guest, args)),
    }
}

/// Every name is known, after a while (`envoy Wasm::resolveDns`); ids are of the kind of HTTP calls'.
fn resolve_dns(guest: &mut Guest<'_>, args: &Args) -> Status {
    let state = guest.state();
    if args.bytes(0).is_empty() || !state.take_call() {
        return Status::BadArgument;
    }
    state.next_id[0] += 4;
    let (root, id) = (state.root_id(), state.next_id[0]);
    state.clock.arm_in_millis(5, Due::Dns(root, id));
    guest.put_word(args.int(1), id)
}

fn http_call(state: &mut State, by: Who, args: &Args) -> (Status, u32) {
    let timeout_millis = args.int(4);
    let (Some(headers), Some(trailers)) =
        (Headers::from_pairs(args.bytes(1)), Headers::from_pairs(args.bytes(3)))
    else {
        return (Status::BadArgument, 0);
    };
    let cluster = args.text(0);
    let complete = [":path", ":method", ":authority"].iter().all(|n| headers.get(n).is_some());
    let known = state.callees.contains_key(&cluster);
    if (timeout_millis as i32) < 0 || !known || !complete {
        return (Status::BadArgument, 0);
    }
    let Some(manner) = state.callees.get_mut(&cluster).map(|callee| callee.next()) else {
        return (Status::BadArgument, 0);
    };
    let next = &mut state.next_call[by as usize];
    *next += 4;
    let mut id = *next;
    if by == Who::Recorder {
        id = crate::chaos::call_id(state, id);
    }
    let open = by == Who::Plugin && !state.take_call();
    if open || matches!(manner, Manner::NoHealthyHost) {
        return (Status::InternalFailure, 0);
    }
    let planned = outcome(manner, timeout_millis);
    if let Some((after, _)) = &planned {
        state.clock.arm_in_millis(*after, Due::Call(state.calls.len()));
    }
    let call = Call {
        id,
        root: state.root_id(),
        context: state.context(),
        by,
        cluster,
        headers,
        body: args.bytes(2).to_vec(),
        trailers,
        timeout_millis,
        at: state.clock.now(),
        answered: None,
        answer: planned.map(|(_, answer)| answer),
    };
    state.calls.push(call);
    (Status::Ok, id)
}
