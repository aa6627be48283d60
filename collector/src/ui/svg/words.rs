//! The drawing in words, for those who do not see it.

use ::timeline::Timeline;
use ::timeline::calls::Outcome;
use ::timeline::ids::Micros;

use super::holds;
use super::label;
use crate::ui::words;

/// Its title.
pub fn title(timeline: &Timeline) -> String {
    let plugin = match timeline.root.plugin.as_str() {
        "" => "a plugin without a name",
        name => name,
    };
    let stream = &timeline.stream;
    if let Some(root) = timeline.root_phrase() {
        return format!("Timeline of the {root}");
    }
    match (stream.method.as_str(), stream.path.as_str()) {
        ("", "") => format!("Timeline of context {} in {plugin}", timeline.context),
        (method, path) => format!("Timeline of {method} {path} in {plugin}"),
    }
}

/// What it shows.
pub fn description(timeline: &Timeline, end: Option<Micros>) -> String {
    let mut sentences = vec![format!(
        "{} over {}.",
        words::count(timeline.events.len(), "event", "events"),
        words::span(timeline.span())
    )];
    for hold in holds::of(timeline) {
        let name = hold.direction.name();
        sentences.push(match hold.to {
            Some(to) => format!("The {name} was held for {}.", words::span(to.since(hold.from))),
            None => format!("The {name} is held."),
        });
    }
    for call in timeline.calls.iter().take(8) {
        let (text, special, _) = label::of_call(call, end);
        sentences.push(format!("{text}{}.", special.unwrap_or_default()));
    }
    if let Some(end) = end {
        let after = words::span(end.since(timeline.started()));
        let whose = if timeline.is_root() { "root" } else { "stream" };
        sentences.push(format!("The {whose} ended after {after}."));
    }
    let late = timeline.calls.iter().filter(|c| matches!(c.outcome, Outcome::Late(_))).count();
    if late > 0 {
        sentences.push(format!(
            "{} came after the end of the stream.",
            words::count(late, "response callback", "response callbacks")
        ));
    }
    sentences.join(" ")
}
