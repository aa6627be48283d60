//! Redis servers behind the Higress dialect. Rules: higress-group/envoy branch envoy-1.27 @e9302f55
//! `source/extensions/common/wasm/context.cc: redisInit, redisCall, onRedisCallSuccess,
//! onRedisCallFailure`; higress-group/proxy-wasm-cpp-host @913c1b0 `src/exports.cc: redis_call`.

/// How a cluster's Redis server treats queries.
#[derive(Clone, Debug)]
pub enum Redis {
    /// Answers.
    Answers {
        /// After this many milliseconds.
        after_millis: u64,
        /// With these bytes.
        bytes: Vec<u8>,
    },
    /// Loses the connection: a callback with a status that is not 0, and nothing in it.
    Loses {
        /// After this many milliseconds.
        after_millis: u64,
    },
    /// Says nothing.
    Never,
    /// Has no healthy host: the dispatch is refused with status 10.
    NoHealthyHost,
}

/// Status of a callback when the connection was lost (`RedisStatus::NetworkError`).
pub(crate) const NETWORK_ERROR: u32 = 1;

/// A query that is out.
#[derive(Clone, Debug)]
pub(crate) struct RedisCall {
    pub root: u32,
    pub status: u32,
    pub bytes: Vec<u8>,
}
