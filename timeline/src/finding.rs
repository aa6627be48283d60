//! What diagnoses say: verdicts, findings, evidence.

use abi::{Direction, Host, Kind};

use crate::calls::Call;
use crate::delivery::MemorySample;
use crate::event::Event;
use crate::ids::{CallId, Micros, Sequence, TimelineId};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Note,
    /// It worked this time.
    Race,
    /// Something failed, and the plugin was told.
    Failed,
    /// A request hangs or hung.
    Hung,
    /// A callback came when nothing could be done any more, or never.
    Lost,
}

impl Severity {
    /// All of them, mildest first.
    pub const ALL: [Severity; 5] =
        [Severity::Note, Severity::Race, Severity::Failed, Severity::Hung, Severity::Lost];

    /// Its word in API, metrics and texts.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Race => "race",
            Severity::Failed => "failed",
            Severity::Hung => "hung",
            Severity::Lost => "lost",
        }
    }

    /// Reads the word.
    pub fn from_name(name: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// One diagnosis' answer about one timeline at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not hold.
    Clear,
    /// It cannot be said before this time is known.
    Pending {
        /// Ask again when `known_until` is past it.
        until: Micros,
    },
    /// It holds.
    Found(Box<Finding>),
    /// Events of the window were lost, or the dialect is not known.
    Unknown {
        /// What is missing, a sentence.
        gap: String,
    },
}

/// A Found verdict with its evidence. Its key is (timeline, code, subject).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The diagnosis.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// A fact supports a cause, and is named first only where no cause explains it.
    pub is_fact: bool,
    /// What it is about.
    pub subject: Subject,
    /// One sentence: what happened, with names and numbers.
    pub headline: String,
    /// Further sentences: what proves it, in order.
    pub details: Vec<String>,
    /// The events and windows that prove it.
    pub evidence: Evidence,
    /// What to do, per host.
    pub advice: Vec<Advice>,
    /// Codes of the facts that support it.
    pub supported_by: Vec<String>,
    /// Other timelines of the same request that prove it too.
    pub timelines: Vec<TimelineId>,
    /// The samples of the VM's memory that prove it.
    pub memory: Vec<MemorySample>,
}

impl Finding {
    /// A cause, of which nothing but its headline is said yet.
    pub fn cause(code: &str, severity: Severity, subject: Subject, headline: String) -> Finding {
        Finding {
            code: code.to_owned(),
            severity,
            is_fact: false,
            subject,
            headline,
            details: Vec::new(),
            evidence: Evidence::default(),
            advice: Vec::new(),
            supported_by: Vec::new(),
            timelines: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// A fact, of which nothing but its headline is said yet.
    pub fn fact(code: &str, severity: Severity, subject: Subject, headline: String) -> Finding {
        Finding { is_fact: true, ..Finding::cause(code, severity, subject, headline) }
    }

    /// Its word in API and texts: `cause` or `fact`.
    pub fn kind(&self) -> &'static str {
        kind(self.is_fact)
    }

    /// Is it about a call?
    pub fn is_about(&self, call: &Call) -> bool {
        self.subject == Subject::Call(call.id)
    }
}

/// The word for what is a fact, and for what is not.
pub(crate) fn kind(is_fact: bool) -> &'static str {
    if is_fact { "fact" } else { "cause" }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A call.
    Call(CallId),
    /// One half of the stream.
    Direction(Direction),
    /// The whole timeline.
    Timeline,
}

impl Window {
    /// Would this event, if it lay in the window, contradict it? `from` is the one it begins with.
    pub fn excludes(&self, from: &Event, event: &Event) -> bool {
        let is_response = matches!(event.kind, Kind::Callback(callback) if callback.is_response());
        let of_another_call = from.is_dispatch() && is_response && event.call != from.call;
        self.none_of.contains(&event.kind) && !of_another_call
    }
}

/// What to do: a constant of its diagnosis, which does not compile without one of its languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// For which host; None for any.
    pub host: Option<Host>,
    /// A sentence or two.
    pub text: &'static str,
    /// The same in Chinese.
    pub text_zh: &'static str,
}

impl Advice {
    /// For any host.
    pub(crate) const fn any(text: &'static str, text_zh: &'static str) -> Advice {
        Advice::of(None, text, text_zh)
    }

    /// For one of them.
    pub(crate) const fn on(host: Host, text: &'static str, text_zh: &'static str) -> Advice {
        Advice::of(Some(host), text, text_zh)
    }

    const fn of(host: Option<Host>, text: &'static str, text_zh: &'static str) -> Advice {
        assert!(text.is_ascii() && !text.is_empty(), "an advice is said in English first");
        assert!(!text_zh.is_ascii(), "and then in Chinese");
        Advice { host, text, text_zh }
    }
}

/// What proves a finding: a test recomputes every claim from these alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Events that must exist.
    pub events: Vec<Sequence>,
    /// Windows in which something did not happen.
    pub windows: Vec<Window>,
}

/// A stretch of a timeline, in the order of its events, in which something did not happen. What was
/// done inside the invocation it begins with lies in it. If it begins with a dispatch, the response
/// callbacks it is about are those of that call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// From this event.
    pub from: Sequence,
    /// To this event, or to `known_until` at the time of the verdict.
    pub to: Option<Sequence>,
    /// `known_until` when it was said.
    pub known_until: Micros,
    /// No event of the window was lost.
    pub complete: bool,
    /// What did not happen in it.
    pub none_of: Vec<Kind>,
}
