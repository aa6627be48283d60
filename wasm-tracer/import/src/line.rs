//! One line of the log.
//!
//! ```text
//! [2026-11-23 21:28:22.081][23419][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] [host->vm] proxy_on_request_headers(2, 9, 1)
//! [2026-11-23 21:28:22.083][23419][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] [vm->host] env.proxy_continue_stream(0)
//! [2026-11-23 21:28:22.083][23419][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] [vm<-host] env.proxy_continue_stream return: 0
//! [2026-11-23 21:28:22.084][23419][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] [host<-vm] proxy_on_request_headers return: 1
//! ```

use timeline::ids::Micros;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The thread that wrote it: a worker, or the main one.
    pub thread: u32,
    /// Since 1970, in the time zone of the log (it does not say which); whole milliseconds.
    pub at: Micros,
    /// Who calls whom.
    pub direction: Direction,
    /// Call or return.
    pub step: Step<'a>,
}

/// Who calls whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The host calls an export of the module.
    HostToVm,
    /// The module calls an import.
    VmToHost,
}

/// Call or return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A call with its arguments.
    Call {
        /// Export, or `module.import`.
        name: &'a str,
        /// As unsigned numbers, addresses too.
        arguments: Vec<u64>,
    },
    /// Its return.
    Return {
        /// As in the call.
        name: &'a str,
        /// None for `void`.
        value: Option<u64>,
    },
}

/// A line of the trace that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// The log was written with another `--log-format`.
    #[error("no time and thread stand before it: the log must have Envoy's default format")]
    Prefix,
    /// It ends early.
    #[error("the line is cut")]
    Cut,
    /// Something that is no number.
    #[error("an argument or a returned value is no number")]
    Number,
}

const MARKS: [(&str, Direction, bool); 4] = [
    ("[host->vm] ", Direction::HostToVm, true),
    ("[host<-vm] ", Direction::HostToVm, false),
    ("[vm->host] ", Direction::VmToHost, true),
    ("[vm<-host] ", Direction::VmToHost, false),
];

/// Reads a line; None if it is no line of the trace.
///
/// # Errors
/// When it is one, and cut or in another format.
pub fn parse(text: &str) -> Result<Option<Line<'_>>, BadLine> {
    let Some(((prefix, rest), direction, is_call)) = split(text.trim_end()) else {
        return Ok(None);
    };
    let (at, thread) = stamp(prefix).ok_or(BadLine::Prefix)?;
    let step = if is_call { read_call(rest)? } else { read_return(rest)? };
    Ok(Some(Line { thread, at, direction, step }))
}

/// Splits at the mark. It stands behind the name of the source file; a plugin's log line that only
/// speaks of it has another one.
fn split(text: &str) -> Option<((&str, &str), Direction, bool)> {
    let start = text.find("[trace][wasm] [")?;
    let end = start + text[start..].find("] [")?;
    // `end` stands before `[trace][wasm] [source…] `: its last bracket.
    let message = text[end + 2..].find("] ").map(|at| end + 2 + at + 2)?;
    let (head, body) = text.split_at_checked(message)?;
    if !head.contains("wasm_vm.cc") {
        return None;
    }
    MARKS.iter().find_map(|(mark, direction, is_call)| {
        Some(((&text[..start], body.strip_prefix(mark)?), *direction, *is_call))
    })
}

/// When any line of the log was written, as [`Line::at`] says it, and by which thread: what
/// `[2026-11-23 21:28:22.081][23419]` at its beginning says.
pub fn stamp(line: &str) -> Option<(Micros, u32)> {
    let (time, rest) = line.strip_prefix('[')?.split_once("][")?;
    let (thread, _) = rest.split_once(']')?;
    let (date, clock) = time.split_once(' ')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u32>().ok());
    let days = days_since_1970(date.next()??, date.next()??, date.next()??)?;
    let (clock, fraction) = clock.split_once('.')?;
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    if hours > 23 || minutes > 59 || seconds > 60 || fraction.len() != 3 {
        return None;
    }
    let seconds = days * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    let millis = seconds * 1_000 + fraction.parse::<u64>().ok()?;
    Some((Micros::from_millis(millis), thread.parse().ok()?))
}

/// Of the Gregorian calendar (Howard Hinnant, `days_from_civil`).
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u64> {
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = u64::from(if month <= 2 { year - 1 } else { year });
    let (era, of_era) = (year / 400, year % 400);
    let of_year = u64::from(153 * ((month + 9) % 12) + 2) / 5 + u64::from(day) - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// `proxy_on_request_headers(2, 9, 1)`
fn read_call(text: &str) -> Result<Step<'_>, BadLine> {
    let (name, rest) = text.split_once('(').ok_or(BadLine::Cut)?;
    let inner = rest.strip_suffix(')').ok_or(BadLine::Cut)?;
    let arguments = match inner {
        "" => Vec::new(),
        inner => inner.split(", ").map(number).collect::<Result<_, _>>()?,
    };
    Ok(Step::Call { name, arguments })
}

/// `proxy_on_request_headers return: 1`
fn read_return(text: &str) -> Result<Step<'_>, BadLine> {
    let (name, value) = text.split_once(" return: ").ok_or(BadLine::Cut)?;
    let value = match value {
        "" => return Err(BadLine::Cut),
        // A cut `void` still names nothing else.
        "void" => None,
        value => Some(number(value)?),
    };
    Ok(Step::Return { name, value })
}

fn number(text: &str) -> Result<u64, BadLine> {
    text.parse().map_err(|_| BadLine::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "[2026-11-23 21:28:22.081][23419][trace][wasm] \
                          [source/extensions/common/wasm/wasm_vm.cc:39] ";

    fn read(message: &str) -> Result<Option<String>, BadLine> {
        let text = format!("{PREFIX}{message}");
        let line = parse(&text)?;
        Ok(line.map(|line| format!("{} {:?} {:?}", line.thread, line.direction, line.step)))
    }

    fn said(message: &str) -> String {
        read(message).ok().flatten().unwrap_or_else(|| panic!("{message} is a line of the trace"))
    }

    #[test]
    fn calls_and_returns_are_read_in_both_directions() {
        assert_eq!(
            said("[host->vm] proxy_on_request_headers(2, 9, 1)"),
            "23419 HostToVm Call { name: \"proxy_on_request_headers\", arguments: [2, 9, 1] }"
        );
        assert_eq!(
            said("[host<-vm] _initialize return: void"),
            "23419 HostToVm Return { name: \"_initialize\", value: None }"
        );
        assert_eq!(
            said("[vm->host] env.proxy_get_property(1064752, 27, 1048220, 1048224)"),
            "23419 VmToHost Call { name: \"env.proxy_get_property\", \
             arguments: [1064752, 27, 1048220, 1048224] }"
        );
        assert_eq!(
            said("[vm<-host] env.proxy_get_property return: 1"),
            "23419 VmToHost Return { name: \"env.proxy_get_property\", value: Some(1) }"
        );
        assert_eq!(
            said("[host->vm] _initialize()"),
            "23419 HostToVm Call { name: \"_initialize\", arguments: [] }"
        );
    }

    #[test]
    fn the_time_counts_from_1970() {
        let line =
            parse("[2026-11-23 21:28:22.081][7][trace][wasm] [a/wasm_vm.cc:39] [host->vm] x()");
        // date -u -d '2026-11-23 21:28:22' +%s
        let at = line.ok().flatten().map(|line| line.at);
        assert_eq!(at, Some(Micros(1_795_469_302_081_000)));
        assert_eq!(days_since_1970(1970, 1, 1), Some(0));
        assert_eq!(days_since_1970(2000, 2, 29), Some(11_016));
        assert_eq!(days_since_1970(2026, 13, 1), None);
    }

    #[test]
    fn lines_of_others_are_none() {
        for text in [
            "",
            "[host->vm] proxy_on_tick(1)",
            "[2026-11-23 21:28:22.081][7][info][wasm] [source/extensions/common/wasm/context.cc:1195] \
             wasm log a: [host->vm] proxy_on_tick(1)",
            "[2026-11-23 21:28:22.081][7][trace][wasm] [source/extensions/common/wasm/wasm.cc:1] \
             [host->vm] proxy_on_tick(1)",
            "[2026-11-23 21:28:22.081][7][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] \
             something else",
            "[2026-11-23 21:28:22.081][7][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc",
        ] {
            assert_eq!(parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn cut_lines_are_told() {
        assert_eq!(read("[host->vm] proxy_on_request_headers(2, 9"), Err(BadLine::Cut));
        assert_eq!(read("[host->vm] proxy_on_request_he"), Err(BadLine::Cut));
        assert_eq!(read("[host<-vm] proxy_on_request_headers return: "), Err(BadLine::Cut));
        assert_eq!(read("[vm<-host] env.proxy_log retu"), Err(BadLine::Cut));
        assert_eq!(read("[host->vm] x(1, two)"), Err(BadLine::Number));
        assert_eq!(read("[host<-vm] x return: voi"), Err(BadLine::Number));
        let other_format = "21:28 [trace][wasm] [a/wasm_vm.cc:39] [host->vm] x()";
        assert_eq!(parse(other_format), Err(BadLine::Prefix));
    }
}
