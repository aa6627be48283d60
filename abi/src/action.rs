//! Phases, actions and what a host makes of an action (host-semantics §1.3).

use crate::{Callback, Dialect, HeadersStop};

/// A callback that returns an action, seen as a step of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Request headers.
    RequestHeaders,
    /// Request metadata (HTTP/2).
    RequestMetadata,
    /// Request body.
    RequestBody,
    /// Request trailers.
    RequestTrailers,
    /// Response headers.
    ResponseHeaders,
    /// Response metadata (HTTP/2).
    ResponseMetadata,
    /// Response body.
    ResponseBody,
    /// Response trailers.
    ResponseTrailers,
    /// TCP: new connection.
    NewConnection,
    /// TCP: bytes from downstream.
    DownstreamData,
    /// TCP: bytes from upstream.
    UpstreamData,
}

/// Which half of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Towards the upstream.
    Request,
    /// Towards the client.
    Response,
}

impl Direction {
    /// Its name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Request => "request",
            Direction::Response => "response",
        }
    }

    /// The callback that brings its body.
    pub fn body(self) -> Callback {
        match self {
            Direction::Request => Callback::RequestBody,
            Direction::Response => Callback::ResponseBody,
        }
    }
}

impl Phase {
    /// The half of the stream it belongs to.
    pub fn direction(self) -> Direction {
        match self {
            Phase::RequestHeaders
            | Phase::RequestMetadata
            | Phase::RequestBody
            | Phase::RequestTrailers
            | Phase::NewConnection
            | Phase::DownstreamData => Direction::Request,
            _ => Direction::Response,
        }
    }

    /// Is it a headers phase?
    pub fn is_headers(self) -> bool {
        matches!(self, Phase::RequestHeaders | Phase::ResponseHeaders)
    }
}

/// What the host does about an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EffectiveAction {
    /// Goes on.
    Continue,
    /// Holds headers or trailers; the body phase is called and can release them.
    StopIteration,
    /// Holds the body, keeps all of it; too much is answered 413 or 500.
    StopIterationAndBuffer,
    /// Holds the body, stops reading at the limit.
    StopIterationAndWatermark,
    /// Holds the body, keeps nothing.
    StopIterationNoBuffer,
    /// Holds everything, keeps the body.
    StopAllIterationAndBuffer,
    /// Holds everything, stops reading at the limit.
    StopAllIterationAndWatermark,
    /// Holds, as StopIteration or as StopAll: the dialect is not known.
    StopUnknown,
}

impl EffectiveAction {
    /// Does it go on?
    pub fn is_continue(self) -> bool {
        self == EffectiveAction::Continue
    }

    /// Its name in Envoy's words.
    pub fn name(self) -> &'static str {
        match self {
            EffectiveAction::Continue => "Continue",
            EffectiveAction::StopIteration => "StopIteration",
            EffectiveAction::StopIterationAndBuffer => "StopIterationAndBuffer",
            EffectiveAction::StopIterationAndWatermark => "StopIterationAndWatermark",
            EffectiveAction::StopIterationNoBuffer => "StopIterationNoBuffer",
            EffectiveAction::StopAllIterationAndBuffer => "StopAllIterationAndBuffer",
            EffectiveAction::StopAllIterationAndWatermark => "StopAllIterationAndWatermark",
            EffectiveAction::StopUnknown => "StopIteration or StopAllIterationAndWatermark",
        }
    }
}

/// What the host makes of the number that a phase returned.
///
/// `replied`: `proxy_send_local_response` was called in this same invocation, which stops the chain
/// whatever the number says. Source: proxy-wasm-cpp-host
/// `src/context.cc: convertVmCallResultToFilter{Headers,Data,Trailers}Status`, then Envoy
/// `convertFilter*Status`.
pub fn effective_action(
    phase: Phase,
    raw: u32,
    replied: bool,
    dialect: Dialect,
) -> EffectiveAction {
    use EffectiveAction::*;
    match phase {
        Phase::RequestMetadata | Phase::ResponseMetadata => Continue,
        Phase::RequestHeaders | Phase::ResponseHeaders => match raw {
            _ if replied => StopAllIterationAndWatermark,
            // 2 is ContinueAndEndStream, for which Envoy has no case.
            0 | 2 => Continue,
            1 => match dialect.headers_stop {
                HeadersStop::Iteration => StopIteration,
                HeadersStop::All => StopAllIterationAndWatermark,
                HeadersStop::Unknown => StopUnknown,
            },
            3 => StopAllIterationAndBuffer,
            _ => StopAllIterationAndWatermark,
        },
        Phase::RequestBody | Phase::ResponseBody => match raw {
            _ if replied => StopIterationNoBuffer,
            0 => Continue,
            1 => StopIterationAndBuffer,
            2 => StopIterationAndWatermark,
            _ => StopIterationNoBuffer,
        },
        Phase::RequestTrailers | Phase::ResponseTrailers => match raw {
            0 if !replied => Continue,
            _ => StopIteration,
        },
        Phase::NewConnection | Phase::DownstreamData | Phase::UpstreamData => match raw {
            0 => Continue,
            _ => StopIteration,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AbiVersion, Host};

    #[test]
    fn one_from_headers_means_what_the_dialect_says() {
        let of = |host, abi| {
            let dialect = Dialect::from_tables(Some(host), Some(abi));
            effective_action(Phase::RequestHeaders, 1, false, dialect)
        };
        assert_eq!(of(Host::Higress, AbiVersion::V0_2_100), EffectiveAction::StopIteration);
        assert_eq!(
            of(Host::Higress, AbiVersion::V0_2_1),
            EffectiveAction::StopAllIterationAndWatermark
        );
        assert_eq!(of(Host::Envoy, AbiVersion::V0_2_1), EffectiveAction::StopUnknown);
        let seen = Dialect::from_tables(Some(Host::Envoy), Some(AbiVersion::V0_2_1))
            .calibrate(HeadersStop::All);
        assert_eq!(
            effective_action(Phase::ResponseHeaders, 1, false, seen),
            EffectiveAction::StopAllIterationAndWatermark
        );
    }

    #[test]
    fn two_from_headers_continues_and_a_local_response_stops() {
        let dialect = Dialect::from_tables(Some(Host::Envoy), Some(AbiVersion::V0_2_1));
        assert!(effective_action(Phase::RequestHeaders, 2, false, dialect).is_continue());
        assert!(!effective_action(Phase::RequestHeaders, 0, true, dialect).is_continue());
        assert!(!effective_action(Phase::RequestBody, 0, true, dialect).is_continue());
        assert!(effective_action(Phase::RequestMetadata, 1, true, dialect).is_continue());
    }
}
