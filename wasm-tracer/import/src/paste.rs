//! Lines as a log has them, from lines as people have them: pasted with colours, broken at the width of
//! a terminal, wrapped into JSON by a container's runtime.

use std::borrow::Cow;

use crate::line::{Formats, Seen};

/// Pieces that one line is broken into at most.
const MOST_PIECES: usize = 16;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Number of the line it begins in, from 1.
    pub number: u64,
    /// How many it was broken into.
    pub pieces: usize,
    /// The line.
    pub text: String,
}

/// Puts pieces together again. It keeps one line back: the next one may belong to it.
#[derive(Debug, Default)]
pub struct Paste {
    held: Option<Held>,
    /// Where a line was seen to be broken last.
    width: Option<usize>,
}

#[derive(Debug)]
struct Held {
    whole: Whole,
    /// It ends in the middle.
    is_begun: bool,
    /// What stands before the line in its first piece, and so before the others too.
    indent: String,
    /// Length of the first piece and of the last one.
    first: usize,
    last: usize,
}

impl Paste {
    /// Takes a line as it stands; gives those that are complete now.
    pub fn push(&mut self, number: u64, text: &str, formats: &mut Formats) -> Option<Whole> {
        let text = unwrapped(text);
        let (begins, is_begun) = match formats.read(&text) {
            Seen::Line(_, begin) => (Some(begin), false),
            Seen::Begun(begin, ..) => (Some(begin), true),
            Seen::Bad(..) | Seen::Other => (None, false),
        };
        if begins.is_none() && self.join(&text, formats) {
            return None;
        }
        let indent = begins.map(|at| text[..at].to_owned()).unwrap_or_default();
        let (first, last) = (text.chars().count(), text.chars().count());
        let whole = Whole { number, pieces: 1, text: text.into_owned() };
        self.held.replace(Held { whole, is_begun, indent, first, last }).map(|held| held.whole)
    }

    /// The line that was kept back.
    pub fn finish(&mut self) -> Option<Whole> {
        self.held.take().map(|held| held.whole)
    }

    /// Appends a piece to the line that is kept back, if both together are more of a line.
    fn join(&mut self, piece: &str, formats: &mut Formats) -> bool {
        let Some(held) = &mut self.held else { return false };
        let length = piece.chars().count();
        let piece = piece.strip_prefix(held.indent.as_str()).unwrap_or(piece);
        if piece.trim().is_empty() || held.whole.pieces >= MOST_PIECES {
            return false;
        }
        // A number that is whole as it stands may go on, where lines are broken at that width.
        let is_number = piece.bytes().all(|byte| byte.is_ascii_digit());
        let may_go_on = held.is_begun || (is_number && self.width == Some(held.last));
        if !may_go_on {
            return false;
        }
        for between in ["", " "] {
            let text = format!("{}{between}{piece}", held.whole.text);
            let is_begun = match formats.read(&text) {
                Seen::Line(..) => false,
                Seen::Begun(..) => true,
                Seen::Bad(..) | Seen::Other => continue,
            };
            self.width = Some(held.first);
            (held.whole.text, held.is_begun, held.last) = (text, is_begun, length);
            held.whole.pieces += 1;
            return true;
        }
        false
    }
}

/// Without colours, and out of the JSON of a container's runtime.
fn unwrapped(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\r', '\n']);
    let text = match text.contains('\u{1b}') {
        true => Cow::Owned(without_colours(text)),
        false => Cow::Borrowed(text),
    };
    match text.trim_start().strip_prefix("{\"log\":\"") {
        Some(log) => Cow::Owned(unescaped(log)),
        None => text,
    }
}

/// Leaves out `ESC [ … letter`.
fn without_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
        } else if chars.as_str().starts_with('[') {
            chars.find(|c| c.is_ascii_alphabetic());
        }
    }
    out
}

/// A JSON string up to its closing quote.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n' | 'r') => {}
                Some('t') => out.push('\t'),
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok();
                    out.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
                }
                Some(c) => out.push(c),
                None => break,
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "[2026-11-23 21:28:22.081][23419][trace][wasm] \
                          [source/extensions/common/wasm/wasm_vm.cc:39] ";

    /// What becomes of lines: number, pieces and text of each.
    fn whole(lines: &[impl AsRef<str>]) -> Vec<(u64, usize, String)> {
        let (mut paste, mut formats) = (Paste::default(), Formats::default());
        let numbered = lines.iter().zip(1..);
        let mut out: Vec<Whole> = numbered
            .filter_map(|(line, number)| paste.push(number, line.as_ref(), &mut formats))
            .collect();
        out.extend(paste.finish());
        out.into_iter().map(|whole| (whole.number, whole.pieces, whole.text)).collect()
    }

    fn broken(text: &str, width: usize, indent: &str) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(width).map(|piece| format!("{indent}{}", String::from_iter(piece))).collect()
    }

    #[test]
    fn lines_broken_at_any_width_are_put_together_again() {
        let lines = [
            format!("{PREFIX}[host->vm] proxy_on_request_headers(2, 9, 1)"),
            format!("{PREFIX}[vm->host] env.proxy_get_property(1064752, 27, 1048220, 1048224)"),
            format!("{PREFIX}[vm<-host] env.proxy_get_property return: 1048576"),
            format!("{PREFIX}[host<-vm] proxy_on_request_headers return: void"),
        ];
        for width in 30..200 {
            for indent in ["", "    ", "> "] {
                let pieces: Vec<String> =
                    lines.iter().flat_map(|line| broken(line, width, indent)).collect();
                let texts: Vec<String> = whole(&pieces)
                    .into_iter()
                    .map(|(_, _, text)| text[indent.len()..].to_owned())
                    .collect();
                // Beyond the width of the head one line must have shown where they are broken.
                if width < PREFIX.len() + 48 || width > 160 {
                    assert_eq!(texts, lines, "at {width} columns");
                }
            }
        }
    }

    #[test]
    fn lines_broken_at_words_are_put_together_again() {
        let lines = [
            "[2026-11-23 21:28:22.081][23419][trace][wasm]",
            "[source/extensions/common/wasm/wasm_vm.cc:39] [host->vm]",
            "proxy_on_request_headers(2, 9,",
            "1)",
        ];
        let joined = format!("{PREFIX}[host->vm] proxy_on_request_headers(2, 9, 1)");
        let got = whole(&lines);
        let plain: String = got[0].2.split_whitespace().collect();
        assert_eq!((got.len(), got[0].1), (1, 4), "{got:?}");
        assert_eq!(plain, joined.split_whitespace().collect::<String>());
    }

    #[test]
    fn a_line_of_another_program_is_not_swallowed() {
        let complete = format!("{PREFIX}[vm<-host] env.proxy_log return: 0");
        let lines = [complete.as_str(), "42", "listening on 10000", "", complete.as_str()];
        assert!(whole(&lines).iter().all(|(_, pieces, _)| *pieces == 1));
        let cut = format!("{PREFIX}[vm->host] env.proxy_log(2, 1");
        assert_eq!(whole(&[cut.as_str(), "GET / HTTP/1.1"]).len(), 2);
    }

    #[test]
    fn colours_and_the_json_of_a_runtime_are_taken_away() {
        let line = format!("{PREFIX}[host->vm] x(1)");
        let coloured = format!("\u{1b}[36m{line}\u{1b}[0m\r");
        let logged = format!(
            "{{\"log\":\"{}\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-23T21:28:22.1Z\"}}",
            line.replace("->", "-\\u003e")
        );
        assert_eq!(whole(&[coloured, logged]), [(1, 1, line.clone()), (2, 1, line)]);
    }
}
