//! Hostcalls: every import that a plugin calls, one row each (host-semantics §1.1). The rows are in
//! `hostcall/rows.rs`; here is what a row says.

mod param;

pub use param::{Param, ParamKind, Role};
pub use rows::Hostcall;

/// Who offers a hostcall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `env`, by every host of some version of the ABI.
    Spec,
    /// `env`, only by hosts of ABI 0.1.0 modules.
    SpecV0_1_0,
    /// `env`, only by Higress (`higress-group/proxy-wasm-cpp-host src/wasm.cc: registerCallbacks`).
    Higress,
    /// `env`, only by Envoy.
    Envoy,
    /// `wasi_snapshot_preview1`.
    Wasi,
}

/// How much of a hostcall is kept; the row says why ([`HostcallRow::reason`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Every one is an event.
    Always,
    /// An event when its status is not 0, or inside a response callback; else only counted.
    WhenTelling,
    /// Neither kept nor counted; its uses stay as they are.
    Never,
}

/// The target of `proxy_continue_stream` and `proxy_close_stream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamSide {
    /// 0
    Request,
    /// 1
    Response,
    /// 2
    Downstream,
    /// 3
    Upstream,
}

impl StreamSide {
    /// Reads the ABI's number.
    pub fn from_number(number: u32) -> Option<StreamSide> {
        Some(match number {
            0 => StreamSide::Request,
            1 => StreamSide::Response,
            2 => StreamSide::Downstream,
            3 => StreamSide::Upstream,
            _ => return None,
        })
    }

    /// Name in script notation.
    pub fn name(self) -> &'static str {
        match self {
            StreamSide::Request => "request",
            StreamSide::Response => "response",
            StreamSide::Downstream => "downstream",
            StreamSide::Upstream => "upstream",
        }
    }
}

/// What a call id is of; hosts built on proxy-wasm-cpp-host keep it in the two low bits
/// (`include/proxy-wasm/wasm.h: CalloutType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// `proxy_http_call`
    Http,
    /// `proxy_grpc_call`
    GrpcCall,
    /// `proxy_grpc_stream`
    GrpcStream,
    /// `proxy_redis_call` (Higress)
    Redis,
}

impl CallKind {
    /// Its name in script notation.
    pub const fn name(self) -> &'static str {
        match self {
            CallKind::Http => "http",
            CallKind::GrpcCall => "grpc",
            CallKind::GrpcStream => "grpc_stream",
            CallKind::Redis => "redis",
        }
    }
}

/// The kind in the two low bits of a call id.
pub const fn call_kind(call_id: u32) -> CallKind {
    match call_id & 3 {
        0 => CallKind::Http,
        1 => CallKind::GrpcCall,
        2 => CallKind::GrpcStream,
        _ => CallKind::Redis,
    }
}

/// What a hostcall does to the calls and the pauses of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// A dispatch: starts a call of this kind.
    Starts(CallKind),
    /// Ends a pause.
    Resumes,
    /// Answers the request in the upstream's place.
    Replies,
    /// Ends the stream.
    Closes,
}

/// One hostcall.
#[derive(Debug)]
pub struct HostcallRow {
    /// The hostcall.
    pub hostcall: Hostcall,
    /// Name in the documents and in script notation, e.g. `get_property`.
    pub name: &'static str,
    /// Name of the import.
    pub import: &'static str,
    /// Who offers it.
    pub origin: Origin,
    /// Its parameters.
    pub params: &'static [Param],
    /// Has it a result (an `i32` status)?
    pub result: bool,
    /// How much of it is kept.
    pub record: Record,
    /// Why so much and no more.
    pub reason: &'static str,
    /// What it does to calls and pauses.
    pub effect: Effect,
}

macro_rules! hostcalls {
    ($($number:literal $variant:ident $name:literal $import:literal $origin:ident
       ($($kind:ident $param:literal),*)
       $result:ident, $record:ident $reason:literal $(, $effect:ident $($call:ident)?)?;)*) => {
        /// Any plugin-to-host call. The discriminant is its number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Hostcall {
            $(#[doc = concat!("`", $import, "`: ", $reason)] $variant = $number,)*
        }

        impl Hostcall {
            /// All hostcalls, in the order of their numbers.
            pub const ALL: &'static [Hostcall] = &[$(Hostcall::$variant),*];

            /// Reads a wire number.
            pub const fn from_number(number: u32) -> Option<Hostcall> {
                match number { $($number => Some(Hostcall::$variant),)* _ => None }
            }

            /// The hostcall's row.
            pub const fn row(self) -> &'static HostcallRow {
                match self {
                    $(Hostcall::$variant => &HostcallRow {
                        hostcall: Hostcall::$variant,
                        name: $name,
                        import: $import,
                        origin: Origin::$origin,
                        params: &[$(hostcalls!(@param $kind $param)),*],
                        result: hostcalls!(@result $result),
                        record: Record::$record,
                        reason: $reason,
                        effect: hostcalls!(@effect $($effect $($call)?)?),
                    },)*
                }
            }

            /// How much of it is kept.
            pub const fn record(self) -> Record {
                match self { $(Hostcall::$variant => Record::$record,)* }
            }

            /// What it does to calls and pauses.
            pub const fn effect(self) -> Effect {
                match self {
                    $(Hostcall::$variant => hostcalls!(@effect $($effect $($call)?)?),)*
                }
            }
        }
    };
    (@result status) => { true };
    (@result nothing) => { false };
    (@effect) => { Effect::Nothing };
    (@effect starts $call:ident) => { Effect::Starts(CallKind::$call) };
    (@effect resumes) => { Effect::Resumes };
    (@effect replies) => { Effect::Replies };
    (@effect closes) => { Effect::Closes };
    (@param Text $name:literal) => { hostcalls!(@param Bytes $name Text) };
    (@param Headers $name:literal) => { hostcalls!(@param Bytes $name Headers) };
    (@param Timeout $name:literal) => { hostcalls!(@param Int $name Timeout) };
    (@param Side $name:literal) => { hostcalls!(@param Int $name Side) };
    (@param CallId $name:literal) => { hostcalls!(@param Int $name CallId) };
    (@param OutCallId $name:literal) => { hostcalls!(@param Out $name CallId) };
    (@param $kind:ident $name:literal) => { hostcalls!(@param $kind $name Plain) };
    (@param $kind:ident $name:literal $role:ident) => {
        Param { name: $name, kind: ParamKind::$kind, role: Role::$role }
    };
}

// After the macro, which it uses.
mod rows;

impl HostcallRow {
    /// The import's module.
    pub fn module(&self) -> &'static str {
        match self.origin {
            Origin::Wasi => "wasi_snapshot_preview1",
            _ => "env",
        }
    }

    /// For each wasm parameter: is it an address?
    pub fn pointers(&self) -> impl Iterator<Item = bool> + '_ {
        self.params.iter().flat_map(|p| p.kind.pointers().iter().copied())
    }

    /// Number of wasm parameters.
    pub fn wasm_params(&self) -> usize {
        self.params.iter().map(|p| p.kind.width()).sum()
    }

    /// The numbers of its events: name and role of each, in their order on the wire.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, Role)> + '_ {
        self.params.iter().flat_map(|param| {
            let (first, second) = param.numbers();
            first.into_iter().chain(second).map(|name| (name, param.role))
        })
    }

    /// Position among the numbers of the first one with a role.
    pub fn position(&self, role: Role) -> Option<usize> {
        self.numbers().position(|(_, of)| of == role)
    }
}

const DISPATCHES: usize = {
    let (mut at, mut count) = (0, 0);
    while at < Hostcall::ALL.len() {
        count += Hostcall::ALL[at].is_dispatch() as usize;
        at += 1;
    }
    count
};

impl Hostcall {
    /// Those that start an outbound call.
    pub const DISPATCHES: &'static [Hostcall] = &{
        let mut dispatches = [Hostcall::HttpCall; DISPATCHES];
        let (mut at, mut count) = (0, 0);
        while at < Hostcall::ALL.len() {
            if Hostcall::ALL[at].is_dispatch() {
                dispatches[count] = Hostcall::ALL[at];
                count += 1;
            }
            at += 1;
        }
        dispatches
    };

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The hostcall of an import.
    pub fn from_import(module: &str, name: &str) -> Option<Hostcall> {
        Hostcall::ALL.iter().copied().find(|h| h.row().import == name && h.row().module() == module)
    }

    /// The hostcall of its name in script notation.
    pub fn from_name(name: &str) -> Option<Hostcall> {
        Hostcall::ALL.iter().copied().find(|h| h.row().name == name)
    }

    /// Does it start an outbound call?
    pub const fn is_dispatch(self) -> bool {
        matches!(self.effect(), Effect::Starts(_))
    }

    /// Is it a resume, a local response or a close: does it decide about a stream that is held?
    pub const fn decides(self) -> bool {
        matches!(self.effect(), Effect::Resumes | Effect::Replies | Effect::Closes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_import_and_by_name() {
        for hostcall in Hostcall::ALL {
            let row = hostcall.row();
            assert_eq!(Hostcall::from_import(row.module(), row.import), Some(*hostcall));
            assert_eq!(Hostcall::from_name(row.name), Some(*hostcall));
        }
    }

    #[test]
    fn widths_are_those_of_the_abi() {
        // proxy-wasm-cpp-host include/proxy-wasm/exports.h
        for (hostcall, width) in [
            (Hostcall::HttpCall, 10),
            (Hostcall::GrpcCall, 12),
            (Hostcall::GrpcStream, 9),
            (Hostcall::GrpcSend, 4),
            (Hostcall::SendLocalResponse, 8),
            (Hostcall::GetStatus, 3),
            (Hostcall::GetProperty, 4),
            (Hostcall::GetHeaderMapValue, 5),
            (Hostcall::GetHeaderMapPairs, 3),
            (Hostcall::GetBufferBytes, 5),
            (Hostcall::CallForeignFunction, 6),
            (Hostcall::ResolveSharedQueue, 5),
            (Hostcall::RedisInit, 7),
            (Hostcall::RedisCall, 5),
            (Hostcall::InjectEncodedData, 3),
            (Hostcall::DefineMetric, 4),
            (Hostcall::IncrementMetric, 2),
            (Hostcall::GetSharedData, 5),
            (Hostcall::SetSharedData, 5),
            (Hostcall::GetConfiguration, 2),
            (Hostcall::PathOpen, 9),
            (Hostcall::FdSeek, 4),
        ] {
            assert_eq!(hostcall.row().wasm_params(), width, "{hostcall:?}");
        }
    }

    #[test]
    fn an_event_has_the_numbers_that_the_wire_says() {
        // Comments of `Event.args` in proto/wasm_tracer/v1/batch.proto.
        let names = |hostcall: Hostcall| hostcall.row().numbers().map(|(name, _)| name);
        assert!(names(Hostcall::HttpCall).eq(["headers", "pseudo", "body", "trailers", "timeout"]));
        assert!(names(Hostcall::SendLocalResponse).eq([
            "status",
            "body",
            "headers",
            "grpc_status"
        ]));
        assert!(names(Hostcall::Log).eq(["level"]));
        assert!(names(Hostcall::GrpcSend).eq(["message", "end"]));
        assert_eq!(Hostcall::GrpcCall.row().position(Role::Timeout), Some(4));
        assert_eq!(Hostcall::GrpcStream.row().position(Role::Timeout), None);
    }

    #[test]
    fn a_row_has_one_text_one_call_id_and_room_for_its_numbers() {
        const MOST_NUMBERS: usize = 8;
        for hostcall in Hostcall::ALL {
            let row = hostcall.row();
            let with = |role| row.params.iter().filter(|param| param.role == role).count();
            assert!(with(Role::Text) <= 1 && with(Role::CallId) <= 1, "{hostcall:?}");
            assert!(row.numbers().count() <= MOST_NUMBERS, "{hostcall:?}");
            assert_eq!(
                hostcall.is_dispatch(),
                row.effect != Effect::Nothing && with(Role::CallId) == 1
            );
            assert!(!row.reason.is_empty() && !row.reason.ends_with('.'), "{hostcall:?}");
        }
    }
}
