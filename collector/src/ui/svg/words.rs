//! The drawing in words, for those who do not see it.

use ::timeline::Timeline;
use ::timeline::calls::Outcome;
use ::timeline::ids::Micros;

use super::holds;
use super::label;
use crate::ui::language::Language;
use crate::ui::phrases as said;
use crate::ui::words;

/// Its title.
pub fn title(timeline: &Timeline, language: Language) -> String {
    let plugin = match timeline.root.plugin.as_str() {
        "" => said::UNNAMED.of(language),
        name => name,
    };
    let stream = &timeline.stream;
    if let Some(root) = timeline.root_phrase() {
        return said::DRAWN_ROOT.with(language, &[&root]);
    }
    match (stream.method.as_str(), stream.path.as_str()) {
        ("", "") => said::DRAWN_CONTEXT.with(language, &[&timeline.context.to_string(), plugin]),
        (method, path) => said::DRAWN_REQUEST.with(language, &[method, path, plugin]),
    }
}

/// What it shows.
pub fn description(timeline: &Timeline, end: Option<Micros>, language: Language) -> String {
    let count = timeline.events.len().to_string();
    let mut sentences =
        vec![said::OVER_SPAN.with(language, &[&count, &words::span(timeline.span())])];
    for hold in holds::of(timeline) {
        let name = words::direction(hold.direction).of(language);
        sentences.push(match hold.to {
            Some(to) => said::WAS_HELD.with(language, &[name, &words::span(to.since(hold.from))]),
            None => said::IS_HELD.with(language, &[name]),
        });
    }
    for call in timeline.calls.iter().take(8) {
        let (text, special, _) = label::of_call(call, end, language);
        let stop = said::STOP.of(language);
        sentences.push(format!("{text}{}{stop}", special.unwrap_or_default()));
    }
    if let Some(end) = end {
        let after = words::span(end.since(timeline.started()));
        let whose = if timeline.is_root() { &said::ROOT_IS_OVER } else { &said::STREAM_ENDED };
        sentences.push(whose.with(language, &[&after]));
    }
    let late = timeline.calls.iter().filter(|c| matches!(c.outcome, Outcome::Late(_))).count();
    if late > 0 {
        sentences.push(said::CAME_LATE.with(language, &[&late.to_string()]));
    }
    sentences.join(language.choose(" ", ""))
}
