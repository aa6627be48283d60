//! Names of kinds, arguments and marks in script notation: printer and parser read the same tables.

use abi::{Callback, Hostcall, Kind, ParamKind, StreamSide};

use crate::event::Marks;

/// Dispatches are written `dispatch KIND`.
pub const DISPATCHES: [(&str, Hostcall); 4] = [
    ("http", Hostcall::HttpCall),
    ("grpc", Hostcall::GrpcCall),
    ("grpc_stream", Hostcall::GrpcStream),
    ("redis", Hostcall::RedisCall),
];

/// Words of the marks.
pub const MARKS: [(&str, Marks); 6] = [
    ("bad_pointer", Marks::BAD_POINTER),
    ("text_cut", Marks::TEXT_CUT),
    ("nested", Marks::NESTED),
    ("promoted", Marks::PROMOTED),
    ("own", Marks::OWN),
    ("unfinished", Marks::UNFINISHED),
];

/// The targets of `continue_stream` and `close_stream`.
pub const SIDES: [StreamSide; 4] =
    [StreamSide::Request, StreamSide::Response, StreamSide::Downstream, StreamSide::Upstream];

/// Position of the timeout, in milliseconds, among the arguments of a dispatch.
pub fn timeout_position(kind: Kind) -> Option<usize> {
    matches!(kind, Kind::Hostcall(Hostcall::HttpCall | Hostcall::GrpcCall)).then_some(4)
}

/// Is the one argument a side of the stream?
pub fn has_side(kind: Kind) -> bool {
    matches!(kind, Kind::Hostcall(Hostcall::ContinueStream | Hostcall::CloseStream))
}

/// Name of an argument: as `Event.args` of the wire says, else from the abi tables, else `argN`.
pub fn argument(kind: Kind, position: usize) -> String {
    let named: Option<&'static str> = match kind {
        Kind::Hostcall(Hostcall::HttpCall) => {
            ["headers", "pseudo", "body", "trailers", "timeout"].get(position).copied()
        }
        Kind::Hostcall(Hostcall::SendLocalResponse) => {
            ["status", "body", "headers", "grpc_status"].get(position).copied()
        }
        Kind::Callback(Callback::HttpCallResponse) => {
            ["headers", "body", "trailers", "code", "failure"].get(position).copied()
        }
        Kind::Callback(callback) => {
            callback.row().params.iter().skip(1).filter(|p| **p != "call").nth(position).copied()
        }
        Kind::Hostcall(hostcall) => of_hostcall(hostcall, position),
        Kind::Unknown(_) => None,
    };
    match named {
        Some("timeout_millis") => "timeout".to_owned(),
        Some(name) => name.to_owned(),
        None => format!("arg{position}"),
    }
}

/// The first string is the text; of the others the sizes stand in their place.
fn of_hostcall(hostcall: Hostcall, position: usize) -> Option<&'static str> {
    let mut text_seen = false;
    let mut names = hostcall.row().params.iter().filter(|param| match param.kind {
        ParamKind::Int | ParamKind::Long => param.name != "call_id",
        ParamKind::Bytes => std::mem::replace(&mut text_seen, true),
        ParamKind::Out | ParamKind::OutBytes | ParamKind::Address => false,
    });
    names.nth(position).map(|param| param.name)
}

/// Position of an argument of a name.
pub fn position(kind: Kind, name: &str) -> Option<usize> {
    if let Some(at) = name.strip_prefix("arg").and_then(|digits| digits.parse().ok()) {
        return (at < 256).then_some(at);
    }
    (0..32).find(|at| argument(kind, *at) == name)
}

/// The word that starts the line of a kind (dispatches have two).
pub fn of_kind(kind: Kind) -> String {
    match kind {
        Kind::Callback(callback) => callback.row().name.to_owned(),
        Kind::Hostcall(hostcall) => match DISPATCHES.iter().find(|(_, h)| *h == hostcall) {
            Some((name, _)) => format!("dispatch {name}"),
            None => hostcall.row().name.to_owned(),
        },
        Kind::Unknown(number) => format!("kind_{number}"),
    }
}

/// The kind of a line's first word.
pub fn kind(word: &str) -> Option<Kind> {
    if let Some(callback) = Callback::from_name(word) {
        return Some(Kind::Callback(callback));
    }
    if let Some(hostcall) = Hostcall::from_name(word) {
        return Some(Kind::Hostcall(hostcall));
    }
    word.strip_prefix("kind_")?.parse().ok().map(Kind::from_number)
}
