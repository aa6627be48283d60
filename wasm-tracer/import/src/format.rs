//! How the lines of a log are built: Envoy's `--log-format`, in spdlog's notation.
//!
//! A format is what stands before the message, the message, and what stands behind it. White space
//! matches any white space, or none: people paste logs. What stands around the whole line (a name that
//! a container's runtime puts before each) is passed over.

use timeline::ids::Micros;

/// The formats that are tried when none is given: Envoy's own; Istio's and Higress's, with thread and
/// place (Istio since 1.20), older, and as JSON; Consul's.
pub const KNOWN: [&str; 7] = [
    "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v",
    "[%Y-%m-%d %T.%e][%t][%l][%n] %v",
    "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t",
    "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n\t%v",
    "{\"level\":\"%l\",\"time\":\"%Y-%m-%dT%T.%fZ\",\"scope\":\"envoy %n\",\"msg\":\"%j\",\"caller\":\"%g:%#\",\"thread\":\"%t\"}",
    "%Y-%m-%dT%T.%eZ%z [%l] envoy.%n(%t) %v",
    "{\"@timestamp\":\"%Y-%m-%dT%T.%fZ%z\",\"@module\":\"envoy.%n\",\"@level\":\"%l\",\"@message\":\"%j\",\"thread\":%t}",
];

/// Bytes before the message in which a line's beginning is looked for.
const LONGEST_HEAD: usize = 512;

/// A format that cannot be read by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFormat {
    /// A flag that is not known here.
    #[error(
        "%{0} is not known here; known are %Y %m %d %T %H %M %S %e %f %F %t %l %L %n %g %s %@ %# %! %P %z %v %_ %j %%"
    )]
    Flag(char),
    /// No message.
    #[error("it has no %v, %_ or %j: where does the message stand?")]
    NoMessage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// Parts of a second, so many digits.
    Fraction(usize),
    Thread,
    Level,
    ShortLevel,
    Name,
    File,
    Digits,
    Zone,
    /// Anything without white space.
    Word,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Space,
    Field(Field),
}

/// One format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    head: Vec<Part>,
    tail: Vec<Part>,
}

/// What stands around a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Since 1970, in the time zone of the log.
    pub at: Micros,
    /// The thread, if the format names it.
    pub thread: Option<u32>,
}

/// What of a format could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// All of it.
    Whole(Stamp),
    /// The text ended within it.
    Ended,
    /// It is another one.
    No,
}

#[derive(Clone, Copy, Debug, Default)]
struct Read {
    date: [u32; 3],
    clock: [u32; 3],
    micros: u32,
    thread: Option<u32>,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// When it has a flag that is not known here, or no message.
    pub fn new(pattern: &str) -> Result<Format, BadFormat> {
        let (mut head, mut tail, mut has_message) = (Vec::new(), Vec::new(), false);
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let parts = if has_message { &mut tail } else { &mut head };
            match (c, if c == '%' { chars.next() } else { None }) {
                ('%', Some('v' | '_' | 'j')) => has_message = true,
                ('%', Some('^' | '$')) => {}
                ('%', Some('%')) => text(parts, '%'),
                ('%', Some('T' | 'X')) => {
                    parts.push(Part::Field(Field::Hour));
                    text(parts, ':');
                    parts.push(Part::Field(Field::Minute));
                    text(parts, ':');
                    parts.push(Part::Field(Field::Second));
                }
                ('%', Some(flag)) => {
                    parts.push(Part::Field(field(flag).ok_or(BadFormat::Flag(flag))?));
                }
                (c, _) if c.is_whitespace() => {
                    if parts.last() != Some(&Part::Space) {
                        parts.push(Part::Space);
                    }
                }
                (c, _) => text(parts, c),
            }
        }
        if has_message { Ok(Format { head, tail }) } else { Err(BadFormat::NoMessage) }
    }

    /// Reads what stands before the message at `message`, wherever in the text the line begins; gives
    /// where that is.
    pub fn head(&self, text: &str, message: usize) -> Option<(usize, Stamp)> {
        let first = message.saturating_sub(LONGEST_HEAD);
        let ends = |at: usize| self.is_begin(text, at) && text.is_char_boundary(at);
        (first..message).filter(|at| ends(*at)).find_map(|at| {
            let mut read = Read::default();
            match run(&self.head, &text[at..message], &mut read) {
                Run::To(end) if text[at + end..message].trim().is_empty() => {
                    Some((at, read.stamp()?))
                }
                _ => None,
            }
        })
    }

    /// Reads a line that may end anywhere: how far into the message, if so far.
    pub fn begins(&self, text: &str) -> Option<(usize, Option<usize>)> {
        let last = text.len().min(LONGEST_HEAD);
        let begins = |at: usize| self.is_begin(text, at) && text.is_char_boundary(at);
        (0..last).filter(|at| begins(*at)).find_map(|at| {
            let mut read = Read::default();
            match run(&self.head, &text[at..], &mut read) {
                Run::To(end) => read.stamp().map(|_| (at, Some(at + end))),
                // A date at least: a bracket alone begins much.
                Run::Ended if text.len() - at >= 11 => Some((at, None)),
                Run::Ended | Run::No => None,
            }
        })
    }

    /// Reads what stands before the message at the very beginning of a text.
    pub fn leads(&self, text: &str) -> Option<Stamp> {
        let mut read = Read::default();
        matches!(run(&self.head, text, &mut read), Run::To(_)).then(|| read.stamp())?
    }

    /// Does the thread stand behind the message?
    pub fn ends_with_thread(&self) -> bool {
        self.tail.contains(&Part::Field(Field::Thread))
    }

    /// Reads what stands behind the message.
    pub fn tail(&self, rest: &str, stamp: Stamp) -> Matched {
        let mut read = Read { thread: stamp.thread, ..Read::default() };
        match run(&self.tail, rest, &mut read) {
            Run::To(_) => Matched::Whole(Stamp { thread: read.thread, ..stamp }),
            Run::Ended => Matched::Ended,
            Run::No => Matched::No,
        }
    }

    fn is_begin(&self, text: &str, at: usize) -> bool {
        let byte = text.as_bytes().get(at);
        match self.head.first() {
            Some(Part::Text(first)) => byte == first.as_bytes().first(),
            Some(Part::Field(Field::Year)) => {
                let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
                byte.is_some_and(u8::is_ascii_digit) && !before.is_some_and(u8::is_ascii_digit)
            }
            _ => true,
        }
    }
}

fn text(parts: &mut Vec<Part>, c: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(c),
        _ => parts.push(Part::Text(c.to_string())),
    }
}

fn field(flag: char) -> Option<Field> {
    Some(match flag {
        'Y' => Field::Year,
        'm' => Field::Month,
        'd' => Field::Day,
        'H' => Field::Hour,
        'M' => Field::Minute,
        'S' => Field::Second,
        'e' => Field::Fraction(3),
        'f' => Field::Fraction(6),
        'F' => Field::Fraction(9),
        't' => Field::Thread,
        'l' => Field::Level,
        'L' => Field::ShortLevel,
        'n' => Field::Name,
        'g' | 's' => Field::File,
        '#' | 'P' => Field::Digits,
        'z' => Field::Zone,
        '@' | '!' => Field::Word,
        _ => return None,
    })
}

enum Run {
    To(usize),
    Ended,
    No,
}

/// Matches parts from the beginning of a text.
fn run(parts: &[Part], text: &str, read: &mut Read) -> Run {
    let mut at = 0;
    for part in parts {
        let rest = &text[at..];
        at += match part {
            Part::Space => rest.len() - rest.trim_start().len(),
            _ if rest.is_empty() => return Run::Ended,
            Part::Text(want) if rest.starts_with(want.as_str()) => want.len(),
            Part::Text(want) if want.starts_with(rest) => return Run::Ended,
            Part::Text(_) => return Run::No,
            Part::Field(field) => {
                let length = field.length(rest);
                let word = &rest[..length];
                if length == rest.len() && field.may_go_on(word) {
                    return Run::Ended;
                }
                if !field.note(word, read) {
                    return Run::No;
                }
                length
            }
        };
    }
    Run::To(at)
}

impl Field {
    fn width(self) -> Option<usize> {
        match self {
            Field::Year => Some(4),
            Field::Month | Field::Day | Field::Hour | Field::Minute | Field::Second => Some(2),
            Field::Fraction(digits) => Some(digits),
            Field::ShortLevel => Some(1),
            Field::Zone => Some(6),
            _ => None,
        }
    }

    /// How much of a text is this field's.
    fn length(self, text: &str) -> usize {
        let takes = |c: char| match self {
            Field::Level => c.is_ascii_lowercase(),
            Field::ShortLevel => c.is_ascii_alphabetic(),
            Field::Name => c.is_ascii_alphanumeric() || "_-.".contains(c),
            Field::File => !c.is_whitespace() && !":]\"".contains(c),
            Field::Zone => c.is_ascii_digit() || "+-:".contains(c),
            Field::Word => !c.is_whitespace(),
            _ => c.is_ascii_digit(),
        };
        let most = self.width().unwrap_or(usize::MAX);
        text.char_indices()
            .find(|(at, c)| *at >= most || !takes(*c))
            .map_or(text.len(), |(at, _)| at)
    }

    /// May it be longer than what stands at the end of a text?
    fn may_go_on(self, word: &str) -> bool {
        match self.width() {
            Some(width) => word.len() < width,
            // A thread at the end of a line is whole: nothing else says where it ends.
            None => self != Field::Thread && self != Field::Digits,
        }
    }

    /// Takes the field's value; false if it says that this is no line of the trace.
    fn note(self, word: &str, read: &mut Read) -> bool {
        let number = || word.parse::<u32>().ok();
        let mut set =
            |to: fn(&mut Read) -> &mut u32| number().map(|number| *to(read) = number).is_some();
        match self {
            _ if self.width().is_some_and(|width| word.len() != width) => false,
            Field::Year => set(|read| &mut read.date[0]),
            Field::Month => set(|read| &mut read.date[1]),
            Field::Day => set(|read| &mut read.date[2]),
            Field::Hour => set(|read| &mut read.clock[0]),
            Field::Minute => set(|read| &mut read.clock[1]),
            Field::Second => set(|read| &mut read.clock[2]),
            Field::Fraction(_) => {
                read.micros = format!("{word:0<6}")[..6].parse().unwrap_or(0);
                true
            }
            Field::Thread => {
                read.thread = number();
                read.thread.is_some()
            }
            Field::Level => word == "trace",
            Field::ShortLevel => word == "T" || word == "t",
            Field::Name => word == "wasm",
            Field::File => word.ends_with("wasm_vm.cc"),
            Field::Digits | Field::Zone | Field::Word => !word.is_empty(),
        }
    }
}

impl Read {
    fn stamp(&self) -> Option<Stamp> {
        let [year, month, day] = self.date;
        let [hours, minutes, seconds] = self.clock;
        // A format without a date counts from 1970.
        let days = if year == 0 { 0 } else { days_since_1970(year, month, day)? };
        if hours > 23 || minutes > 59 || seconds > 60 {
            return None;
        }
        let seconds =
            days * 86_400 + u64::from(hours) * 3_600 + u64::from(minutes) * 60 + u64::from(seconds);
        let at = Micros(seconds * 1_000_000 + u64::from(self.micros));
        Some(Stamp { at, thread: self.thread })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_is_not_known_and_a_missing_message_are_told() {
        assert_eq!(Format::new("%q %v"), Err(BadFormat::Flag('q')));
        assert_eq!(Format::new("[%T.%e]"), Err(BadFormat::NoMessage));
        for known in KNOWN {
            assert!(Format::new(known).is_ok(), "{known}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(days_since_1970(1970, 1, 1), Some(0));
        assert_eq!(days_since_1970(2000, 2, 29), Some(11_016));
        assert_eq!(days_since_1970(2026, 13, 1), None);
    }
}
