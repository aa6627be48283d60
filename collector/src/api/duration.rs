//! Durations in parameters.

/// Nanoseconds of a duration as Go writes it (`1.5s`, `1h30m`), or with `d` for days, as Jaeger's UI has it.
pub fn nanos(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let number: f64 = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let nanos = match rest.get(..end)? {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "d" => 24.0 * 3600e9,
            _ => return None,
        };
        sum += number * nanos;
        rest = rest.get(end..)?;
    }
    (!text.is_empty()).then_some(sum as u64)
}

#[cfg(test)]
mod tests {
    use super::nanos;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1.5s", Some(1_500_000_000)),
            ("1h2m3s", Some(3_723_000_000_000)),
            ("100us", Some(100_000)),
            ("100µs", Some(100_000)),
            ("2d", Some(172_800_000_000_000)),
            (".5ms", Some(500_000)),
            ("", None),
            ("5", None),
            ("-5s", None),
            ("5 s", None),
            ("..s", None),
            ("s", None),
        ] {
            assert_eq!(nanos(text), expected, "{text}");
        }
    }
}
