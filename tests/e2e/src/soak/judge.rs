//! Every stored timeline against the row that its label names.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context;
use serde_json::Value;
use timeline::finding::Severity;

use crate::collector::{Collector, Finding, is_closed};
use crate::corpus::{Expected, Holding, Row, Seen, rows};

/// A stored timeline, as far as it is judged.
pub(super) struct Judged {
    pub(super) id: String,
    /// Of a stream, not of a root.
    pub(super) is_stream: bool,
    pub(super) is_closed: bool,
    pub(super) plugin: String,
    pub(super) instance: String,
    pub(super) context: u32,
    pub(super) path: String,
    pub(super) request_id: String,
    pub(super) findings: Vec<Finding>,
}

/// What a diagnosis found, and what it was to find.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Timelines that have it.
    pub expected: u64,
    /// Where it was found.
    pub found: u64,
    /// Both.
    pub right: u64,
    /// Of these it is said that it cannot be known.
    pub unknown: u64,
}

/// The tallies of all diagnoses.
#[derive(Debug, Default)]
pub struct Score {
    tallies: BTreeMap<String, Tally>,
    timelines: u64,
    /// Findings that a busy machine added.
    busy: u64,
    /// Streams without a label.
    nameless: u64,
}

/// How a timeline compares with its row.
pub(super) enum Verdict {
    Right,
    /// Something was not found, and nothing else was.
    Missing,
    /// Something was found that is not so.
    Wrong,
}

/// All stored timelines, one after the other.
pub(super) fn every_timeline(
    collector: &Collector,
    mut each: impl FnMut(Judged) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut cursor = String::new();
    loop {
        let list = collector.json(&format!("/api/v1/timelines?limit=500{cursor}"))?;
        for timeline in list["timelines"].as_array().context("a list of timelines")? {
            each(Judged::of(timeline)?)?;
        }
        match list["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}

/// Holds all stored timelines of a run that is no row's against what must be found of each; answers those
/// of which something else is.
pub(super) fn every(
    collector: &Collector,
    score: &mut Score,
    mut expected: impl FnMut(&Judged) -> Expected,
) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    every_timeline(collector, |timeline| {
        let expected = expected(&timeline);
        if !score.count(&timeline.findings, expected) {
            let shown = shown(collector, &timeline)?;
            wrong.push(format!("wanted {expected:?}, not what stands here\n{shown}"));
        }
        Ok(())
    })?;
    Ok(wrong)
}

/// It as a person wants to see it, with its script.
pub(super) fn shown(collector: &Collector, timeline: &Judged) -> anyhow::Result<String> {
    let script = collector.script(&timeline.id)?;
    let said = |f: &Finding| format!("{} {}: {}\n", f.severity, f.code, f.headline);
    let found: String = timeline.findings.iter().map(said).collect();
    Ok(format!("{} through {}\n{found}{script}", timeline.path, timeline.plugin))
}

impl Judged {
    /// Has it the label of a row?
    pub(super) fn is_named(&self) -> bool {
        self.is_stream && !self.path.is_empty()
    }

    fn of(timeline: &Value) -> anyhow::Result<Self> {
        let text = |name: &str| timeline[name].as_str().unwrap_or_default().to_owned();
        let context = timeline["context"].as_u64().context("a timeline has a context")?;
        Ok(Self {
            id: text("id"),
            is_stream: timeline["kind"] == "stream",
            is_closed: is_closed(timeline),
            plugin: text("plugin"),
            instance: text("instance"),
            context: context.try_into()?,
            path: text("path"),
            request_id: text("request_id"),
            findings: Finding::all(timeline),
        })
    }
}

impl Judged {
    /// Has its client gone, and its host not noticed?
    pub(super) fn is_open_without_client(&self, seen: Seen) -> bool {
        !self.is_closed && seen.gave_up()
    }

    /// No row does anything wrong with a root. A module for a host that calls the body phase shows after a
    /// while, if its streams do, that another one does not.
    pub(super) fn expected_of_root(&self) -> Expected {
        const SHOWN: Expected = &[("host-dialect-mismatch", "race")];
        let holds_all = Holding::of_listener(&self.plugin) == Some(Holding::All);
        let is_shown = self.findings.iter().any(|finding| finding.code == SHOWN[0].0);
        if holds_all && is_shown { SHOWN } else { &[] }
    }
}

impl Score {
    /// Holds a timeline against its row. Where events were lost it may be called less bad than it was, and so
    /// may what has not ended: the host does not always notice that a client has gone.
    pub(super) fn judge(
        &mut self,
        timeline: &Judged,
        row: &Row,
        seen: Seen,
        is_lossy: bool,
    ) -> anyhow::Result<Verdict> {
        let holding = Holding::of_listener(&timeline.plugin).context("a plugin of the corpus")?;
        let expected = row.expected_of(holding, seen);
        self.timelines += 1;
        let is_less = is_lossy || timeline.is_open_without_client(seen);
        let mut is_right = true;
        let mut right = 0;
        for finding @ Finding { code, .. } in &timeline.findings {
            let severity = seen.severity(finding);
            if row.is_busy_machine(holding, seen, finding) {
                self.busy += 1;
                continue;
            }
            let of = expected.iter().find(|(expected, _)| expected == code);
            if of.is_none() && is_lossy && stands_in(code, expected) {
                continue;
            }
            let is_so = of.is_some_and(|(_, worst)| {
                severity == *worst || is_less && badness(severity) < badness(worst)
            });
            let tally = self.tallies.entry(code.clone()).or_default();
            tally.found += 1;
            tally.right += u64::from(is_so);
            right += usize::from(is_so);
            is_right &= is_so;
        }
        self.expects(expected);
        let is_whole = right == expected.len();
        Ok(match (is_right, is_whole) {
            (false, _) => Verdict::Wrong,
            (true, true) => Verdict::Right,
            (true, false) => Verdict::Missing,
        })
    }

    /// Holds a stream that has not ended, and has no name before, against what its plugin may do: a proxy
    /// that was told to read no further does not see either that the client has gone.
    pub(super) fn judge_nameless(&mut self, timeline: &Judged) -> Verdict {
        self.nameless += 1;
        let Some(holding) = Holding::of_listener(&timeline.plugin) else { return Verdict::Wrong };
        let of_plugin = rows().filter(|row| row.listener(holding) == timeline.plugin);
        let may_be: Vec<_> = of_plugin.flat_map(|row| row.expected(holding)).collect();
        let is_so = |f: &Finding| may_be.iter().any(|(code, _)| *code == f.code);
        if !timeline.is_closed && timeline.findings.iter().all(is_so) {
            Verdict::Right
        } else {
            Verdict::Wrong
        }
    }

    /// Holds findings against what must be found, in a run that is no row's; whether it is just that.
    pub(super) fn count(&mut self, findings: &[Finding], expected: Expected) -> bool {
        let is_so = |f: &Finding| expected.contains(&(&*f.code, &*f.severity));
        let (busy, findings): (Vec<_>, Vec<_>) =
            findings.iter().partition(|finding| Seen::NOTHING.is_busy_machine(finding, expected));
        self.busy += busy.len() as u64;
        for finding in &findings {
            let tally = self.tallies.entry(finding.code.clone()).or_default();
            tally.found += 1;
            tally.right += u64::from(is_so(finding));
        }
        self.expects(expected);
        self.timelines += 1;
        findings.len() == expected.len() && findings.into_iter().all(is_so)
    }

    /// Counts what was to be found.
    pub(super) fn expects(&mut self, expected: Expected) {
        for (code, _) in expected {
            self.tallies.entry((*code).to_owned()).or_default().expected += 1;
        }
    }

    /// Counts what is said to be unknown of a timeline.
    pub(super) fn ask_what_is_unknown(
        &mut self,
        collector: &Collector,
        timeline: &Judged,
    ) -> anyhow::Result<()> {
        let timeline = collector.json(&format!("/api/v1/timelines/{}", timeline.id))?;
        for unknown in timeline["unknown"].as_array().context("a timeline says it")? {
            let code = unknown["code"].as_str().unwrap_or_default().to_owned();
            self.tallies.entry(code).or_default().unknown += 1;
        }
        Ok(())
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Score { timelines, busy, nameless, .. } = self;
        writeln!(
            f,
            "{timelines} timelines judged, and {nameless} of streams that have not ended and have no name; \
             {busy} slow callbacks are the machine's, not a row's"
        )?;
        writeln!(
            f,
            "{:<38}{:>9}{:>9}{:>9}{:>11}{:>9}",
            "diagnosis", "expected", "found", "unknown", "precision", "recall"
        )?;
        for (code, tally) in &self.tallies {
            let Tally { expected, found, unknown, .. } = tally;
            let [precision, recall] = [found, expected].map(|of| share(tally.right, *of));
            writeln!(f, "{code:<38}{expected:>9}{found:>9}{unknown:>9}{precision:>11}{recall:>9}")?;
        }
        Ok(())
    }
}

/// Is it what is told of a call that failed, where what became of its request is among the lost?
fn stands_in(code: &str, expected: Expected) -> bool {
    ["call-connect-failure", "call-timeout"].contains(&code)
        && expected.iter().any(|(expected, _)| *expected == "callback-failure-unhandled")
}

/// More is worse.
fn badness(severity: &str) -> Option<Severity> {
    Severity::from_name(severity)
}

/// Cut, not rounded: what is shown as 1 is 1.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let share = part * 10_000 / whole;
    format!("{}.{:04}", share / 10_000, share % 10_000)
}
