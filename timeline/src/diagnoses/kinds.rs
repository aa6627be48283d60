//! Sets of kinds of events that several diagnoses look for, wait for or miss.

use abi::{CallKind, Callback, Hostcall, Kind};

/// The dispatches.
pub const DISPATCHES: &[Kind] = &{
    let mut kinds = [Kind::Unknown(0); Hostcall::DISPATCHES.len()];
    let mut at = 0;
    while at < kinds.len() {
        kinds[at] = Kind::Hostcall(Hostcall::DISPATCHES[at]);
        at += 1;
    }
    kinds
};

/// The last callbacks of calls.
pub const RESPONSES: &[Kind] = &[
    Kind::Callback(Callback::HttpCallResponse),
    Kind::Callback(Callback::GrpcReceive),
    Kind::Callback(Callback::GrpcClose),
    Kind::Callback(Callback::RedisCallResponse),
];

/// The callbacks that end a call of a kind.
pub fn responses_to(kind: CallKind) -> &'static [Kind] {
    match kind {
        CallKind::Http => &[Kind::Callback(Callback::HttpCallResponse)],
        CallKind::GrpcCall => {
            &[Kind::Callback(Callback::GrpcReceive), Kind::Callback(Callback::GrpcClose)]
        }
        CallKind::GrpcStream => &[Kind::Callback(Callback::GrpcClose)],
        CallKind::Redis => &[Kind::Callback(Callback::RedisCallResponse)],
    }
}

/// The phases.
pub const PHASES: &[Kind] = &[
    Kind::Callback(Callback::RequestHeaders),
    Kind::Callback(Callback::RequestBody),
    Kind::Callback(Callback::RequestTrailers),
    Kind::Callback(Callback::ResponseHeaders),
    Kind::Callback(Callback::ResponseBody),
    Kind::Callback(Callback::ResponseTrailers),
];

/// The plugin's own answers.
pub const REPLIES: &[Kind] = &[Kind::Hostcall(Hostcall::SendLocalResponse)];

/// The signs of a stream's end.
pub const ENDS: &[Kind] = &[
    Kind::Callback(Callback::Log),
    Kind::Callback(Callback::Done),
    Kind::Callback(Callback::Delete),
];

/// The same, or the beginning of the response.
pub const RESPONSE_OR_ENDS: &[Kind] = &[
    Kind::Callback(Callback::ResponseHeaders),
    Kind::Callback(Callback::Log),
    Kind::Callback(Callback::Done),
    Kind::Callback(Callback::Delete),
];
