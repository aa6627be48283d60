//! A line of script notation as words and quoted texts.

use std::fmt::Write;

use crate::ids::Micros;

/// One part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Characters without a space.
    Word(String),
    /// What stood in quotes.
    Text(Vec<u8>),
}

/// Splits a line; what follows `//` is left out.
pub fn split(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with("//") {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = unquote(quoted)?;
            tokens.push(Token::Text(text));
            rest = after.trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = rest[end..].trim_start();
        }
    }
    Ok(tokens)
}

fn unquote(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut bytes = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((bytes, &text[at + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => bytes.push(b'\n'),
                Some('r') => bytes.push(b'\r'),
                Some('t') => bytes.push(b'\t'),
                Some('x') => {
                    let digits: String = chars.by_ref().take(2).map(|(_, c)| c).collect();
                    let byte = u8::from_str_radix(&digits, 16)
                        .map_err(|_| format!("\\x{digits} is no byte: give two hex digits"))?;
                    bytes.push(byte);
                }
                Some(c @ ('"' | '\\')) => bytes.push(c as u8),
                _ => return Err("unknown escape: known are \\n \\r \\t \\\" \\\\ \\xNN".to_owned()),
            },
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err("a quoted text does not end: add a closing quote".to_owned())
}

/// Writes bytes in quotes; what is not readable as `\xNN`.
pub fn quote(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => {
                    out.push('\\');
                    out.push(c);
                }
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                // Control characters, and those that end a line or change its direction.
                c if c.is_control()
                    || matches!(c, '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        let _ = write!(out, "\\x{byte:02x}");
                    }
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
}

/// Reads seconds with at most six decimals.
pub fn seconds(word: &str) -> Option<Micros> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction).map(Micros)
}

/// Reads a decimal number, or a hexadecimal one after `0x`.
pub fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// Reads milliseconds: `5s`, `300ms`, `none`.
pub fn millis(word: &str) -> Option<u32> {
    if word == "none" {
        return Some(0);
    }
    if let Some(digits) = word.strip_suffix("ms") {
        return digits.parse().ok();
    }
    word.strip_suffix('s')?.parse::<u32>().ok()?.checked_mul(1_000)
}
