//! Asking the diagnoses: what a diagnosis is, and one timeline's verdicts at one instant.

use abi::Kind;

use crate::finding::{self, Finding, Severity, Subject, Verdict};
use crate::ids::Micros;
use crate::registry::{DIAGNOSES, TRIGGERS};
use crate::story::Story;
use crate::timeline::{PendingVerdict, Timeline, UnknownVerdict};

/// When a verdict is asked for. Both on the instance's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Now, as far as arrivals tell.
    pub now: Micros,
    /// Up to here the events are complete but for the gaps.
    pub known_until: Micros,
}

impl Instant {
    /// The instant at which nothing is known beyond what has happened.
    pub fn at(known_until: Micros) -> Instant {
        Instant { now: known_until, known_until }
    }
}

/// A named explanation the project knows: a file of constants, a text and a predicate.
#[derive(Clone, Copy, Debug)]
pub struct Diagnosis {
    /// Its name: kebab-case, public API, the name of its file.
    pub code: &'static str,
    /// One line for lists.
    pub title: &'static str,
    /// The same in Chinese.
    pub title_zh: &'static str,
    /// The worst it can be.
    pub severity: Severity,
    /// A fact supports a cause, and is named first only where no cause explains it.
    pub is_fact: bool,
    /// Markdown under the fixed headings.
    pub explanation: &'static str,
    /// The same in Chinese.
    pub explanation_zh: &'static str,
    /// Public threads that it is known from, as `owner/repository#number`. Empty: none is known.
    pub known_from: &'static [&'static str],
    /// A timeline in script notation that must trigger it.
    pub example: &'static str,
    /// Timelines that look like it and must not trigger it.
    pub near_misses: &'static [NearMiss],
    /// Codes of facts and other diagnoses that its example triggers too.
    pub overlaps: &'static [&'static str],
    /// Does it ever argue from something that did not happen?
    pub argues_from_absence: bool,
    /// Does it speak of roots too? All others are about streams alone.
    pub about_roots: bool,
    /// Why it cannot tell where Envoy's own trace log is all there is and it finds nothing; None from it:
    /// there is nothing to find. None here: it needs nothing that the log lacks.
    pub unknown_in_log: Option<fn(&Story<'_>) -> Option<&'static str>>,
    /// Events of these kinds, without at least one of which in the timeline it cannot hold. It is asked
    /// only then, and only when the timeline was touched, is closed, or a moment has come that one of
    /// its own verdicts named ([`Verdict::Pending`]).
    pub triggers: &'static [Kind],
    /// Its verdicts about a timeline: one for each subject; none is Clear.
    pub judge: fn(&Story<'_>) -> Vec<Verdict>,
}

impl Diagnosis {
    /// Its word in API and texts: `cause` or `fact`.
    pub fn kind(&self) -> &'static str {
        finding::kind(self.is_fact)
    }

    /// The threads that it is known from, each with its address.
    pub fn threads(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.known_from.iter().filter_map(|thread| {
            let (repository, number) = thread.split_once('#')?;
            Some((*thread, format!("https://github.com/{repository}/issues/{number}")))
        })
    }
}

/// A timeline that looks like a diagnosis and is none.
#[derive(Clone, Copy, Debug)]
pub struct NearMiss {
    /// Why it is none: reads well after "silent, because".
    pub because: &'static str,
    /// The timeline in script notation.
    pub script: &'static str,
}

/// What the diagnoses say of one timeline at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// What was found, worst first, causes before facts.
    pub findings: Vec<Finding>,
    /// What cannot be said yet.
    pub pending: Vec<PendingVerdict>,
    /// What cannot be said because something is missing.
    pub unknown: Vec<UnknownVerdict>,
}

impl Verdicts {
    /// Is it what is said of the timeline, although time has passed? Then it is left alone, since it is
    /// shared with who shows it.
    pub(crate) fn stand(&self, timeline: &Timeline) -> bool {
        self.findings == timeline.findings && self.unknown == timeline.unknown
    }
}

/// Asks every diagnosis that the timeline's events make worth asking.
pub fn diagnose(timeline: &Timeline, instant: Instant) -> Verdicts {
    let mut verdicts = Verdicts::default();
    // A root's life begins with it, recorded or not.
    let create = Kind::Callback(abi::Callback::ContextCreate);
    let begin = (timeline.is_root() && !timeline.is_errand()).then_some(create);
    let kinds = timeline.events.iter().map(|e| e.kind).chain(begin);
    let seen = kinds.fold(Kinds::of(&[]), Kinds::with);
    let is_root = timeline.is_root();
    let due = DIAGNOSES.iter().zip(TRIGGERS).filter(|(_, triggers)| triggers.meet(seen));
    let mut asked = due.map(|(d, _)| d).filter(|d| !is_root || d.about_roots).peekable();
    if asked.peek().is_none() {
        return verdicts;
    }
    let story = Story::of(timeline, instant);
    for diagnosis in asked {
        let mut judged = (diagnosis.judge)(&story);
        if judged.is_empty() && timeline.module.is_of_a_log() {
            let why = diagnosis.unknown_in_log.and_then(|why| why(&story));
            judged.extend(why.map(|why| Verdict::Unknown { gap: why.to_owned() }));
        }
        for verdict in judged {
            match verdict {
                Verdict::Clear => {}
                Verdict::Found(finding) => verdicts.findings.push(*finding),
                Verdict::Pending { until } => {
                    verdicts.pending.push(PendingVerdict { code: diagnosis.code, until });
                }
                Verdict::Unknown { gap } => {
                    verdicts.unknown.push(UnknownVerdict { code: diagnosis.code, gap });
                }
            }
        }
    }
    crate::registry::precedence::settle(&story, &mut verdicts.findings);
    rank(&mut verdicts.findings);
    verdicts
}

/// A set of kinds, a bit each; those that this version does not know share the last one.
#[derive(Clone, Copy)]
pub(crate) struct Kinds(u128);

impl Kinds {
    /// These.
    pub(crate) const fn of(kinds: &[Kind]) -> Kinds {
        let (mut set, mut at) = (Kinds(0), 0);
        while at < kinds.len() {
            set = set.with(kinds[at]);
            at += 1;
        }
        set
    }

    const fn with(self, kind: Kind) -> Kinds {
        let number = kind.number();
        Kinds(self.0 | 1 << if number < 127 { number } else { 127 })
    }

    fn meet(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }
}

/// Tells each cause which facts support it, and puts the findings in their order: the worst first, a
/// cause before a fact, and after all causes the facts that one explains which is as bad.
fn rank(findings: &mut [Finding]) {
    if findings.len() < 2 {
        return;
    }
    findings.sort_by_key(|f| f.is_fact);
    let (causes, facts) = findings.split_at_mut(findings.partition_point(|f| !f.is_fact));
    let mut explained: Vec<(&'static str, Subject)> = Vec::new();
    for fact in &*facts {
        for cause in causes.iter_mut().filter(|cause| supports(fact, cause)) {
            if !cause.supported_by.contains(&fact.code) {
                cause.supported_by.push(fact.code.clone());
            }
            if cause.severity >= fact.severity {
                explained.extend(crate::registry::find(&fact.code).map(|d| (d.code, fact.subject)));
            }
        }
    }
    findings.sort_by_key(|f| {
        let is_explained = explained.iter().any(|(code, of)| *code == f.code && *of == f.subject);
        (is_explained, std::cmp::Reverse(f.severity), f.is_fact)
    });
}

/// A fact supports a cause when both cite an event, and are not about two different calls.
fn supports(fact: &Finding, cause: &Finding) -> bool {
    let two_calls = match (fact.subject, cause.subject) {
        (Subject::Call(a), Subject::Call(b)) => a != b,
        _ => false,
    };
    let mut events = fact.evidence.events.iter();
    !two_calls && events.any(|e| cause.evidence.events.contains(e))
}
