//! What is a reason to fail: severities and codes, and which findings of them came.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use timeline::finding::Severity;

use super::Update;
use super::known::Known;
use crate::commands::explain;

/// Severities and codes, `lost,hung,call-timeout`.
#[derive(Clone, Debug, Default)]
pub struct Reasons {
    severities: BTreeSet<Severity>,
    codes: BTreeSet<&'static str>,
}

/// One word of them.
#[derive(Clone, Copy, Debug)]
pub enum Reason {
    /// Any finding so bad.
    Severity(Severity),
    /// Any finding of a diagnosis.
    Code(&'static str),
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(word: &str) -> Result<Reason, String> {
        if let Some(severity) = Severity::from_name(word) {
            return Ok(Reason::Severity(severity));
        }
        if let Some(diagnosis) = explain::diagnosis(word) {
            return Ok(Reason::Code(diagnosis.code));
        }
        let severities: Vec<&str> = Severity::ALL.iter().rev().map(|s| s.name()).collect();
        Err(format!(
            "it is neither a severity ({}) nor the code of a diagnosis (`wasm-tracer explain` lists them)",
            severities.join(", ")
        ))
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(words: I) -> Reasons {
        let mut reasons = Reasons::default();
        for word in words {
            match word {
                Reason::Severity(severity) => _ = reasons.severities.insert(severity),
                Reason::Code(code) => _ = reasons.codes.insert(code),
            }
        }
        reasons
    }
}

impl Reasons {
    fn has(&self, code: &str, severity: &str) -> bool {
        self.codes.contains(code)
            || Severity::from_name(severity).is_some_and(|s| self.severities.contains(&s))
    }
}

/// A finding that came.
#[derive(Clone, Debug)]
pub struct Came {
    /// What it is from run to run.
    pub what: Known,
    /// How bad.
    pub severity: String,
    /// What happened.
    pub headline: String,
    /// Is it a reason to fail?
    pub fails: bool,
}

/// What came, as it is now: an open timeline's findings may be withdrawn.
#[derive(Debug, Default)]
pub struct Watch {
    reasons: Reasons,
    known: BTreeSet<Known>,
    timelines: BTreeMap<String, Vec<Came>>,
}

impl Watch {
    /// Looks for these, but for the known ones.
    pub fn new(reasons: Reasons, known: BTreeSet<Known>) -> Watch {
        Watch { reasons, known, timelines: BTreeMap::new() }
    }

    /// Takes the state of a timeline.
    pub fn take(&mut self, update: &Update) {
        let came = update.findings.iter().map(|finding| {
            let about = match &finding.cluster {
                Some(cluster) => format!("call to {cluster}"),
                // Call ids are of one run.
                None => finding.subject.split(' ').next().unwrap_or_default().to_owned(),
            };
            let what = Known { plugin: update.plugin.clone(), code: finding.code.clone(), about };
            let fails = self.reasons.has(&finding.code, &finding.severity);
            let fails = fails && !self.known.contains(&what);
            let (severity, headline) = (finding.severity.clone(), finding.headline.clone());
            Came { what, severity, headline, fails }
        });
        let came: Vec<Came> = came.collect();
        match came.is_empty() {
            true => _ = self.timelines.remove(&update.id),
            false => _ = self.timelines.insert(update.id.clone(), came),
        }
    }

    /// Reasons to fail, each once with a timeline that shows it and how many do.
    pub fn failing(&self) -> Vec<(&Came, &str, usize)> {
        let mut failing: BTreeMap<&Known, (&Came, &str, usize)> = BTreeMap::new();
        for (id, came) in &self.timelines {
            for came in came.iter().filter(|came| came.fails) {
                failing.entry(&came.what).or_insert((came, id, 0)).2 += 1;
            }
        }
        failing.into_values().collect()
    }

    /// All that came, and what was known before.
    pub fn all(&self) -> BTreeSet<Known> {
        let came = self.timelines.values().flatten().map(|came| came.what.clone());
        self.known.iter().cloned().chain(came).collect()
    }
}
