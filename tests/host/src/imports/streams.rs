//! Resume, close, local response, effective context: what they ask for is done when the VM call has
//! returned (`envoy Context::continueStream`, `sendLocalResponse`).

use abi::{Direction, Hostcall, Status, StreamSide};
use wasmtime::Result;

use super::{Args, Guest};
use crate::state::Deferred;
use crate::{Dialect, Headers, State};

pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    let state = guest.state();
    Ok(match hostcall {
        Hostcall::ContinueStream => resume(state, StreamSide::from_number(args.int(0))),
        Hostcall::ContinueRequest => resume(state, Some(StreamSide::Request)),
        Hostcall::ContinueResponse => resume(state, Some(StreamSide::Response)),
        Hostcall::CloseStream => {
            let context = state.context();
            match StreamSide::from_number(args.int(0)) {
                Some(StreamSide::Downstream | StreamSide::Upstream)
                    if state.connections.contains_key(&context) =>
                {
                    state.after_call.push_back(Deferred::CloseConnection(context));
                    Status::Ok
                }
                Some(StreamSide::Request | StreamSide::Response)
                    if state.streams.contains_key(&context) =>
                {
                    state.after_call.push_back(Deferred::Close(context));
                    Status::Ok
                }
                Some(_) => Status::Ok,
                None => Status::BadArgument,
            }
        }
        Hostcall::SendLocalResponse => local_response(state, args),
        Hostcall::SetEffectiveContext => {
            let context = args.int(0);
            if state.knows(context) {
                state.effective = context;
                Status::Ok
            } else {
                Status::BadArgument
            }
        }
        Hostcall::ClearRouteCache => Status::Ok,
        Hostcall::InjectEncodedData => inject(state, args),
        Hostcall::GetUpstreamHosts => {
            // higress-group/proxy-wasm-cpp-host @04ef279 src/exports.cc: get_upstream_hosts.
            let pairs = state.upstream_hosts.to_pairs();
            return guest.put_bytes(args.out_bytes(0), &pairs);
        }
        // Answers Ok whatever comes of it: the same file, set_upstream_override_host.
        Hostcall::SetUpstreamOverrideHost => Status::Ok,
        _ => Status::Unimplemented,
    })
}

/// Answers Ok also where there is nothing to resume.
fn resume(state: &mut State, side: Option<StreamSide>) -> Status {
    let direction = match side {
        Some(StreamSide::Request) => Direction::Request,
        Some(StreamSide::Response) => Direction::Response,
        Some(StreamSide::Downstream) => {
            let context = state.context();
            if state.connections.contains_key(&context) {
                state.after_call.push_back(Deferred::ResumeReading(context));
            }
            return Status::Ok;
        }
        Some(StreamSide::Upstream) => return Status::Unimplemented,
        None => return Status::BadArgument,
    };
    let context = state.context();
    if let Some(stream) = state.streams.get_mut(&context) {
        // Envoy forgets the request's maps in both cases.
        stream.request.map_open = false;
        stream.request.trailers_open = false;
        if direction == Direction::Response {
            stream.response.map_open = false;
            stream.response.trailers_open = false;
        }
        state.after_call.push_back(Deferred::Resume(context, direction));
    }
    Status::Ok
}

/// Answers Ok whatever comes of it (higress-group/proxy-wasm-cpp-host @04ef279 src/exports.cc:
/// inject_encoded_data_to_filter_chain). Higress hands the data on before the hostcall returns; here
/// it goes on when the VM call has returned, so that nothing runs inside it.
fn inject(state: &mut State, args: &Args) -> Status {
    let context = state.context();
    if state.streams.contains_key(&context) {
        let (bytes, end) = (args.bytes(0).to_vec(), args.int(1) != 0);
        state.after_call.push_back(Deferred::Inject(context, bytes, end));
    }
    Status::Ok
}

/// Answers Ok also where the answer is dropped, and stops the phase all the same
/// (higress-group/proxy-wasm-cpp-host @04ef279 src/exports.cc: send_local_response).
fn local_response(state: &mut State, args: &Args) -> Status {
    let Some(headers) = Headers::from_pairs(args.bytes(3)) else { return Status::BadArgument };
    state.replied = true;
    let context = state.context();
    let is_higress = state.dialect == Dialect::Higress;
    let Some(stream) = state.streams.get_mut(&context) else { return Status::Ok };
    // Higress keeps the first that was asked for, whether it was sent already or not.
    let was_asked = std::mem::replace(&mut stream.local_response_asked, true);
    let is_dropped = stream.local_response_sent || (is_higress && was_asked);
    if !is_dropped {
        state.after_call.push_back(Deferred::LocalResponse {
            stream: context,
            status: args.int(0),
            headers,
            body: args.bytes(2).to_vec(),
            details: args.text(1),
        });
    }
    Status::Ok
}
