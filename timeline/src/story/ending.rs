//! What ended a stream, or answered it: told from Envoy's response code details and flags, never more
//! than they say.

use abi::{Callback, Kind};

use super::Story;
use crate::event::Event;

/// Bits of Envoy's response flags.
const DOWNSTREAM_TERMINATION: u64 = 0x4000;
const STREAM_IDLE: u64 = 0x1_0000;

/// Details of the timeout of a route, which begins when all of the request has gone on.
const ROUTE_TIMEOUT: &str = "response_timeout";

/// Details of Envoy's own timeouts (`response_code_details`, router and connection manager).
const TIMEOUTS: [&str; 10] = [
    "stream_idle_timeout",
    "request_overall_timeout",
    "request_header_timeout",
    "max_duration_timeout",
    "duration_timeout",
    ROUTE_TIMEOUT,
    "upstream_response_timeout",
    "upstream_per_try_timeout",
    "upstream_per_try_idle_timeout",
    "upstream_max_stream_duration_reached",
];

/// What ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The upstream answered.
    UpstreamAnswered,
    /// The upstream answered, and its connection or stream broke in the middle.
    UpstreamBrokeOff,
    /// The upstream's connection or stream ended before it answered.
    UpstreamReset,
    /// The client went away.
    ClientLeft,
    /// A timeout of the host.
    HostTimeout,
    /// A plugin closed the stream, this one or another.
    ClosedByPlugin,
    /// The upstream answered with a redirect, and the host followed it itself.
    Redirected,
    /// The host or another filter answered.
    AnsweredByOthers,
    /// The plugin's own local response.
    OwnReply,
    /// A response came; by whom the host did not say.
    Response,
    /// It ended, no response is recorded, and the host did not say why.
    Untold,
    /// It has not ended.
    Not,
}

impl Ending {
    pub(super) fn of(story: &Story<'_>) -> Ending {
        let stream = &story.timeline.stream;
        let details = stream.response_code_details.as_deref().unwrap_or_default();
        let flags = stream.response_flags.unwrap_or_default();
        let reply = story.now().replied.and_then(|reply| story.step_of(reply));
        let response = story.first(Callback::ResponseHeaders);
        if let Some(step) = reply
            && response.is_none_or(|r| r.entry >= step.entry)
        {
            return Ending::OwnReply;
        }
        match details {
            "via_upstream" if ends_while_held(story) => Ending::ClientLeft,
            "via_upstream" => Ending::UpstreamAnswered,
            d if d.starts_with("upstream_reset_after_response_started") => Ending::UpstreamBrokeOff,
            d if d.starts_with("upstream_reset_before_response_started") => Ending::UpstreamReset,
            d if d.starts_with("downstream_remote_disconnect") => Ending::ClientLeft,
            "http2.remote_reset" | "http3.remote_reset" => Ending::ClientLeft,
            // The answer of the host itself, held: whoever ended that, this stays what the host says.
            d if d.starts_with(ROUTE_TIMEOUT) && may_be_reset(story) => Ending::AnsweredByOthers,
            d if TIMEOUTS.iter().any(|t| d.starts_with(t)) => Ending::HostTimeout,
            "wasm_close_stream" => Ending::ClosedByPlugin,
            "internal_redirect" => Ending::Redirected,
            "" if flags & DOWNSTREAM_TERMINATION != 0 => Ending::ClientLeft,
            "" if flags & STREAM_IDLE != 0 => Ending::HostTimeout,
            "" if response.is_none() && is_stream_reset(story) => Ending::ClientLeft,
            "" => match (response, story.ended()) {
                (Some(_), _) => Ending::Response,
                (None, Some(_)) => Ending::Untold,
                (None, None) => Ending::Not,
            },
            _ => Ending::AnsweredByOthers,
        }
    }

    /// Did the client or the host wait no longer?
    pub fn is_given_up(self) -> bool {
        matches!(self, Ending::ClientLeft | Ending::HostTimeout)
    }

    /// Would the stream have ended so even if the headers had been held? The timeouts of the upstream's side
    /// begin with the headers, that of the route with the end of the request.
    pub fn whatever_was_held(self, story: &Story<'_>) -> bool {
        let details = story.timeline.stream.response_code_details.as_deref().unwrap_or_default();
        match self {
            Ending::HostTimeout => {
                !details.starts_with("upstream_") && !details.starts_with(ROUTE_TIMEOUT)
            }
            Ending::ClientLeft | Ending::ClosedByPlugin => true,
            _ => false,
        }
    }

    /// A clause: "the upstream answered on the headers alone (via_upstream)".
    pub fn clause(self, story: &Story<'_>) -> String {
        let stream = &story.timeline.stream;
        let details = stream.response_code_details.as_deref().unwrap_or_default();
        let with = |text: &str| match details {
            "" => text.to_owned(),
            details => format!("{text} ({details})"),
        };
        let code = stream.response_code.filter(|c| *c != 0);
        let status = code.map(|c| format!(" with {c}")).unwrap_or_default();
        let response = story.first(Callback::ResponseHeaders);
        match self {
            Ending::UpstreamAnswered if response.is_some_and(|r| story.on_headers_alone(r)) => {
                with(&format!("the upstream answered on the headers alone{status}"))
            }
            Ending::UpstreamAnswered => with(&format!("the upstream answered{status}")),
            Ending::UpstreamBrokeOff => with("the upstream answered and broke off in the middle"),
            Ending::UpstreamReset => with(reset(details)),
            Ending::ClientLeft if details == "via_upstream" || is_stream_reset(story) => {
                "the client reset the stream (as far as can be told: the host names no reason)"
                    .to_owned()
            }
            Ending::ClientLeft => with("the client left"),
            Ending::HostTimeout => with("a timeout of the host ended the stream"),
            Ending::ClosedByPlugin => with("a plugin closed the stream"),
            Ending::Redirected => {
                with("the upstream answered with a redirect, which the host followed itself")
            }
            Ending::AnsweredByOthers => with(&format!(
                "the host or another filter answered in the upstream's place{status}"
            )),
            Ending::OwnReply => "the plugin sent a local response itself".to_owned(),
            Ending::Response => format!("a response came{status}, by whom the host did not say"),
            Ending::Untold => {
                "the stream ended, no response is recorded, and the host did not say why".to_owned()
            }
            Ending::Not => "the stream has not ended".to_owned(),
        }
    }
}

/// Is it the end of a stream that its client reset over HTTP/2 or HTTP/3? Of that Envoy says nothing at all, no
/// code, no flag and no details, where it names everything else that ends a stream without an answer
/// (host-semantics §2.1).
fn is_stream_reset(story: &Story<'_>) -> bool {
    let stream = &story.timeline.stream;
    let is_multiplexed = ["HTTP/2", "HTTP/3"].contains(&stream.protocol.as_str());
    let says_nothing = stream.response_flags == Some(0)
        && stream.response_code.unwrap_or_default() == 0
        && stream.response_code_details.as_deref().unwrap_or_default().is_empty();
    is_multiplexed && says_nothing && story.ended().is_some()
}

/// Did the stream end while the plugin held the upstream's response, of which the host names no reason? So does
/// one that its client resets over HTTP/2; a connection that is closed, and every other end, is named.
fn ends_while_held(story: &Story<'_>) -> bool {
    // A plugin that keeps nothing of a body may send another one in its place, and end it so.
    let body = Kind::Callback(Callback::ResponseBody);
    let is_replaced = |e: &Event| e.kind == body && e.result == 3;
    let is_whole = || {
        let headers = story.first(Callback::ResponseHeaders).zip(story.ended());
        headers.is_some_and(|(from, to)| story.gap(from.sequence, Some(to.sequence)).is_none())
    };
    story.timeline.stream.response_flags == Some(0)
        && may_be_reset(story)
        && !story.timeline.events.iter().any(is_replaced)
        && is_whole()
}

/// Did the stream end while the plugin held its response, and may a client have reset it? Of one of HTTP/1 that
/// goes the host always speaks.
fn may_be_reset(story: &Story<'_>) -> bool {
    let end = story.ended().and_then(|ended| story.step_of(ended.sequence));
    end.is_some_and(|step| step.before.response.hold.is_held())
        && !story.timeline.stream.protocol.starts_with("HTTP/1")
}

/// Why the upstream did not answer, by the reason that Envoy puts in braces.
fn reset(details: &str) -> &'static str {
    let has = |reason: &str| details.contains(reason);
    if has("connection_termination") {
        "the upstream closed the connection before it answered"
    } else if has("connection_failure") || has("connection_timeout") {
        "the host could not connect to the upstream"
    } else if has("remote_reset") || has("remote_refused") {
        "the upstream reset the stream before it answered"
    } else if has("overflow") {
        "a circuit breaker of the host kept the request from the upstream"
    } else {
        "the stream to the upstream was reset before it answered"
    }
}

#[cfg(test)]
mod tests {
    use crate::script;

    #[test]
    fn a_client_that_resets_its_stream_is_known_by_what_the_host_does_not_say() {
        for (protocol, flags, is_told) in [
            ("HTTP/2", "0x0", true),
            ("HTTP/3", "0x0", true),
            ("HTTP/1.1", "0x0", false),
            ("HTTP/2", "0x10000", false),
        ] {
            let timeline = script::parse(&format!(
                "request \"r\" method \"POST\" path \"/\" authority \"a\" protocol \"{protocol}\"
                response flags {flags}\nknown_until 9.0\n0.0 #1 create 2 root 1
                0.1 #3 request_headers 2 n=3 -> 4
                0.1 #2   dispatch http \"auth\" timeout=5s -> ok call 4
                1.1 #4 log 2\n1.1 #5 done 2\n1.1 #6 delete 2
                2.0 #7 http_call_response root 1 call 4 headers=3 body=2 code=200"
            ))
            .expect("a script");
            let told =
                |f: &crate::finding::Finding| f.headline.contains("reset the stream (as far");
            assert_eq!(timeline.findings.iter().any(told), is_told, "{:?}", timeline.findings);
        }
    }

    #[test]
    fn a_timeout_of_the_upstreams_side_is_none_that_held_headers_would_not_have_prevented() {
        for (details, is_told) in [
            ("stream_idle_timeout", true),
            ("downstream_remote_disconnect", true),
            ("upstream_max_stream_duration_reached", false),
            ("response_timeout", false),
        ] {
            let timeline = script::parse(&format!(
                "response code 504 details \"{details}\"\nknown_until 9.0\n0.0 #1 create 2 root 1
                0.1 #2 request_headers 2 n=3 -> continue\n0.2 #4 request_body 2 size=7 end -> pause
                0.2 #3   dispatch http \"auth\" timeout=5s -> ok call 4
                1.0 #5 response_headers 2 n=3 -> continue\n1.1 #6 log 2\n1.1 #7 done 2\n1.1 #8 delete 2
                2.0 #9 http_call_response root 1 call 4 headers=3 body=2 code=200"
            ))
            .expect("a script");
            let details = timeline.findings.iter().flat_map(|finding| &finding.details);
            let told = details.filter(|d| d.starts_with("Held headers would not have prevented"));
            assert_eq!(told.count(), usize::from(is_told), "{:?}", timeline.findings);
        }
    }
}
