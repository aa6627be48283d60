//! gRPC services that answer calls and streams as the script says (`envoy Context::grpcCall`,
//! `grpcStream` and the wrappers around their four callbacks, host-semantics §2.4).

use std::collections::VecDeque;

use crate::Headers;

/// Status of a call that found nobody, or whose time ran out (`httpToGrpcStatus` of 503 and 504).
const UNAVAILABLE: u32 = 14;

/// How a cluster's gRPC service treats calls and streams.
#[derive(Clone, Debug)]
pub enum Service {
    /// Answers a call with one message; a stream with initial metadata, then each message sent comes
    /// back, and when the plugin has ended its side trailing metadata and status 0.
    Answers {
        /// After this many milliseconds, each time.
        after_millis: u64,
        /// The message that answers a call.
        message: Vec<u8>,
    },
    /// Ends calls and streams with this status.
    Fails {
        /// After this many milliseconds.
        after_millis: u64,
        /// gRPC status.
        status: u32,
        /// Its message.
        message: String,
    },
    /// Says nothing; only a call's timeout ends it.
    Never,
    /// Has no healthy host: the dispatch is refused with status 10, and yet a close comes, with an id
    /// that the plugin never learned.
    NoHealthyHost,
}

/// One thing that a service does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    InitialMetadata(Headers),
    Message(Vec<u8>),
    TrailingMetadata(Headers),
    Close(u32, String),
}

/// A gRPC call or stream that is open on the host's side.
#[derive(Clone, Debug)]
pub(crate) struct GrpcCall {
    pub root: u32,
    pub is_stream: bool,
    pub service: Service,
    /// What comes next, each with the milliseconds before it.
    pub coming: VecDeque<(u64, Step)>,
    pub local_closed: bool,
    pub remote_closed: bool,
}

impl GrpcCall {
    /// A call to this service.
    pub fn call(root: u32, service: Service, timeout_millis: u32) -> GrpcCall {
        let timed_out = || Step::Close(UNAVAILABLE, "upstream request timeout".into());
        let planned = match &service {
            Service::Answers { after_millis, message } => {
                Some((*after_millis, Step::Message(message.clone())))
            }
            Service::Fails { after_millis, status, message } => {
                Some((*after_millis, Step::Close(*status, message.clone())))
            }
            Service::Never | Service::NoHealthyHost => None,
        };
        let limit = u64::from(timeout_millis);
        let step = match planned {
            Some((after, _)) if limit > 0 && after >= limit => Some((limit, timed_out())),
            None if limit > 0 => Some((limit, timed_out())),
            planned => planned,
        };
        GrpcCall::new(root, false, service, step)
    }

    /// A stream to this service.
    pub fn stream(root: u32, service: Service) -> GrpcCall {
        let step = match &service {
            Service::Answers { after_millis, .. } => {
                let metadata = Headers::of(&[(":status", "200"), ("x-service", "yes")]);
                Some((*after_millis, Step::InitialMetadata(metadata)))
            }
            Service::Fails { after_millis, status, message } => {
                Some((*after_millis, Step::Close(*status, message.clone())))
            }
            Service::Never | Service::NoHealthyHost => None,
        };
        GrpcCall::new(root, true, service, step)
    }

    fn new(root: u32, is_stream: bool, service: Service, step: Option<(u64, Step)>) -> GrpcCall {
        GrpcCall {
            root,
            is_stream,
            service,
            coming: step.into_iter().collect(),
            local_closed: false,
            remote_closed: false,
        }
    }

    /// The plugin sends a message: what comes of it.
    pub fn sent(&mut self, message: &[u8], end: bool) {
        let Service::Answers { after_millis, .. } = self.service else { return };
        self.coming.push_back((after_millis, Step::Message(message.to_vec())));
        if end {
            let trailers = Headers::of(&[("grpc-status", "0")]);
            self.coming.push_back((0, Step::TrailingMetadata(trailers)));
            self.coming.push_back((0, Step::Close(0, String::new())));
        }
    }

    /// The close that comes although the dispatch was refused.
    pub fn refused() -> Step {
        Step::Close(UNAVAILABLE, "no healthy upstream".into())
    }
}
