//! How the upstream treats the streams that reach it.

use crate::Headers;

/// How the upstream treats the streams that reach it.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// Answers as soon as it has the headers.
    Early {
        /// After this many milliseconds.
        after_millis: u64,
        /// The answer.
        answer: UpstreamAnswer,
    },
    /// Reads the whole request first.
    Patient {
        /// After this many milliseconds.
        after_millis: u64,
        /// The answer.
        answer: UpstreamAnswer,
    },
    /// Closes the connection when it has the headers.
    Closes {
        /// After this many milliseconds.
        after_millis: u64,
    },
    /// Never answers.
    Silent,
}

/// What an upstream answers.
#[derive(Clone, Debug, Default)]
pub struct UpstreamAnswer {
    /// Headers with `:status`.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
    /// Trailers; none if empty.
    pub trailers: Headers,
}

pub(crate) enum UpstreamStep {
    Close,
    Answer { headers: Headers, body: Vec<u8>, trailers: Headers },
}

impl UpstreamAnswer {
    fn of(status: u32, body: &str) -> UpstreamAnswer {
        UpstreamAnswer {
            headers: Headers::of(&[(":status", &status.to_string()), ("x-upstream", "yes")]),
            body: body.as_bytes().to_vec(),
            trailers: Headers::default(),
        }
    }
}

impl Default for Upstream {
    fn default() -> Upstream {
        Upstream::patient(200, "hello")
    }
}

impl Upstream {
    /// Answers at once on headers alone.
    pub fn early(status: u32, body: &str) -> Upstream {
        Upstream::Early { after_millis: 3, answer: UpstreamAnswer::of(status, body) }
    }

    /// Answers when it has read the whole request.
    pub fn patient(status: u32, body: &str) -> Upstream {
        Upstream::Patient { after_millis: 3, answer: UpstreamAnswer::of(status, body) }
    }

    /// The same with response trailers.
    pub fn with_trailers(mut self, trailers: &[(&str, &str)]) -> Upstream {
        if let Upstream::Early { answer, .. } | Upstream::Patient { answer, .. } = &mut self {
            answer.trailers = Headers::of(trailers);
        }
        self
    }

    pub(crate) fn on_headers(&self) -> bool {
        matches!(self, Upstream::Early { .. } | Upstream::Closes { .. })
    }

    pub(crate) fn after_millis(&self) -> Option<u64> {
        match self {
            Upstream::Early { after_millis, .. }
            | Upstream::Patient { after_millis, .. }
            | Upstream::Closes { after_millis } => Some(*after_millis),
            Upstream::Silent => None,
        }
    }

    pub(crate) fn step(&self) -> UpstreamStep {
        match self {
            Upstream::Early { answer, .. } | Upstream::Patient { answer, .. } => {
                UpstreamStep::Answer {
                    headers: answer.headers.clone(),
                    body: answer.body.clone(),
                    trailers: answer.trailers.clone(),
                }
            }
            Upstream::Closes { .. } | Upstream::Silent => UpstreamStep::Close,
        }
    }
}
