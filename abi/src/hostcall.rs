//! Hostcalls: every import that a plugin calls, one row each (host-semantics §1.1).

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

/// One parameter in the language of the ABI. It may be two on the level of wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// Shape.
    pub kind: ParamKind,
}

/// The shape of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// `i32`, a number.
    Int,
    /// `i64`, a number.
    Long,
    /// `i32, i32`: address and size of bytes that the host reads.
    Bytes,
    /// `i32`: address where the host writes one value (a word, or 8 bytes for a time).
    Out,
    /// `i32, i32`: addresses where the host writes address and size of bytes that it allocated.
    OutBytes,
    /// `i32`: any other address (WASI's vectors and buffers).
    Address,
}

impl ParamKind {
    /// Number of wasm parameters.
    pub const fn width(self) -> usize {
        match self {
            ParamKind::Bytes | ParamKind::OutBytes => 2,
            _ => 1,
        }
    }

    /// Which of its wasm parameters are addresses.
    pub const fn pointers(self) -> &'static [bool] {
        match self {
            ParamKind::Int | ParamKind::Long => &[false],
            ParamKind::Bytes => &[true, false],
            ParamKind::Out | ParamKind::Address => &[true],
            ParamKind::OutBytes => &[true, true],
        }
    }
}

/// How much of a hostcall is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Every one is an event: a diagnosis argues from it.
    Always,
    /// An event when its status is not 0, or inside a response callback; else only counted: it is
    /// frequent, and says something only when it failed or was answered too late.
    WhenTelling,
    /// Never: it cannot fail in a way that matters here.
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

/// The kind in the two low bits of a call id.
pub const fn call_kind(call_id: u32) -> CallKind {
    match call_id & 3 {
        0 => CallKind::Http,
        1 => CallKind::GrpcCall,
        2 => CallKind::GrpcStream,
        _ => CallKind::Redis,
    }
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
}

macro_rules! hostcalls {
    ($($number:literal $variant:ident $name:literal $import:literal $origin:ident
       ($($kind:ident $param:literal),*) $result:ident, $record:ident;)*) => {
        /// Any plugin-to-host call. The discriminant is its number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Hostcall {
            $(#[doc = concat!("`", $import, "`")] $variant = $number,)*
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
                        params: &[$(Param { name: $param, kind: ParamKind::$kind }),*],
                        result: hostcalls!(@result $result),
                        record: Record::$record,
                    },)*
                }
            }

            /// How much of it is kept.
            pub const fn record(self) -> Record {
                match self { $(Hostcall::$variant => Record::$record,)* }
            }
        }
    };
    (@result status) => { true };
    (@result nothing) => { false };
}

// number, variant, name, import, origin (parameters) result, how much is kept
hostcalls! {
    64  HttpCall "http_call" "proxy_http_call" Spec (Bytes "cluster", Bytes "headers", Bytes "body", Bytes "trailers", Int "timeout_millis", Out "call_id") status, Always;
    65  GrpcCall "grpc_call" "proxy_grpc_call" Spec (Bytes "cluster", Bytes "service", Bytes "method", Bytes "metadata", Bytes "message", Int "timeout_millis", Out "call_id") status, Always;
    66  GrpcStream "grpc_stream" "proxy_grpc_stream" Spec (Bytes "cluster", Bytes "service", Bytes "method", Bytes "metadata", Out "call_id") status, Always;
    67  GrpcSend "grpc_send" "proxy_grpc_send" Spec (Int "call_id", Bytes "message", Int "end") status, Always;
    68  GrpcCancel "grpc_cancel" "proxy_grpc_cancel" Spec (Int "call_id") status, Always;
    69  GrpcClose "grpc_close_call" "proxy_grpc_close" Spec (Int "call_id") status, Always;
    70  RedisInit "redis_init" "proxy_redis_init" Higress (Bytes "cluster", Bytes "user", Bytes "password", Int "timeout_millis") status, Always;
    71  RedisCall "redis_call" "proxy_redis_call" Higress (Bytes "cluster", Bytes "query", Out "call_id") status, Always;
    72  ContinueStream "continue_stream" "proxy_continue_stream" Spec (Int "side") status, Always;
    73  CloseStream "close_stream" "proxy_close_stream" Spec (Int "side") status, Always;
    74  ContinueRequest "continue_request" "proxy_continue_request" SpecV0_1_0 () status, Always;
    75  ContinueResponse "continue_response" "proxy_continue_response" SpecV0_1_0 () status, Always;
    76  SendLocalResponse "send_local_response" "proxy_send_local_response" Spec (Int "status", Bytes "details", Bytes "body", Bytes "headers", Int "grpc_status") status, Always;
    77  SetEffectiveContext "set_effective_context" "proxy_set_effective_context" Spec (Int "context") status, Always;
    78  Log "log_line" "proxy_log" Spec (Int "level", Bytes "message") status, Always;
    79  SetTickPeriod "set_tick_period" "proxy_set_tick_period_milliseconds" Spec (Int "period_millis") status, Always;
    80  Done "done_call" "proxy_done" Spec () status, Always;
    81  GetStatus "get_status" "proxy_get_status" Spec (Out "code", OutBytes "message") status, WhenTelling;
    82  GetHeaderMapValue "get_header_map_value" "proxy_get_header_map_value" Spec (Int "map", Bytes "key", OutBytes "value") status, WhenTelling;
    83  AddHeaderMapValue "add_header_map_value" "proxy_add_header_map_value" Spec (Int "map", Bytes "key", Bytes "value") status, WhenTelling;
    84  ReplaceHeaderMapValue "replace_header_map_value" "proxy_replace_header_map_value" Spec (Int "map", Bytes "key", Bytes "value") status, WhenTelling;
    85  RemoveHeaderMapValue "remove_header_map_value" "proxy_remove_header_map_value" Spec (Int "map", Bytes "key") status, WhenTelling;
    86  GetHeaderMapPairs "get_header_map_pairs" "proxy_get_header_map_pairs" Spec (Int "map", OutBytes "pairs") status, WhenTelling;
    87  SetHeaderMapPairs "set_header_map_pairs" "proxy_set_header_map_pairs" Spec (Int "map", Bytes "pairs") status, WhenTelling;
    88  GetHeaderMapSize "get_header_map_size" "proxy_get_header_map_size" Spec (Int "map", Out "size") status, WhenTelling;
    89  GetBufferBytes "get_buffer_bytes" "proxy_get_buffer_bytes" Spec (Int "buffer", Int "start", Int "length", OutBytes "bytes") status, WhenTelling;
    90  SetBufferBytes "set_buffer_bytes" "proxy_set_buffer_bytes" Spec (Int "buffer", Int "start", Int "length", Bytes "bytes") status, WhenTelling;
    91  GetBufferStatus "get_buffer_status" "proxy_get_buffer_status" Spec (Int "buffer", Out "length", Out "flags") status, WhenTelling;
    92  GetProperty "get_property" "proxy_get_property" Spec (Bytes "path", OutBytes "value") status, WhenTelling;
    93  SetProperty "set_property" "proxy_set_property" Spec (Bytes "path", Bytes "value") status, WhenTelling;
    94  GetSharedData "get_shared_data" "proxy_get_shared_data" Spec (Bytes "key", OutBytes "value", Out "cas") status, WhenTelling;
    95  SetSharedData "set_shared_data" "proxy_set_shared_data" Spec (Bytes "key", Bytes "value", Int "cas") status, WhenTelling;
    96  RegisterSharedQueue "register_shared_queue" "proxy_register_shared_queue" Spec (Bytes "name", Out "queue") status, WhenTelling;
    97  ResolveSharedQueue "resolve_shared_queue" "proxy_resolve_shared_queue" Spec (Bytes "vm", Bytes "name", Out "queue") status, WhenTelling;
    98  DequeueSharedQueue "dequeue_shared_queue" "proxy_dequeue_shared_queue" Spec (Int "queue", OutBytes "message") status, WhenTelling;
    99  EnqueueSharedQueue "enqueue_shared_queue" "proxy_enqueue_shared_queue" Spec (Int "queue", Bytes "message") status, WhenTelling;
    100 DefineMetric "define_metric" "proxy_define_metric" Spec (Int "type", Bytes "name", Out "metric") status, WhenTelling;
    101 IncrementMetric "increment_metric" "proxy_increment_metric" Spec (Int "metric", Long "offset") status, WhenTelling;
    102 RecordMetric "record_metric" "proxy_record_metric" Spec (Int "metric", Long "value") status, WhenTelling;
    103 GetMetric "get_metric" "proxy_get_metric" Spec (Int "metric", Out "value") status, WhenTelling;
    104 CallForeignFunction "call_foreign_function" "proxy_call_foreign_function" Spec (Bytes "name", Bytes "arguments", OutBytes "result") status, WhenTelling;
    105 GetCurrentTime "get_current_time" "proxy_get_current_time_nanoseconds" Spec (Out "time") status, Never;
    106 GetLogLevel "get_log_level" "proxy_get_log_level" Spec (Out "level") status, Never;
    107 ClearRouteCache "clear_route_cache" "proxy_clear_route_cache" SpecV0_1_0 () status, WhenTelling;
    108 GetConfiguration "get_configuration" "proxy_get_configuration" SpecV0_1_0 (OutBytes "configuration") status, WhenTelling;
    109 InjectEncodedData "inject_encoded_data" "proxy_inject_encoded_data_to_filter_chain" Higress (Bytes "body", Int "end") status, Always;
    110 GetUpstreamHosts "get_upstream_hosts" "proxy_get_upstream_hosts" Higress (OutBytes "hosts") status, WhenTelling;
    111 SetUpstreamOverrideHost "set_upstream_override_host" "proxy_set_upstream_override_host" Higress (Bytes "address") status, WhenTelling;
    112 ResolveDns "resolve_dns_call" "envoy_resolve_dns" Envoy (Bytes "name", Out "call_id") status, WhenTelling;
    160 FdWrite "fd_write" "fd_write" Wasi (Int "fd", Address "vectors", Int "count", Out "written") status, Always;
    161 ProcExit "proc_exit" "proc_exit" Wasi (Int "code") nothing, Always;
    162 ClockTimeGet "clock_time_get" "clock_time_get" Wasi (Int "clock", Long "precision", Out "time") status, Never;
    163 RandomGet "random_get" "random_get" Wasi (Address "buffer", Int "size") status, Never;
    164 EnvironGet "environ_get" "environ_get" Wasi (Address "pointers", Address "buffer") status, Never;
    165 EnvironSizesGet "environ_sizes_get" "environ_sizes_get" Wasi (Out "count", Out "size") status, Never;
}

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
}

impl Hostcall {
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
    pub fn is_dispatch(self) -> bool {
        matches!(
            self,
            Hostcall::HttpCall | Hostcall::GrpcCall | Hostcall::GrpcStream | Hostcall::RedisCall
        )
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
        ] {
            assert_eq!(hostcall.row().wasm_params(), width, "{hostcall:?}");
        }
    }
}
