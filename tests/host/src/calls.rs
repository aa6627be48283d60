//! Calls that the VM dispatched, and the callees that answer them as the script says
//! (host-semantics §2.4).

use std::collections::VecDeque;

use crate::{Headers, Nanos, Who};

/// How a callee treats a call.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Answers.
    Answer {
        /// After this many milliseconds.
        after_millis: u64,
        /// With this status.
        status: u32,
        /// And these headers besides `:status`.
        headers: Headers,
        /// And this body.
        body: Vec<u8>,
    },
    /// Takes the connection never or closes it before headers: the host answers 503.
    ConnectFailure {
        /// After this many milliseconds.
        after_millis: u64,
    },
    /// Resets after the response began: a callback with nothing in it, status 11 "reset".
    Reset {
        /// After this many milliseconds.
        after_millis: u64,
    },
    /// Says nothing; only the call's timeout ends it.
    Never,
    /// Has no healthy host: the dispatch is refused with status 10.
    NoHealthyHost,
}

/// A cluster's callee: manners for the first calls, then one for all others.
#[derive(Clone, Debug)]
pub struct Callee {
    first: VecDeque<Manner>,
    then: Manner,
}

impl Callee {
    /// Treats all calls alike.
    pub fn always(manner: Manner) -> Callee {
        Callee { first: VecDeque::new(), then: manner }
    }

    /// Answers with a status and the body `ok`, after no time.
    pub fn answers(status: u32) -> Callee {
        Callee::always(Manner::Answer {
            after_millis: 0,
            status,
            headers: Headers::default(),
            body: b"ok".to_vec(),
        })
    }

    /// Never answers.
    pub fn never() -> Callee {
        Callee::always(Manner::Never)
    }

    /// The same, later.
    pub fn after_millis(mut self, millis: u64) -> Callee {
        match &mut self.then {
            Manner::Answer { after_millis, .. }
            | Manner::ConnectFailure { after_millis }
            | Manner::Reset { after_millis } => *after_millis = millis,
            Manner::Never | Manner::NoHealthyHost => {}
        }
        self
    }

    /// The same with this body.
    pub fn with_body(mut self, bytes: impl Into<Vec<u8>>) -> Callee {
        if let Manner::Answer { body, .. } = &mut self.then {
            *body = bytes.into();
        }
        self
    }

    /// The same with one more header.
    pub fn with_header(mut self, name: &str, value: &str) -> Callee {
        if let Manner::Answer { headers, .. } = &mut self.then {
            headers.add(name, value.as_bytes());
        }
        self
    }

    /// This manner for the first `count` calls, then as said before.
    pub fn first(mut self, count: usize, manner: Manner) -> Callee {
        self.first.extend(std::iter::repeat_n(manner, count));
        self
    }

    /// The manner for the next call.
    pub(crate) fn next(&mut self) -> Manner {
        self.first.pop_front().unwrap_or_else(|| self.then.clone())
    }
}

/// What a response callback finds.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallAnswer {
    pub headers: Headers,
    pub body: Vec<u8>,
    /// Status and message of `proxy_get_status`, where the host sets them.
    pub failure: Option<(u32, &'static str)>,
}

/// A dispatched HTTP call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its id.
    pub id: u32,
    /// The root context that gets the answer.
    pub root: u32,
    /// The context in whose name it was made.
    pub context: u32,
    /// The plugin or the recorder.
    pub by: Who,
    /// The cluster.
    pub cluster: String,
    /// Request headers.
    pub headers: Headers,
    /// Request body.
    pub body: Vec<u8>,
    /// Request trailers.
    pub trailers: Headers,
    /// Timeout, 0 for none.
    pub timeout_millis: u32,
    /// When it was dispatched.
    pub at: Nanos,
    /// When its response callback ran.
    pub answered: Option<Nanos>,
    pub(crate) answer: Option<CallAnswer>,
}

/// What becomes of a call that was accepted: after how long, and what the callback finds. `None`:
/// nothing ever comes.
pub(crate) fn outcome(manner: Manner, timeout_millis: u32) -> Option<(u64, CallAnswer)> {
    let local = |status: &str, body: &str| CallAnswer {
        headers: Headers::of(&[
            (":status", status),
            ("content-length", &body.len().to_string()),
            ("content-type", "text/plain"),
        ]),
        body: body.as_bytes().to_vec(),
        failure: None,
    };
    let (after, answer) = match manner {
        Manner::Answer { after_millis, status, headers, body } => {
            let mut all = Headers::of(&[(":status", &status.to_string())]);
            all.0.extend(headers.0);
            all.add("content-length", body.len().to_string().as_bytes());
            (Some(after_millis), CallAnswer { headers: all, body, failure: None })
        }
        Manner::ConnectFailure { after_millis } => (
            Some(after_millis),
            local(
                "503",
                "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            ),
        ),
        Manner::Reset { after_millis } => {
            (Some(after_millis), CallAnswer { failure: Some((11, "reset")), ..Default::default() })
        }
        Manner::Never | Manner::NoHealthyHost => (None, CallAnswer::default()),
    };
    let limit = (timeout_millis > 0).then_some(u64::from(timeout_millis));
    match (after, limit) {
        (Some(after), Some(limit)) if after >= limit => {
            Some((limit, local("504", "upstream request timeout")))
        }
        (Some(after), _) => Some((after, answer)),
        (None, Some(limit)) => Some((limit, local("504", "upstream request timeout"))),
        (None, None) => None,
    }
}
