//! Script notation: a timeline as text, one event a line.
//!
//! ```text
//! request "r-1" method "POST" path "/pay"
//! known_until 5.000000
//! 0.000000 #11 create 2 root 1
//! 0.000113 #12 request_headers 2 n=10 -> continue
//! 0.001870 #13 request_body 2 size=14 end -> pause
//! 0.001902 #14   dispatch http "slow" timeout=5s -> ok call 4
//! 2.002377 #19 http_call_response root 1 call 4 headers=3 body=2
//! ```
//!
//! A note of the plugin's own is a line `annotation "key=value"`. An event line is: seconds, `#` and sequence, name, context (`root N` where the host calls with a
//! root's), `call N`, arguments by name, text in quotes, `->` and what was returned, then what is
//! seldom (`-> (unfinished)`: it was open when its VM trapped): `took=32us`, `entry=7` (else an invocation counts one up and a hostcall belongs to the
//! invocation above), `ctx=2`, marks (`+nested`). Other lines are the header. `//` starts a comment.
//! Where several timelines stand in one text a line `---` stands between them.

mod file;
mod names;
mod parse;
mod print;
mod tokens;

use crate::ids::Micros;
use crate::timeline::Timeline;

pub use file::{BETWEEN, parse_all, print_all};
pub use parse::parse;

/// A line that is no script notation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ScriptError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What was wrong and what would be right.
    pub what: String,
}

/// Writes a timeline without what follows from the rest of it: calls and verdicts.
pub fn print(timeline: &Timeline) -> String {
    let mut out = String::new();
    print::header(&mut out, timeline);
    print::events(&mut out, &timeline.events);
    out
}

/// A time as seconds to the microsecond, as in script notation.
pub fn seconds(at: Micros) -> String {
    format!("{}.{:06}", at.0 / 1_000_000, at.0 % 1_000_000)
}

/// One event as a line of script notation, without its line end.
pub fn event_line(event: &crate::event::Event) -> String {
    let mut out = String::new();
    print::event(&mut out, event, None);
    out
}

#[cfg(test)]
mod tests;
