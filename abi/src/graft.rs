//! The seam between instrumenter and recorder: names of what the graft exports and imports, and the
//! layout of the configuration that is baked into it.
//!
//! Not part of the proxy-wasm ABI; it stands here because both sides read it and neither depends on
//! the other.

/// Functions of the graft that shims call.
pub mod exports {
    /// `(kind, context, a1, a2, a3, a4) -> 1 run the original, 0 do not`
    pub const ENTER: &str = "enter";
    /// `(kind, context, result)`
    pub const LEAVE: &str = "leave";
    /// `(root)`: last in every tick; ships.
    pub const TICK_END: &str = "tick_end";
    /// `(kind, status, p0..p11)`
    pub const HOSTCALL: &str = "hostcall";
    /// `(kind, status) -> 1 that was all, 0 call HOSTCALL`: the short way for hostcalls that are only
    /// counted when all goes well ([`crate::Record::WhenTelling`]).
    pub const COUNTED: &str = "counted";
    /// `(period_millis) -> status`, in place of the import.
    pub const SET_TICK_PERIOD: &str = "set_tick_period";
    /// `() -> length of the saved message, or -1: ask the host`
    pub const GET_STATUS_SAVED: &str = "get_status_saved";
    /// `() -> code`
    pub const SAVED_STATUS_CODE: &str = "saved_status_code";
    /// `(destination)`, absolute
    pub const SAVED_STATUS_COPY: &str = "saved_status_copy";
    /// `()`: before `unreachable` in plugin code.
    pub const TRAP: &str = "trap";
    /// `(code)`: before `proc_exit`.
    pub const EXITING: &str = "exiting";
    /// `(size) -> address or 0`: the allocator while the recorder is in a hostcall.
    pub const ARENA_ALLOC: &str = "arena_alloc";
    /// Global: address of the baked configuration, [`super::config::SIZE`] bytes.
    pub const CONFIG: &str = "CONFIG";

    /// All functions, for the build check.
    pub const FUNCTIONS: [&str; 12] = [
        ENTER,
        LEAVE,
        TICK_END,
        HOSTCALL,
        COUNTED,
        SET_TICK_PERIOD,
        GET_STATUS_SAVED,
        SAVED_STATUS_CODE,
        SAVED_STATUS_COPY,
        TRAP,
        EXITING,
        ARENA_ALLOC,
    ];
}

/// Functions that the instrumenter gives the graft; module `graft`.
pub mod imports {
    /// The module's name.
    pub const MODULE: &str = "graft";
    /// `(destination, source absolute, length) -> 1 copied, 0 outside the plugin's memory`
    pub const READ: &str = "read";
    /// `(destination absolute, source, length) -> 1 copied, 0 outside the plugin's memory`
    pub const WRITE: &str = "write";
    /// `() -> absolute address of the recorder's memory`
    pub const BASE: &str = "base";
    /// `() -> pages of the recorder's memory`
    pub const PAGES: &str = "pages";
    /// `() -> pages of the plugin's memory`
    pub const PLUGIN_PAGES: &str = "plugin_pages";
    /// `()`: the panic handler; must not survive linking.
    pub const PANIC: &str = "panic";
}

/// Foreign function that a plugin calls (`proxy_call_foreign_function`) to put a note into its timeline.
/// The argument is UTF-8 text `key=value`, of which 256 bytes are kept; the first `=` divides. No host
/// knows the function: with a recorder and without one it is answered NotFound, and nothing else happens.
pub const ANNOTATE: &str = "wasm_tracer.annotate";

/// Added to the kind that `enter` and `leave` get for a callback that the plugin lacks.
pub const ABSENT: u32 = 0x100;

/// The baked configuration: u16 LE length of all entries, then entries `tag u8, length u16 LE, bytes`.
/// Numbers are little endian.
pub mod config {
    /// Bytes reserved in the graft.
    pub const SIZE: usize = 1024;

    /// Bytes at most of the texts that a user chooses, baked or in the environment.
    pub mod most {
        /// Of the cluster's name.
        pub const CLUSTER: usize = 128;
        /// Of the authority.
        pub const AUTHORITY: usize = 128;
        /// Of the ingest token (environment only).
        pub const TOKEN: usize = 256;
        /// Of the list of headers, with its commas.
        pub const HEADERS: usize = 256;
    }

    /// What the numbers may be. The instrumenter refuses others; of the environment, which nobody reads
    /// before the plugin runs, the recorder takes the nearest.
    pub mod range {
        use core::ops::RangeInclusive;

        /// Of the buffer, in bytes.
        pub const BUFFER_BYTES: RangeInclusive<u32> = 16 * 1024..=128 * 1024;
        /// Of the time between shipments, in milliseconds.
        pub const FLUSH_MILLIS: RangeInclusive<u32> = 10..=60_000;
        /// Of the time between heartbeats, in seconds.
        pub const HEARTBEAT_SECONDS: RangeInclusive<u32> = 1..=3600;
        /// Of the time between two warnings of one cause, in seconds.
        pub const WARN_SECONDS: RangeInclusive<u32> = 1..=u32::MAX;
        /// Of the least level of log lines, as in `proxy_log`.
        pub const LOG_LEVEL: RangeInclusive<u32> = 0..=5;
    }

    /// Headers that are never recorded, listed or not.
    pub const SECRET_HEADERS: [&str; 4] =
        ["authorization", "cookie", "set-cookie", "proxy-authorization"];

    /// Text: cluster of the collector.
    pub const CLUSTER: u8 = 1;
    /// Text: `:authority` of shipments.
    pub const AUTHORITY: u8 = 2;
    /// u32: share of streams to record, in millionths.
    pub const RATE_MILLIONTHS: u8 = 3;
    /// u32: bytes of the buffer.
    pub const BUFFER_BYTES: u8 = 4;
    /// u32: milliseconds between shipments.
    pub const FLUSH_MILLIS: u8 = 5;
    /// u32: seconds between heartbeats.
    pub const HEARTBEAT_SECONDS: u8 = 6;
    /// Text, comma separated: headers to record.
    pub const HEADERS: u8 = 7;
    /// u32: least level of log lines to record, as in `proxy_log`.
    pub const LOG_LEVEL: u8 = 8;
    /// u8: 0 records nothing.
    pub const ENABLED: u8 = 9;
    /// u32: seconds between two warnings of one cause.
    pub const WARN_SECONDS: u8 = 10;
    /// u8: 1 makes every hostcall an event.
    pub const ALL_HOSTCALLS: u8 = 11;
    /// u8: 1 has the names of every stream read when its headers come.
    pub const NAME_EARLY: u8 = 12;
    /// Text: ABI version of the original, e.g. `0.2.100`.
    pub const ABI: u8 = 16;
    /// Text: `envoy` or `higress`.
    pub const HOST: u8 = 17;
    /// Text: guess of the SDK.
    pub const SDK: u8 = 18;
    /// 32 bytes: SHA-256 of the original.
    pub const ORIGINAL_SHA256: u8 = 19;
    /// u64: bit n says that the original exports the callback with number n.
    pub const CALLBACKS: u8 = 20;
    /// u8 each: numbers of the hostcalls that the original imports.
    pub const HOSTCALLS: u8 = 21;
    /// Text: version of the instrumenter.
    pub const TRACER_VERSION: u8 = 22;
    /// u32: pages that the memory may have in all, the recorder's included; absent: [`MOST_PAGES`].
    pub const MEMORY_MAXIMUM: u8 = 23;

    /// Pages of a memory at most.
    pub const MOST_PAGES: u32 = 65_536;
    /// Pages that the recorder adds to its own while it does not record everything, at most.
    pub const SKELETON_PAGES: u32 = 8;
}
