//! Times, spans, states and diagnoses as people read them.

use ::timeline::ids::Micros;
use ::timeline::{Diagnosis, Reason, State, registry};
use abi::{Direction, Host};
use jiff::Timestamp;

use super::language::Language;
use super::phrases::{self as said, Phrase};

/// A span with three significant digits and its unit.
pub fn span(span: Micros) -> String {
    let micros = span.0;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.2} ms", micros as f64 / 1e3),
        10_000..100_000 => format!("{:.1} ms", micros as f64 / 1e3),
        100_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..10_000_000 => format!("{:.2} s", micros as f64 / 1e6),
        10_000_000..60_000_000 => format!("{:.1} s", micros as f64 / 1e6),
        _ => {
            let seconds = micros / 1_000_000;
            match seconds / 3_600 {
                0 => format!("{} min {:02} s", seconds / 60, seconds % 60),
                hours => format!("{hours} h {:02} min", seconds / 60 % 60),
            }
        }
    }
}

/// Nanoseconds since 1970 as RFC 3339 in UTC, to the millisecond.
pub fn rfc3339(nanos: u64) -> Option<String> {
    let time = Timestamp::from_nanosecond(i128::from(nanos)).ok()?;
    Some(format!("{time:.3}"))
}

/// An RFC 3339 time for people: a space for the T, UTC for the Z.
pub fn readable_time(rfc3339: &str) -> String {
    rfc3339.replacen('T', " ", 1).replace('Z', " UTC")
}

/// A state in a few words.
pub fn state(state: State) -> &'static Phrase {
    match state {
        State::Open => &said::OPEN,
        State::Closed(reason) => closed(reason),
    }
}

/// Why a timeline is closed, in a few words.
pub fn closed(reason: Reason) -> &'static Phrase {
    match reason {
        Reason::Ended => &said::ENDED,
        Reason::TimedOut => &said::TIMED_OUT,
        Reason::Idle => &said::IDLE,
        Reason::RootEnded => &said::ROOT_ENDED,
        Reason::InstanceEnded => &said::INSTANCE_ENDED,
        Reason::Evicted => &said::EVICTED,
    }
}

/// A host's name in texts.
pub fn host(host: Host) -> &'static Phrase {
    match host {
        Host::Envoy => &said::STOCK_ENVOY,
        Host::Higress => &said::HIGRESS,
    }
}

/// A direction's name in texts.
pub fn direction(direction: Direction) -> &'static Phrase {
    match direction {
        Direction::Request => &said::REQUEST,
        Direction::Response => &said::RESPONSE,
    }
}

/// The word for how a call ended, by its word in the API.
pub fn outcome(name: &str) -> &'static Phrase {
    match name {
        "pending" => &said::PENDING,
        "answered" => &said::ANSWERED,
        "failed" => &said::FAILED,
        "late" => &said::LATE,
        "cancelled" => &said::CANCELLED,
        "rejected" => &said::REJECTED,
        _ => &said::UNKNOWN,
    }
}

/// Why a recorder turned itself down, by its word in the API.
pub fn fuse(reason: &str) -> &'static Phrase {
    match reason {
        "time_share" => &said::DOWN_TIME_SHARE,
        "loss" => &said::DOWN_LOSS,
        "memory" => &said::DOWN_MEMORY,
        "order" => &said::DOWN_ORDER,
        _ => &said::DOWN_UNKNOWN,
    }
}

/// The word for a cause, or for a fact.
pub fn kind(is_fact: bool) -> &'static Phrase {
    if is_fact { &said::FACT } else { &said::CAUSE }
}

/// What is said of a diagnosis in a line.
pub fn title(diagnosis: &Diagnosis, language: Language) -> &'static str {
    language.choose(diagnosis.title, diagnosis.title_zh)
}

/// What is said of a diagnosis at length.
pub fn explanation(diagnosis: &Diagnosis, language: Language) -> &'static str {
    language.choose(diagnosis.explanation, diagnosis.explanation_zh)
}

/// What a finding of this code means: goes before its own sentence, which is English, where the page is not.
pub fn meaning(code: &str, language: Language) -> Option<&'static str> {
    let diagnosis = language.choose(None, registry::find(code))?;
    Some(title(diagnosis, language))
}

/// What a phase returned, in the words of the script notation.
pub fn action(number: u32) -> String {
    match number {
        0 => "continue".to_owned(),
        1 => "pause".to_owned(),
        other => other.to_string(),
    }
}

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first characters of a text, and an ellipsis where it was cut.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_in_the_unit_that_fits() {
        for (micros, words) in [
            (0, "0 µs"),
            (870, "870 µs"),
            (3_244, "3.24 ms"),
            (61_020, "61.0 ms"),
            (204_000, "204 ms"),
            (1_996_337, "2.00 s"),
            (125_000_000, "2 min 05 s"),
            (7_260_000_000, "2 h 01 min"),
        ] {
            assert_eq!(span(Micros(micros)), words);
        }
    }

    #[test]
    fn wall_time_is_utc_to_the_millisecond() {
        let text = rfc3339(1_700_000_000_123_456_789).expect("a time of our century");
        assert_eq!(text, "2023-11-14T22:13:20.123Z");
        assert_eq!(readable_time(&text), "2023-11-14 22:13:20.123 UTC");
    }

    #[test]
    fn a_cut_text_ends_in_an_ellipsis() {
        assert_eq!(shortened("grüße", 5), "grüße");
        assert_eq!(shortened("grüße!", 5), "grüß…");
    }
}
