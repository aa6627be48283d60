//! What a plugin that trapped leaves behind: the invocations that were open, and the last words.
//!
//! A trap takes the VM with it, so nothing that comes later contradicts the black box, unless the VM
//! lives on after all: then it is withdrawn ([`crate::Instance`]).

use abi::{Hostcall, Kind};

use crate::delivery::OpenInvocation;
use crate::event::{Event, Marks, without_last_zeros};
use crate::ids::{Micros, Sequence};

/// What a plugin wrote when it panicked, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panic {
    /// What went wrong, one line.
    pub message: String,
    /// `src/lib.rs:12:5`; None if the text names no place.
    pub place: Option<String>,
}

impl Panic {
    /// Reads the last lines of standard output and error, of Rust, Go or whatever wrote there. None if
    /// nothing was written.
    pub fn of(log: &str) -> Option<Panic> {
        let lines: Vec<&str> = log.lines().map(str::trim_end).collect();
        rust(&lines).or_else(|| go(&lines)).or_else(|| anything(&lines))
    }

    /// `index out of bounds (src/lib.rs:12:5)`
    pub fn sentence(&self) -> String {
        match &self.place {
            Some(place) if self.message.is_empty() => place.clone(),
            Some(place) => format!("{} ({place})", self.message),
            None => self.message.clone(),
        }
    }
}

/// `thread '<unnamed>' panicked at src/lib.rs:12:5:` and the message in the next line; before Rust 1.73
/// `panicked at 'message', src/lib.rs:12:5`.
fn rust(lines: &[&str]) -> Option<Panic> {
    let found =
        |(at, line): (usize, &&str)| Some((at, line.split_once("panicked at ")?.1.to_owned()));
    let (at, rest) = lines.iter().enumerate().rev().find_map(found)?;
    if let Some((message, place)) = rest.strip_prefix('\'').and_then(|r| r.rsplit_once("', ")) {
        return Some(Panic { message: message.to_owned(), place: Some(place.to_owned()) });
    }
    let message = lines.get(at + 1).copied().unwrap_or_default();
    Some(Panic { message: message.to_owned(), place: Some(rest.trim_end_matches(':').to_owned()) })
}

/// `panic: message`, then frames: the function in one line, `\t/file.go:12 +0x1d` in the next.
fn go(lines: &[&str]) -> Option<Panic> {
    let told = |line: &&str| {
        let rest = line.strip_prefix("panic: ").or_else(|| line.strip_prefix("fatal error: "))?;
        Some(rest.to_owned())
    };
    let at = lines.iter().position(|line| told(line).is_some())?;
    let is_ours =
        |function: &str| !function.starts_with("panic(") && !function.starts_with("runtime.");
    let place = lines[at + 1..].windows(2).find_map(|pair| {
        let file = pair[1].strip_prefix('\t').filter(|_| is_ours(pair[0]))?;
        file.contains(".go:").then(|| file.split(" +0x").next().unwrap_or(file).to_owned())
    });
    Some(Panic { message: told(&lines[at]).unwrap_or_default(), place })
}

/// The last line with something in it.
fn anything(lines: &[&str]) -> Option<Panic> {
    let last = lines.iter().rev().find(|line| !line.trim().is_empty())?;
    Some(Panic { message: last.trim().to_owned(), place: None })
}

/// The end of the output, with what was logged in the open invocation before it, if only that tells what
/// the panic was: a long text has lost its beginning in the one, and its end in the other.
pub(crate) fn whole_text(logged: &str, last: &str) -> String {
    let tells = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        rust(&lines).or_else(|| go(&lines)).is_some()
    };
    if tells(last) || logged.is_empty() {
        return last.to_owned();
    }
    if tells(logged) || last.is_empty() { format!("{logged}\n{last}") } else { last.to_owned() }
}

/// Log lines among the hostcalls of an invocation, as one text.
pub(crate) fn log_lines(hostcalls: &[Event]) -> String {
    let is_line = |e: &&Event| matches!(e.kind, Kind::Hostcall(Hostcall::Log | Hostcall::FdWrite));
    let lines = hostcalls.iter().filter(is_line).map(|e| e.text_lossy().trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// The open invocations as events, the outermost first. `next`: the number that the innermost would
/// have had, since it would have returned first.
pub(crate) fn unfinished(open: &[OpenInvocation], next: u64) -> Vec<Event> {
    let depth = open.len() as u64;
    let event = |(at, open): (u64, &OpenInvocation)| {
        Some(Event {
            sequence: Sequence(next.saturating_add(depth - 1 - at)),
            entry: open.entry,
            at: open.since,
            context: open.context,
            kind: Kind::Callback(open.callback?),
            took: Micros(0),
            args: without_last_zeros(open.args.to_vec()),
            result: 0,
            call: open.call,
            text: open.last_log.clone().into_bytes(),
            marks: Marks::UNFINISHED,
        })
    };
    (0..).zip(open).filter_map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(log: &str) -> String {
        Panic::of(log).expect("something was written").sentence()
    }

    #[test]
    fn the_text_of_a_panic_is_found_with_file_and_line() {
        for (log, expected) in [
            (
                "\nthread '<unnamed>' (1) panicked at src/lib.rs:31:9:\nno such user\nnote: run with \
                 `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
                "no such user (src/lib.rs:31:9)",
            ),
            (
                "thread '<unnamed>' panicked at 'no such user', src/lib.rs:31:9\n",
                "no such user (src/lib.rs:31:9)",
            ),
            (
                "panic: no such user\n\ngoroutine 17 [running]:\npanic({0x1, 0x2})\n\
                 \t/go/src/runtime/panic.go:783 +0x1\nmain.(*stream).check(...)\n\
                 \t/plugin/main.go:52 +0x20\n",
                "no such user (/plugin/main.go:52)",
            ),
            (
                "starting\nAssertion failed: user, file check.cc, line 9\n\n",
                "Assertion failed: user, file check.cc, line 9",
            ),
        ] {
            assert_eq!(said(log), expected);
        }
        assert_eq!(Panic::of(" \n"), None);
    }
}
