//! Several timelines in one text: a line `---` stands between them. Where texts were put one behind the
//! other without it, the next timeline begins where a line `instance` comes again.

use super::{ScriptError, parse, print};
use crate::timeline::Timeline;

/// Stands between timelines.
pub const BETWEEN: &str = "---";

/// Writes timelines so that [`parse_all`] gives them back.
pub fn print_all<'a>(timelines: impl IntoIterator<Item = &'a Timeline>) -> String {
    let texts: Vec<String> = timelines.into_iter().map(print).collect();
    texts.join(&format!("{BETWEEN}\n"))
}

/// Reads the timelines of a text, each assessed at its `known_until`.
///
/// # Errors
/// With the number of the line in the whole text, and what was wrong with it. A text without a timeline is
/// one too.
pub fn parse_all(text: &str) -> Result<Vec<Timeline>, ScriptError> {
    let mut timelines = Vec::new();
    let mut part = Part::default();
    for (number, line) in text.lines().enumerate() {
        let is_between = line.trim() == BETWEEN;
        if is_between || (part.has_instance && is_instance(line)) {
            let whole = std::mem::replace(&mut part, Part { first: number, ..Part::default() });
            timelines.push(whole.read()?);
        }
        // A line of its own keeps the numbers right.
        part.text += if is_between { "" } else { line };
        part.text.push('\n');
        part.says_something |= is_between || says_something(line);
        part.has_instance |= is_instance(line);
    }
    if part.says_something {
        timelines.push(part.read()?);
    }
    if timelines.is_empty() {
        let what = "no timeline stands here; lines like `0.000000 #1 create 2 root 1` are expected";
        return Err(ScriptError { line: 1, what: what.to_owned() });
    }
    Ok(timelines)
}

/// The lines of one timeline.
#[derive(Default)]
struct Part {
    /// Lines before it.
    first: usize,
    text: String,
    says_something: bool,
    has_instance: bool,
}

impl Part {
    fn read(self) -> Result<Timeline, ScriptError> {
        parse(&self.text).map_err(|e| ScriptError { line: e.line + self.first, what: e.what })
    }
}

fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

fn is_instance(line: &str) -> bool {
    line.split_whitespace().next() == Some("instance")
}
