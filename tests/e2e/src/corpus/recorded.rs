//! Timelines of the corpus kept as scripts, for `timeline`'s own tests.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use timeline::delivery::{Clock, Root};
use timeline::ids::{Entry, InstanceId, Micros, Sequence};
use timeline::script;
use timeline::timeline::Timeline;

use super::{Holding, Row};

/// Where they are kept.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../timeline/tests/recorded")
}

/// Keeps a timeline of a row, in script notation as the collector gave it: what was found stands before
/// it, and what differs from run to run (ids, ports, the time since the start) is taken away.
pub(super) fn keep(row: &Row, holding: Holding, text: &str) -> anyhow::Result<()> {
    let mut timeline = script::parse(text).context("the collector's script is not understood")?;
    normalise(&mut timeline, row.label);
    let said = |finding: &timeline::finding::Finding| {
        format!("// {} {}\n", finding.severity.name(), finding.code)
    };
    let found: String = timeline.findings.iter().map(said).collect();
    let place = folder().join(format!("{}.{}.txt", row.label, holding.name()));
    std::fs::create_dir_all(folder())?;
    Ok(std::fs::write(place, found + &script::print(&timeline))?)
}

/// Forgets what is no longer among the rows.
pub(super) fn forget_others() -> anyhow::Result<()> {
    for file in std::fs::read_dir(folder())? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        let label = name.split('.').next().unwrap_or_default();
        if super::rows().all(|row| row.label != label) {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

fn normalise(timeline: &mut Timeline, label: &str) {
    let start = timeline.started();
    let earlier = |at: Micros| Micros(at.0.saturating_sub(start.0));
    let first = timeline.events.iter().map(|event| event.sequence.0).min().unwrap_or(1) - 1;
    let entry = timeline.events.iter().map(|event| event.entry.0).min().unwrap_or(1) - 1;
    for event in &mut timeline.events {
        event.at = earlier(event.at);
        event.sequence = Sequence(event.sequence.0 - first);
        event.entry = Entry(event.entry.0 - entry);
    }
    for gap in &mut timeline.gaps {
        gap.from = Sequence(gap.from.0.saturating_sub(first));
        gap.to = Sequence(gap.to.0.saturating_sub(first));
    }
    timeline.known_until = earlier(timeline.known_until);
    timeline.instance = InstanceId([0; 16]);
    timeline.clock = Clock::default();
    timeline.revision = 0;
    let root = Root { since: Micros(0), configuration_hash: 0, ..(*timeline.root).clone() };
    timeline.root = Arc::new(root);
    label.clone_into(&mut timeline.stream.request_id);
    timeline.stream.traceparent.clear();
    timeline.stream.upstream_address =
        timeline.stream.upstream_address.take().map(|_| "upstream".to_owned());
}
