//! One line of the log.
//!
//! ```text
//! [2026-11-23 21:28:22.081][23419][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] [host->vm] proxy_on_request_headers(2, 9, 1)
//! [2026-11-23 21:28:22.083][23419][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] [vm->host] env.proxy_continue_stream(0)
//! [2026-11-23 21:28:22.083][23419][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] [vm<-host] env.proxy_continue_stream return: 0
//! [2026-11-23 21:28:22.084][23419][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] [host<-vm] proxy_on_request_headers return: 1
//! ```

use std::sync::LazyLock;

use timeline::ids::Micros;

use crate::format::{BadFormat, Format, KNOWN, Matched, Stamp};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The thread that wrote it: a worker, or the main one. None where the log does not say.
    pub thread: Option<u32>,
    /// Since 1970, in the time zone of the log (it does not say which).
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
    #[error("what stands before it is of no format that is known: give Envoy's --log-format")]
    Prefix,
    /// It ends early.
    #[error("the line is cut")]
    Cut,
    /// Another one stands behind it.
    #[error("two lines stand in one")]
    Two,
    /// Something that is no number.
    #[error("an argument or a returned value is no number")]
    Number,
}

/// What a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// A line of the trace. Its bytes before where it begins in the text.
    Line(Line<'a>, usize),
    /// The beginning of what may be one. Its bytes before, whether it certainly is of the trace, and its
    /// thread if that can be read.
    Begun(usize, bool, Option<u32>),
    /// A line of the trace that cannot be read, and its thread if that can be.
    Bad(BadLine, Option<u32>),
    /// Something else.
    Other,
}

const MARKS: [(&str, Direction, bool); 4] = [
    ("[host->vm] ", Direction::HostToVm, true),
    ("[host<-vm] ", Direction::HostToVm, false),
    ("[vm->host] ", Direction::VmToHost, true),
    ("[vm<-host] ", Direction::VmToHost, false),
];

/// The formats that the lines of a log may have.
#[derive(Clone, Debug)]
pub struct Formats {
    all: Vec<Format>,
    /// The one that the last line had.
    last: usize,
}

impl Default for Formats {
    fn default() -> Self {
        Formats { all: KNOWN.iter().filter_map(|known| Format::new(known).ok()).collect(), last: 0 }
    }
}

impl Formats {
    /// One alone, as `--log-format` of Envoy says it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn only(pattern: &str) -> Result<Formats, BadFormat> {
        Ok(Formats { all: vec![Format::new(pattern)?], last: 0 })
    }

    /// Says what a text is.
    pub fn read<'a>(&mut self, text: &'a str) -> Seen<'a> {
        let (seen, format) = self.look(text);
        self.last = format.unwrap_or(self.last);
        seen
    }

    /// The same, with the format that a line has.
    fn look<'a>(&self, text: &'a str) -> (Seen<'a>, Option<usize>) {
        let text = text.trim_end();
        let marks = MARKS.iter().filter_map(|mark| Some((text.find(mark.0.trim_end())?, mark)));
        let found = marks.min_by_key(|(at, _)| *at);
        let Some((at, (mark, direction, is_call))) = found else { return (self.begun(text), None) };
        let body = text[at + mark.len() - 1..].trim_start();
        for number in self.in_order() {
            let format = &self.all[number];
            let Some((begin, stamp)) = format.head(text, at) else { continue };
            let (step, used) = match message(body, *is_call) {
                Ok(read) => read,
                Err(BadLine::Cut) => return (Seen::Begun(begin, true, stamp.thread), None),
                Err(bad) => return (Seen::Bad(bad, stamp.thread), None),
            };
            if MARKS.iter().any(|(mark, ..)| body[used..].contains(mark.trim_end())) {
                return (Seen::Bad(BadLine::Two, stamp.thread), None);
            }
            let Stamp { at, thread } = match format.tail(&body[used..], stamp) {
                Matched::Whole(stamp) => stamp,
                Matched::Ended if format.ends_with_thread() => {
                    return (Seen::Begun(begin, true, None), None);
                }
                Matched::No if format.ends_with_thread() => continue,
                Matched::Ended | Matched::No => stamp,
            };
            let line = Line { thread, at, direction: *direction, step };
            return (Seen::Line(line, begin), Some(number));
        }
        (if is_meant(&text[..at]) { Seen::Bad(BadLine::Prefix, None) } else { Seen::Other }, None)
    }

    fn begun<'a>(&self, text: &'a str) -> Seen<'a> {
        let begins = self.in_order().filter_map(|at| self.all[at].begins(text));
        for (begin, message) in begins {
            let Some(rest) = message.map(|at| text[at..].trim_start()) else {
                return Seen::Begun(begin, false, None);
            };
            if MARKS.iter().any(|(mark, ..)| mark.starts_with(rest)) {
                return Seen::Begun(begin, !rest.is_empty(), None);
            }
        }
        Seen::Other
    }

    fn in_order(&self) -> impl Iterator<Item = usize> + use<> {
        let last = self.last;
        std::iter::once(last).chain((0..self.all.len()).filter(move |at| *at != last))
    }
}

/// Is a line of the trace meant, though what stands before its mark cannot be read? A plugin's own line
/// that only speaks of one is not.
fn is_meant(head: &str) -> bool {
    let words = head.contains("trace") && head.contains("wasm");
    let is_plugins = head.contains(".cc:") || head.contains("wasm log");
    head.trim().is_empty() || head.contains("wasm_vm.cc") || (words && !is_plugins)
}

/// Reads a line of one of the known formats; None if it is no line of the trace.
///
/// # Errors
/// When it is one, and cut or in another format.
pub fn parse(text: &str) -> Result<Option<Line<'_>>, BadLine> {
    static FORMATS: LazyLock<Formats> = LazyLock::new(Formats::default);
    match FORMATS.look(text).0 {
        Seen::Line(line, _) => Ok(Some(line)),
        Seen::Begun(_, true, _) => Err(BadLine::Cut),
        Seen::Bad(bad, _) => Err(bad),
        Seen::Begun(_, false, _) | Seen::Other => Ok(None),
    }
}

/// When any line of a log in Envoy's default format was written, as [`Line::at`] says it, and by which
/// thread: what `[2026-11-23 21:28:22.081][23419]` at its beginning says.
pub fn stamp(line: &str) -> Option<(Micros, u32)> {
    static HEAD: LazyLock<Option<Format>> =
        LazyLock::new(|| Format::new("[%Y-%m-%d %T.%e][%t]%v").ok());
    let stamp = HEAD.as_ref()?.leads(line)?;
    Some((stamp.at, stamp.thread?))
}

fn message(text: &str, is_call: bool) -> Result<(Step<'_>, usize), BadLine> {
    if is_call { read_call(text) } else { read_return(text) }
}

/// `proxy_on_request_headers`
fn read_name(text: &str) -> Result<(&str, &str), BadLine> {
    let takes = |c: char| c.is_ascii_alphanumeric() || "_.-$:".contains(c);
    let end = text.find(|c: char| !takes(c)).ok_or(BadLine::Cut)?;
    Ok(text.split_at(end))
}

/// `proxy_on_request_headers(2, 9, 1)`, and how long that is.
fn read_call(text: &str) -> Result<(Step<'_>, usize), BadLine> {
    let (name, rest) = read_name(text)?;
    let inner = rest.strip_prefix('(').ok_or(BadLine::Number)?;
    let is_inside = |c: char| c.is_ascii_digit() || c == ',' || c == ' ';
    let end = inner.find(|c: char| !is_inside(c)).ok_or(BadLine::Cut)?;
    if !inner[end..].starts_with(')') {
        return Err(BadLine::Number);
    }
    let arguments = match inner[..end].trim() {
        "" => Vec::new(),
        inner => inner.split(',').map(|word| number(word.trim())).collect::<Result<_, _>>()?,
    };
    Ok((Step::Call { name, arguments }, name.len() + 1 + end + 1))
}

/// `proxy_on_request_headers return: 1`, and how long that is.
fn read_return(text: &str) -> Result<(Step<'_>, usize), BadLine> {
    const RETURN: &str = "return:";
    let (name, rest) = read_name(text)?;
    // Where a line was broken there may be no space.
    let (name, rest) = match name.strip_suffix(RETURN) {
        Some(name) => (name, &text[name.len() + RETURN.len()..]),
        None => {
            let rest = rest.trim_start();
            match rest.strip_prefix(RETURN) {
                Some(rest) => (name, rest),
                None if RETURN.starts_with(rest) => return Err(BadLine::Cut),
                None => return Err(BadLine::Number),
            }
        }
    };
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let value = match &rest[..end] {
        "void" => None,
        word if end == rest.len() && "void".starts_with(word) => return Err(BadLine::Cut),
        word => Some(number(word)?),
    };
    Ok((Step::Return { name, value }, text.len() - rest.len() + end))
}

fn number(text: &str) -> Result<u64, BadLine> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadLine::Number);
    }
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
        Ok(line.map(|line| {
            format!("{} {:?} {:?}", line.thread.unwrap_or(0), line.direction, line.step)
        }))
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

    /// Thread and time of day of a line, in microseconds.
    fn stamped(text: &str) -> Option<(Option<u32>, u64)> {
        // date -u -d '2026-11-23' +%s
        const DAY: u64 = 1_795_392_000_000_000;
        parse(text).ok().flatten().map(|line| (line.thread, line.at.0 - DAY))
    }

    #[test]
    fn the_formats_of_envoy_istio_higress_and_consul_are_known() {
        let message = "[host->vm] proxy_on_tick(1)";
        for (text, thread, at) in [
            (format!("{PREFIX}{message}"), Some(23_419), 77_302_081_000),
            (
                format!("[2026-11-23 21:28:22.081][7][trace][wasm] {message}"),
                Some(7),
                77_302_081_000,
            ),
            (
                format!(
                    "2026-11-23T21:28:22.081234Z\ttrace\tenvoy wasm \
                     external/envoy/source/extensions/common/wasm/wasm_vm.cc:38\t{message}\tthread=42"
                ),
                Some(42),
                77_302_081_234,
            ),
            (
                format!("2026-11-23T21:28:22.081234Z\ttrace\tenvoy wasm\t{message}"),
                None,
                77_302_081_234,
            ),
            // As people paste it.
            (
                format!("  2026-11-23T21:28:22.081234Z     trace   envoy wasm      {message}    "),
                None,
                77_302_081_234,
            ),
            (
                format!(
                    "{{\"level\":\"trace\",\"time\":\"2026-11-23T21:28:22.081234Z\",\"scope\":\"envoy wasm\",\
                     \"msg\":\"{message}\",\"caller\":\"source/extensions/common/wasm/wasm_vm.cc:38\",\
                     \"thread\":\"42\"}}"
                ),
                Some(42),
                77_302_081_234,
            ),
            (
                format!("2026-11-23T21:28:22.081Z+00:00 [trace] envoy.wasm(9) {message}"),
                Some(9),
                77_302_081_000,
            ),
        ] {
            assert_eq!(stamped(&text), Some((thread, at)), "{text}");
        }
    }

    #[test]
    fn what_stands_around_a_line_is_passed_over() {
        for text in [
            format!("envoy_1  | {PREFIX}[host->vm] x()"),
            format!("[pod/gateway-1/envoy] {PREFIX}[host->vm] x()"),
            format!("2026-11-23T21:28:23.123456789Z stderr F {PREFIX}[host->vm] x()"),
            format!("> {PREFIX}[host->vm] x()\r"),
            format!("2026-11-23T21:28:22.081234Z {PREFIX}[host->vm] x()"),
        ] {
            assert_eq!(stamped(&text), Some((Some(23_419), 77_302_081_000)), "{text}");
        }
    }

    #[test]
    fn a_format_that_is_given_is_the_only_one() {
        let mut formats = Formats::only("%T %t %L %n: %v").expect("a format");
        let seen = formats.read("01:02:03 5 T wasm: [host->vm] x(1)");
        let Seen::Line(line, 0) = seen else { panic!("{seen:?}") };
        assert_eq!((line.at, line.thread), (Micros(3_723_000_000), Some(5)));
        assert_eq!(
            formats.read(&format!("{PREFIX}[host->vm] x()")),
            Seen::Bad(BadLine::Prefix, None)
        );
    }

    #[test]
    fn lines_of_others_are_none() {
        for text in [
            "",
            "[2026-11-23 21:28:22.081][7][info][wasm] [source/extensions/common/wasm/context.cc:1195] \
             wasm log a: [host->vm] proxy_on_tick(1)",
            "[2026-11-23 21:28:22.081][7][trace][wasm] [source/extensions/common/wasm/wasm.cc:1] \
             [host->vm] proxy_on_tick(1)",
            "2026-11-23T21:28:22.081234Z\ttrace\tenvoy wasm\twasm log a: [host->vm] proxy_on_tick(1)",
            "[2026-11-23 21:28:22.081][7][trace][wasm] [source/extensions/common/wasm/wasm_vm.cc:39] \
             something else",
            "[2026-11-23 21:28:22.081][7][debug][http] [source/common/http/conn_manager_impl.cc:1] hello",
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
        assert_eq!(read("[host<-vm] x return: voi"), Err(BadLine::Cut));
        assert_eq!(read("[host"), Err(BadLine::Cut));
        assert_eq!(read("[host->vm] x(1)[2026-[vm->host] y(1)"), Err(BadLine::Two));
        assert_eq!(read("[host->vm] x(1, two)"), Err(BadLine::Number));
        assert_eq!(read("[host<-vm] x return: vex"), Err(BadLine::Number));
        for other_format in
            ["21:28 [trace][wasm] [a/wasm_vm.cc:39] [host->vm] x()", "[host->vm] x()"]
        {
            assert_eq!(parse(other_format), Err(BadLine::Prefix));
        }
    }
}
