//! Names of kinds, arguments and marks in script notation: printer and parser read the same tables.

use abi::{Callback, Effect, Hostcall, Kind, Role, StreamSide};

use crate::event::Marks;

/// Words of the marks.
pub const MARKS: [(&str, Marks); 7] = [
    ("bad_pointer", Marks::BAD_POINTER),
    ("text_cut", Marks::TEXT_CUT),
    ("nested", Marks::NESTED),
    ("promoted", Marks::PROMOTED),
    ("own", Marks::OWN),
    ("unfinished", Marks::UNFINISHED),
    ("annotation", Marks::ANNOTATION),
];

/// The word of a plugin's own note, in place of the hostcall's name.
pub const ANNOTATION: &str = "annotation";

/// The targets of `continue_stream` and `close_stream`.
pub const SIDES: [StreamSide; 4] =
    [StreamSide::Request, StreamSide::Response, StreamSide::Downstream, StreamSide::Upstream];

/// Position of the timeout, in milliseconds, among the arguments of a dispatch that has one.
pub fn timeout_position(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Hostcall(hostcall) if hostcall.is_dispatch() => {
            hostcall.row().position(Role::Timeout)
        }
        _ => None,
    }
}

/// Position of the side of the stream among the arguments.
pub fn side_position(kind: Kind) -> Option<usize> {
    let Kind::Hostcall(hostcall) = kind else { return None };
    hostcall.row().position(Role::Side)
}

/// Is the argument a time in milliseconds that the host waits?
pub fn is_timeout(kind: Kind, position: usize) -> bool {
    let Kind::Hostcall(hostcall) = kind else { return false };
    hostcall.row().numbers().nth(position).is_some_and(|(_, role)| role == Role::Timeout)
}

/// Name of an argument, as the abi tables say; else `argN`.
pub fn argument(kind: Kind, position: usize) -> String {
    let named = match kind {
        Kind::Callback(callback) => callback.numbers().nth(position),
        Kind::Hostcall(hostcall) => hostcall.row().numbers().nth(position).map(|(name, _)| name),
        Kind::Unknown(_) => None,
    };
    named.map_or_else(|| format!("arg{position}"), str::to_owned)
}

/// Position of an argument of a name.
pub fn position(kind: Kind, name: &str) -> Option<usize> {
    if let Some(at) = name.strip_prefix("arg").and_then(|digits| digits.parse().ok()) {
        return (at < 256).then_some(at);
    }
    (0..32).find(|at| argument(kind, *at) == name)
}

/// The word that starts the line of a kind; dispatches have two, `dispatch` and the kind of call.
pub fn of_kind(kind: Kind) -> String {
    match kind {
        Kind::Callback(callback) => callback.row().name.to_owned(),
        Kind::Hostcall(hostcall) => match hostcall.effect() {
            Effect::Starts(call) => format!("dispatch {}", call.name()),
            _ => hostcall.row().name.to_owned(),
        },
        Kind::Unknown(number) => format!("kind_{number}"),
    }
}

/// The dispatch of a word behind `dispatch`.
pub fn dispatch(word: &str) -> Option<Kind> {
    let starts = |h: &&Hostcall| matches!(h.effect(), Effect::Starts(call) if call.name() == word);
    Hostcall::ALL.iter().find(starts).copied().map(Kind::Hostcall)
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
