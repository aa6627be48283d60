//! How a server shall behave, read from the header `x-manner` or, without it, from the path.

use std::time::Duration;

use crate::http::Head;

/// The header that names a manner.
pub const HEADER: &str = "x-manner";

/// What the upstream does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamManner {
    /// `early-NNN`: answers this status on the headers alone; the body is never looked at.
    Early(u16),
    /// `patient` (also without a manner): reads the whole body, then answers 200.
    Patient,
    /// `close`: closes the connection after the headers, with no answer.
    Close,
    /// `silent`: reads everything and never answers.
    Silent,
}

/// What the callee does with a call: waits, then acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalleeManner {
    /// `after-NNN`: milliseconds between the end of the request and the act. 0 without it.
    pub after: Duration,
    /// What is done then.
    pub act: Act,
}

/// The act of a callee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `status-NNN` (200 without a manner): answers with this status.
    Answer(u16),
    /// `refuse`: closes the connection with no answer.
    Refuse,
    /// `reset`: sends response headers and half a body, then a TCP reset.
    Reset,
    /// `drip`: a 200 whose body comes a byte at a time, for a second.
    Drip,
    /// `never`: keeps the connection open and never answers.
    Never,
}

impl UpstreamManner {
    /// The manner that `head` asks for: `x-manner`, else the first segment of the path.
    pub(crate) fn of(head: &Head) -> Self {
        let words = head.header(HEADER).unwrap_or_else(|| first_segment(head.path()));
        words.split(',').find_map(|word| Self::parse(word.trim())).unwrap_or(Self::Patient)
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "patient" => Some(Self::Patient),
            "close" => Some(Self::Close),
            "silent" => Some(Self::Silent),
            _ => numbered(word, "early-").map(Self::Early),
        }
    }
}

impl CalleeManner {
    /// The manner that `head` asks for: `x-manner`, else the first segment of the path. Several
    /// words are separated by commas: `after-200,status-403`.
    pub(crate) fn of(head: &Head) -> Self {
        let words = head.header(HEADER).unwrap_or_else(|| first_segment(head.path()));
        let mut manner = Self { after: Duration::ZERO, act: Act::Answer(200) };
        for word in words.split(',').map(str::trim) {
            match word {
                "refuse" => manner.act = Act::Refuse,
                "reset" => manner.act = Act::Reset,
                "drip" => manner.act = Act::Drip,
                "never" => manner.act = Act::Never,
                _ => {
                    if let Some(millis) = numbered(word, "after-") {
                        manner.after = Duration::from_millis(millis);
                    } else if let Some(status) = numbered(word, "status-") {
                        manner.act = Act::Answer(status);
                    }
                }
            }
        }
        manner
    }
}

fn first_segment(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn numbered<T: std::str::FromStr>(word: &str, prefix: &str) -> Option<T> {
    word.strip_prefix(prefix)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, manner: Option<&str>) -> Head {
        let manner = manner.map(|value| format!("X-Manner: {value}\r\n")).unwrap_or_default();
        Head::parse(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{manner}").as_bytes())
            .expect("head")
    }

    #[test]
    fn the_upstream_takes_its_manner_from_header_before_path() {
        let of = |path, header| UpstreamManner::of(&request(path, header));
        assert_eq!(of("/early-400/orders?a=1", None), UpstreamManner::Early(400));
        assert_eq!(of("/early-400", Some("close")), UpstreamManner::Close);
        assert_eq!(of("/silent", None), UpstreamManner::Silent);
        assert_eq!(of("/anything/else", None), UpstreamManner::Patient);
        assert_eq!(of("/early-many", None), UpstreamManner::Patient);
    }

    #[test]
    fn the_callee_combines_words() {
        let of = |header| CalleeManner::of(&request("/check", header));
        let manner = of(Some("after-200, status-403"));
        assert_eq!(manner.after, Duration::from_millis(200));
        assert_eq!(manner.act, Act::Answer(403));
        assert_eq!(of(Some("reset")).act, Act::Reset);
        assert_eq!(of(None), CalleeManner { after: Duration::ZERO, act: Act::Answer(200) });
        assert_eq!(CalleeManner::of(&request("/never", None)).act, Act::Never);
    }
}
