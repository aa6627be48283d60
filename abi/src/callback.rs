//! Callbacks: every export that a host calls, one row each (host-semantics §1.2).

use crate::{AbiVersion, Phase};

/// What a callback gives back to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Nothing.
    Nothing,
    /// A boolean; an absent export counts as true.
    Bool,
    /// An action, whose meaning depends on phase, ABI version and host.
    Action,
}

/// Whether a callback that the plugin lacks may be added without changing what the host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neutral {
    /// Every known host treats "absent" and "present, does nothing" alike.
    Everywhere,
    /// A host decides something from its presence; never add it.
    Nowhere,
}

/// One callback: its export, its parameters, what it returns.
#[derive(Debug)]
pub struct CallbackRow {
    /// The callback.
    pub callback: Callback,
    /// Name in the documents and in script notation, e.g. `request_headers`.
    pub name: &'static str,
    /// Name of the module's export.
    pub export: &'static str,
    /// Names of the parameters, all of them `i32`. The first is the context id.
    pub params: &'static [&'static str],
    /// Number of parameters under ABI 0.1.0, where it differs.
    pub params_v0_1_0: Option<usize>,
    /// Names of the numbers that the recorder adds to its event, behind those of the parameters.
    pub reads: &'static [&'static str],
    /// What it returns.
    pub returns: Returns,
    /// The phase of the stream, for callbacks that return an action.
    pub phase: Option<Phase>,
    /// May it be added?
    pub add: Neutral,
}

macro_rules! callbacks {
    ($($number:literal $variant:ident $name:literal $export:literal ($($param:literal),*) $($v01:literal)?
       $(reads ($($read:literal),*))?
       -> $returns:ident $(phase $phase:ident)?, add $add:ident $(, $answers:ident)?;)*) => {
        /// Any host-to-plugin call, `proxy_on_*`. The discriminant is its number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Callback {
            $(#[doc = concat!("`", $export, "`")] $variant = $number,)*
        }

        impl Callback {
            /// All callbacks, in the order of their numbers.
            pub const ALL: &'static [Callback] = &[$(Callback::$variant),*];

            /// Reads a wire number.
            pub const fn from_number(number: u32) -> Option<Callback> {
                match number { $($number => Some(Callback::$variant),)* _ => None }
            }

            /// The callback's row.
            pub const fn row(self) -> &'static CallbackRow {
                match self {
                    $(Callback::$variant => &CallbackRow {
                        callback: Callback::$variant,
                        name: $name,
                        export: $export,
                        params: &[$($param),*],
                        params_v0_1_0: callbacks!(@opt $($v01)?),
                        reads: &[$($($read),*)?],
                        returns: Returns::$returns,
                        phase: callbacks!(@phase $($phase)?),
                        add: Neutral::$add,
                    },)*
                }
            }

            /// The phase of the stream that this callback is, if it is one.
            pub const fn phase(self) -> Option<Phase> {
                match self { $(Callback::$variant => callbacks!(@phase $($phase)?),)* }
            }

            /// Does it answer a dispatch? The first context parameter of these is always the root's.
            pub const fn is_response(self) -> bool {
                match self { $(Callback::$variant => callbacks!(@answers $($answers)?),)* }
            }

            /// Does the host call it with a root context?
            pub const fn is_on_root(self) -> bool {
                match self {
                    $(Callback::$variant => const { is_named(&[$($param),*], 0, b"root") },)*
                }
            }

            /// Is its first parameter after the context a call id?
            pub const fn has_call(self) -> bool {
                match self {
                    $(Callback::$variant => const { is_named(&[$($param),*], 1, CALL) },)*
                }
            }
        }
    };
    (@opt) => { None };
    (@opt $v:literal) => { Some($v) };
    (@phase) => { None };
    (@phase $p:ident) => { Some(Phase::$p) };
    (@answers) => { false };
    (@answers answers) => { true };
}

/// Name of the parameter that stands in the event's call id, not among its numbers.
const CALL: &[u8] = b"call";

const fn is_named(params: &[&str], at: usize, name: &[u8]) -> bool {
    at < params.len() && same(params[at].as_bytes(), name)
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

// number, variant, name, export (parameters) [parameters under 0.1.0] [reads] -> returns [phase],
//     may it be added[, answers a dispatch]
callbacks! {
    1  VmStart "vm_start" "proxy_on_vm_start" ("root", "configuration_size") -> Bool, add Everywhere;
    2  Configure "configure" "proxy_on_configure" ("root", "configuration_size") -> Bool, add Everywhere;
    3  ContextCreate "create" "proxy_on_context_create" ("context", "parent") -> Nothing, add Everywhere;
    4  Tick "tick" "proxy_on_tick" ("root") -> Nothing, add Everywhere;
    5  QueueReady "queue_ready" "proxy_on_queue_ready" ("root", "queue") -> Nothing, add Nowhere;
    6  ForeignFunction "foreign_function" "proxy_on_foreign_function" ("root", "function", "size") -> Nothing, add Nowhere;
    7  NewConnection "new_connection" "proxy_on_new_connection" ("context") -> Action phase NewConnection, add Nowhere;
    8  DownstreamData "downstream_data" "proxy_on_downstream_data" ("context", "size", "end") -> Action phase DownstreamData, add Nowhere;
    9  DownstreamConnectionClose "downstream_connection_close" "proxy_on_downstream_connection_close" ("context", "peer") -> Nothing, add Nowhere;
    10 UpstreamData "upstream_data" "proxy_on_upstream_data" ("context", "size", "end") -> Action phase UpstreamData, add Nowhere;
    11 UpstreamConnectionClose "upstream_connection_close" "proxy_on_upstream_connection_close" ("context", "peer") -> Nothing, add Nowhere;
    12 RequestHeaders "request_headers" "proxy_on_request_headers" ("context", "n", "end") 2 -> Action phase RequestHeaders, add Nowhere;
    13 RequestMetadata "request_metadata" "proxy_on_request_metadata" ("context", "n") -> Action phase RequestMetadata, add Nowhere;
    14 RequestBody "request_body" "proxy_on_request_body" ("context", "size", "end") -> Action phase RequestBody, add Nowhere;
    15 RequestTrailers "request_trailers" "proxy_on_request_trailers" ("context", "n") -> Action phase RequestTrailers, add Nowhere;
    16 ResponseHeaders "response_headers" "proxy_on_response_headers" ("context", "n", "end") 2 -> Action phase ResponseHeaders, add Nowhere;
    17 ResponseMetadata "response_metadata" "proxy_on_response_metadata" ("context", "n") -> Action phase ResponseMetadata, add Nowhere;
    18 ResponseBody "response_body" "proxy_on_response_body" ("context", "size", "end") -> Action phase ResponseBody, add Nowhere;
    19 ResponseTrailers "response_trailers" "proxy_on_response_trailers" ("context", "n") -> Action phase ResponseTrailers, add Nowhere;
    20 HttpCallResponse "http_call_response" "proxy_on_http_call_response" ("root", "call", "headers", "body", "trailers") reads ("code", "failure") -> Nothing, add Everywhere, answers;
    21 GrpcReceiveInitialMetadata "grpc_receive_initial_metadata" "proxy_on_grpc_receive_initial_metadata" ("root", "call", "n") -> Nothing, add Nowhere, answers;
    22 GrpcReceive "grpc_receive" "proxy_on_grpc_receive" ("root", "call", "size") -> Nothing, add Nowhere, answers;
    23 GrpcReceiveTrailingMetadata "grpc_receive_trailing_metadata" "proxy_on_grpc_receive_trailing_metadata" ("root", "call", "n") -> Nothing, add Nowhere, answers;
    24 GrpcClose "grpc_close" "proxy_on_grpc_close" ("root", "call", "status") -> Nothing, add Nowhere, answers;
    25 RedisCallResponse "redis_call_response" "proxy_on_redis_call_response" ("root", "call", "status", "size") -> Nothing, add Nowhere, answers;
    26 Done "done" "proxy_on_done" ("context") -> Bool, add Everywhere;
    27 Log "log" "proxy_on_log" ("context") -> Nothing, add Everywhere;
    28 Delete "delete" "proxy_on_delete" ("context") -> Nothing, add Everywhere;
    29 ValidateConfiguration "validate_configuration" "proxy_validate_configuration" ("root", "configuration_size") -> Bool, add Nowhere;
    30 ResolveDns "resolve_dns" "envoy_on_resolve_dns" ("root", "call", "size") -> Nothing, add Nowhere;
    31 StatsUpdate "stats_update" "envoy_on_stats_update" ("root", "size") -> Nothing, add Nowhere;
    32 GrpcCreateInitialMetadata "grpc_create_initial_metadata" "proxy_on_grpc_create_initial_metadata" ("root", "call", "n") -> Nothing, add Nowhere;
}

/// Exports that start a module: `_initialize` and then one of the last two, else `_start`
/// (proxy-wasm-cpp-host `src/wasm.cc: getFunctions, startVm`). While one runs, the host forbids nearly
/// every hostcall (`restricted_callback`, host-semantics §1.1).
pub const START_EXPORTS: &[&str] = &["_initialize", "_start", "main", "__main_void"];

/// Exports through which the host allocates in the plugin's memory; the first one present is used
/// (proxy-wasm-cpp-host `src/wasm.cc: getFunctions`). TinyGo's modules have both.
pub const ALLOCATOR_EXPORTS: &[&str] = &["malloc", ADDED_ALLOCATOR];

/// The allocator that a module without one is given.
pub const ADDED_ALLOCATOR: &str = "proxy_on_memory_allocate";

impl Callback {
    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The callback of an export's name.
    pub fn from_export(export: &str) -> Option<Callback> {
        Callback::ALL.iter().copied().find(|c| c.row().export == export)
    }

    /// The callback of its name in script notation.
    pub fn from_name(name: &str) -> Option<Callback> {
        Callback::ALL.iter().copied().find(|c| c.row().name == name)
    }

    /// Number of `i32` parameters under a version of the ABI.
    pub fn param_count(self, version: AbiVersion) -> usize {
        let row = self.row();
        match (version, row.params_v0_1_0) {
            (AbiVersion::V0_1_0, Some(count)) => count,
            _ => row.params.len(),
        }
    }

    /// Names of the numbers of its events, in their order on the wire: the parameters without context
    /// and call id, then what the recorder reads besides.
    pub fn numbers(self) -> impl Iterator<Item = &'static str> {
        let row = self.row();
        let params = row.params.iter().skip(1).filter(|param| param.as_bytes() != CALL);
        params.chain(row.reads).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_export_and_by_name() {
        for callback in Callback::ALL {
            assert_eq!(Callback::from_export(callback.row().export), Some(*callback));
            assert_eq!(Callback::from_name(callback.row().name), Some(*callback));
            assert_eq!(callback.row().returns == Returns::Action, callback.phase().is_some());
        }
    }

    #[test]
    fn an_event_has_the_numbers_that_the_wire_says() {
        // Comments of `Event.args` in proto/wasm_tracer/v1/batch.proto.
        let names = ["headers", "body", "trailers", "code", "failure"];
        assert!(Callback::HttpCallResponse.numbers().eq(names));
        assert!(Callback::GrpcClose.numbers().eq(["status"]));
        assert!(Callback::RequestBody.numbers().eq(["size", "end"]));
    }

    #[test]
    fn what_answers_a_dispatch_comes_with_the_root_and_a_call_id() {
        for callback in Callback::ALL.iter().filter(|callback| callback.is_response()) {
            assert!(callback.is_on_root() && callback.has_call(), "{callback:?}");
        }
        assert!(Callback::Tick.is_on_root() && !Callback::Tick.is_response());
        assert!(!Callback::Log.is_on_root() && !Callback::Log.has_call());
    }

    #[test]
    fn a_callback_that_returns_an_action_is_never_added() {
        for callback in Callback::ALL {
            if callback.phase().is_some() {
                assert_eq!(callback.row().add, Neutral::Nowhere, "{callback:?}");
            }
        }
    }
}
