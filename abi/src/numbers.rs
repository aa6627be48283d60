//! Numbers of header maps and buffers (proxy-wasm spec, `proxy_map_type_t` and `proxy_buffer_type_t`):
//! those that somebody here reads. The names of `proxy_log_level_t`, and the bits of the pseudo headers, which
//! are the wire's.

/// Levels of log lines, by their numbers.
pub const LOG_LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "critical"];

/// Header maps.
pub mod map {
    /// The headers of the stream's request.
    pub const REQUEST_HEADERS: u32 = 0;
    /// The trailers of the stream's response: the last of the maps that are a stream's own.
    pub const RESPONSE_TRAILERS: u32 = 3;
    /// The initial metadata of a gRPC call's answer.
    pub const GRPC_INITIAL_METADATA: u32 = 4;
    /// The trailing metadata of a gRPC call's answer.
    pub const GRPC_TRAILING_METADATA: u32 = 5;
    /// The headers of the answer to a call.
    pub const CALL_RESPONSE_HEADERS: u32 = 6;
}

/// Buffers.
pub mod buffer {
    /// The body of the stream's response: the last of the buffers that are a stream's own.
    pub const RESPONSE_BODY: u32 = 1;
    /// The body of the answer to a call.
    pub const CALL_RESPONSE_BODY: u32 = 4;
    /// The message of a gRPC call's answer.
    pub const GRPC_MESSAGE: u32 = 5;
    /// The configuration of the plugin.
    pub const PLUGIN_CONFIGURATION: u32 = 7;
}

/// Bits of the pseudo headers among the header pairs of an HTTP call.
pub mod pseudo {
    /// `:method`
    pub const METHOD: u32 = 1;
    /// `:path`
    pub const PATH: u32 = 2;
    /// `:authority`
    pub const AUTHORITY: u32 = 4;
    /// What the host demands of a call.
    pub const ALL: u32 = METHOD | PATH | AUTHORITY;
}
