//! Dispatches that the host refused: what is told of them, whatever the reason.

use abi::Kind;

use super::phrases;
use crate::calls::{Call, Outcome};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::Hold;
use crate::story::{Step, Story};

/// One reason for refusals.
pub struct Rule {
    /// Code of the diagnosis.
    pub code: &'static str,
    /// Was this dispatch refused for the reason?
    pub is_it: fn(&Event) -> bool,
    /// Why the host refused it, a clause.
    pub cause: fn(&Event) -> String,
    /// May time alone have mended what was wrong with it?
    pub heals: fn(&Event) -> bool,
    /// What a later dispatch to the same cluster shows that was accepted, a clause.
    pub healed: &'static str,
    /// What to do.
    pub advice: &'static [Advice],
}

/// One finding for all dispatches of a stream that were refused for the reason.
pub fn judge(story: &Story<'_>, rule: &Rule) -> Vec<Verdict> {
    found(story, rule).into_iter().collect()
}

fn found(story: &Story<'_>, rule: &Rule) -> Option<Verdict> {
    let dispatches = || story.calls().iter().filter_map(|call| story.timeline.event(call.dispatch));
    let refused: Vec<&Event> = dispatches().filter(|e| (rule.is_it)(e)).collect();
    let first = *refused.first()?;
    let step = story.step_of(first.sequence)?;
    let phase = story.invocation(step);
    let within = phase.map(|p| format!(" in {}", phrases::name(p))).unwrap_or_default();
    let headline = format!(
        "The host refused the dispatch{}{within} (status {}): {}. No response callback will follow.",
        phrases::to_cluster(first),
        first.result,
        (rule.cause)(first)
    );
    let mut details: Vec<String> = refused.iter().map(|e| detail(e, rule)).collect();
    let mut events: Vec<_> = refused.iter().map(|e| e.sequence).collect();
    let accepted =
        dispatches().find(|e| e.result == 0 && e.text == first.text && e.order() > first.order());
    let is_told = (rule.heals)(first) && !first.lacks_text();
    if let Some(accepted) = accepted.filter(|_| is_told) {
        details.push(format!(
            "A later dispatch to the same cluster was accepted (#{}): {}.",
            accepted.sequence, rule.healed
        ));
        events.push(accepted.sequence);
    }
    let held = phase.filter(|phase| stops_for_nothing(story, step, phase, first));
    if let Some(phase) = held {
        details.push(format!(
            "The phase stopped all the same ({}), and no call of the stream was out that could resume it.",
            phrases::event(phase)
        ));
        events.push(phase.sequence);
    }
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows: Vec::new() },
        advice: phrases::advice(story.timeline.dialect.host, rule.advice),
        ..Finding::cause(rule.code, Severity::Failed, Subject::Timeline, headline)
    })))
}

fn detail(refused: &Event, rule: &Rule) -> String {
    format!(
        "The dispatch{} (#{}) was answered with status {}, without a call id: {}.",
        phrases::to_cluster(refused),
        refused.sequence,
        refused.result,
        (rule.cause)(refused)
    )
}

/// Did the phase of a refused dispatch stop, while no call was out that could bring it on?
fn stops_for_nothing(story: &Story<'_>, step: &Step, phase: &Event, refused: &Event) -> bool {
    let Kind::Callback(callback) = phase.kind else { return false };
    let Some(direction) = callback.phase().map(|phase| phase.direction()) else { return false };
    let half = step.after.of(direction);
    // A body that is still to come brings the next phase, and with it another chance.
    let stops = half.hold == Hold::All || (half.hold.is_held() && half.ended);
    let is_out = |call: &Call| {
        let pending = call.outcome == Outcome::Pending && call.entry <= refused.entry;
        pending || (call.entry == refused.entry && call.id.0 != 0) || story.was_out(call, phase)
    };
    let begun = story.timeline.events.first().map_or(refused.sequence, |e| e.sequence);
    stops && !story.calls().iter().any(is_out) && story.gap(begun, Some(phase.sequence)).is_none()
}
