//! What Envoy's own trace log cannot show: it has numbers, but no text, no header and no property. A
//! diagnosis that needs one of these ([`Diagnosis::unknown_in_log`](crate::diagnose::Diagnosis)) gives no
//! answer where it would otherwise be silent.

use abi::{Callback, Direction, Hostcall, Kind};

use crate::calls::{Call, Outcome};
use crate::event::Event;
use crate::ids::Micros;
use crate::registry::stuck::{self, Stuck};
use crate::story::Story;

const ANSWERS: &str = "Envoy's log does not show what an answer said, so it may be the callee's or \
                       the host's own in its place.";
const LINES: &str = "Envoy's trace does not show what a plugin's log line said.";
const DETAILS: &str = "Envoy's log does not show the response code details, so why the stream ended \
                       cannot be told.";
const EXPORTS: &str = "Envoy's log does not show whether the plugin has a phase for the body: none \
                       was called.";

/// What was answered when the call's timeout struck.
pub fn answers_at_timeout(story: &Story<'_>) -> Option<&'static str> {
    story.calls().iter().any(|call| may_be_timeout(story, call)).then_some(ANSWERS)
}

/// What was answered to a call.
pub fn answers(story: &Story<'_>) -> Option<&'static str> {
    story.calls().iter().any(|call| untold(story, call).is_some()).then_some(ANSWERS)
}

/// What a phase logged that went on.
pub fn log_lines(story: &Story<'_>) -> Option<&'static str> {
    story.timeline.events.iter().any(|e| went_on_with_an_error(story, e)).then_some(LINES)
}

/// Why a stream ended that waited for a call.
pub fn end_of_wait(story: &Story<'_>) -> Option<&'static str> {
    let ended = story.ended()?;
    let waited = |call: &Call| story.is_awaited(call).is_some() && story.was_out(call, ended);
    story.calls().iter().any(waited).then_some(DETAILS)
}

/// Why a stream ended of which a body was gathered.
pub fn end_of_gathering(story: &Story<'_>) -> Option<&'static str> {
    let gathers = |direction| last_body(story, direction).is_some_and(|e| e.result != 0);
    let any = [Direction::Request, Direction::Response].into_iter().any(gathers);
    (any && story.ended().is_some()).then_some(DETAILS)
}

/// Whether the plugin has a phase for the body that a direction is held without.
pub fn exports(story: &Story<'_>) -> Option<&'static str> {
    held_in_headers(story).then_some(EXPORTS)
}

/// The answer of an HTTP call of which only the size is known.
fn untold<'a>(story: &Story<'a>, call: &Call) -> Option<&'a Event> {
    let came = matches!(call.outcome, Outcome::Answered(_) | Outcome::Late(_));
    let answer = story.answer(call).filter(|_| came)?;
    let is_http = answer.kind == Kind::Callback(Callback::HttpCallResponse);
    (is_http && answer.arg(0) != 0 && answer.arg(3) == 0).then_some(answer)
}

/// Did the answer come when the call's timeout struck? The log's times are of whole milliseconds.
fn may_be_timeout(story: &Story<'_>, call: &Call) -> bool {
    const COARSE: Micros = Micros::from_millis(2);
    let (Some(answer), Some(timeout)) = (untold(story, call), call.timeout) else { return false };
    answer.at.since(call.dispatched_at).after(COARSE) >= timeout
}

/// A phase that answered Continue and logged an error.
fn went_on_with_an_error(story: &Story<'_>, event: &Event) -> bool {
    const ERROR: u32 = 4;
    let Kind::Callback(callback) = event.kind else { return false };
    let is_error = |e: &Event| e.kind == Kind::Hostcall(Hostcall::Log) && e.arg(0) >= ERROR;
    callback.phase().is_some()
        && event.result == 0
        && story.hostcalls_in(event).iter().any(is_error)
}

fn last_body<'a>(story: &Story<'a>, direction: Direction) -> Option<&'a Event> {
    let of_it = |e: &&Event| {
        e.kind == Kind::Callback(direction.body()) && e.context == story.timeline.context
    };
    story.timeline.events.iter().rev().find(of_it)
}

/// Is a direction held since its headers, with no call out and no phase for its body seen anywhere?
fn held_in_headers(story: &Story<'_>) -> bool {
    let waits = |stuck: &Stuck<'_>| stuck.is_in_headers() && !stuck.half.ended;
    let is_unseen = |stuck: &Stuck<'_>| !story.timeline.module.exports(stuck.direction.body());
    let mut stuck = stuck::all(story).into_iter().filter(|stuck| waits(stuck) && is_unseen(stuck));
    stuck.any(|stuck| stuck.has_nothing_out(story))
}

#[cfg(test)]
mod tests {
    /// Codes that cannot be answered of a script of a log.
    fn unknown(script: &str) -> Vec<&'static str> {
        let script = format!("module tracer \"envoy-log\"\n{script}");
        let timeline = crate::script::parse(&script).expect("a script");
        timeline.unknown.iter().map(|unknown| unknown.code).collect()
    }

    #[test]
    fn what_an_answer_said_is_not_known() {
        let early = "\
0.000000 #1 create 2 root 1
0.000000 #3 request_headers 2 n=8 -> pause
0.000000 #2   dispatch http headers=60 pseudo=7 timeout=5s -> ok call 4
0.300000 #5 http_call_response root 1 call 4 headers=4 body=8
0.300000 #4   continue_stream request -> ok
";
        assert_eq!(unknown(early), ["call-connect-failure"]);
        assert_eq!(unknown(&early.replace("0.3", "5.0")), ["call-timeout", "call-connect-failure"]);
        // Without headers nothing answered, and that the log shows.
        let none = early.replace("headers=4 body=8", "failure=3");
        assert_eq!(unknown(&none), Vec::<&str>::new());
    }

    #[test]
    fn what_a_log_line_said_is_not_known() {
        let script = "\
0.000000 #1 create 2 root 1
0.000000 #3 request_headers 2 n=8 end -> continue
0.000000 #2   log_line level=4 -> ok
";
        assert_eq!(unknown(script), ["recovered-panic-continue"]);
        assert_eq!(unknown(&script.replace("=4", "=2")), Vec::<&str>::new());
    }

    #[test]
    fn why_a_stream_ended_is_not_known() {
        let script = "\
0.000000 #1 create 2 root 1
0.000000 #2 request_headers 2 n=8 -> continue
0.000000 #3 request_body 2 size=9 -> pause
1.000000 #4 response_headers 2 n=3 -> continue
1.000000 #5 log 2
1.000000 #6 done 2
1.000000 #7 delete 2
";
        assert!(unknown(script).contains(&"payload-too-large"));
        assert!(!unknown(&script.replace("pause", "continue")).contains(&"payload-too-large"));
    }

    #[test]
    fn whether_a_phase_is_exported_is_not_known() {
        let script = "\
module tracer \"envoy-log\" callbacks 0x2
0.000000 #1 create 2 root 1
0.000000 #2 request_headers 2 n=8 -> pause
9.000000 #3 log 2
9.000000 #4 done 2
9.000000 #5 delete 2
";
        let got = unknown(script);
        assert!(got.contains(&"paused-without-pending-call"), "{got:?}");
        // One that was answered before cannot let it go.
        let after_a_call = "\
module tracer \"envoy-log\" callbacks 0x2
0.000000 #1 create 2 root 1
0.000000 #3 request_headers 2 n=8 end -> pause
0.000000 #2   dispatch http headers=60 pseudo=7 timeout=5s -> ok call 4
0.300000 #6 http_call_response root 1 call 4 headers=4 body=8
0.300000 #4   set_effective_context context=2 -> ok
0.300000 #5   continue_stream request -> ok
1.000000 #7 response_headers 2 n=3 -> pause
9.000000 #8 log 2
9.000000 #9 done 2
9.000000 #10 delete 2
";
        let got_after = unknown(after_a_call);
        assert!(got_after.contains(&"paused-without-pending-call"), "{got_after:?}");
        let found = crate::script::parse(script).expect("a script").findings;
        let needs_more =
            |code: &str| crate::registry::find(code).is_some_and(|d| d.unknown_in_log.is_some());
        assert!(found.iter().all(|f| !needs_more(&f.code)), "{found:?}");
    }
}
