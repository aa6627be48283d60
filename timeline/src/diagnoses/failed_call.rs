//! Calls whose response callback says that they failed: what is told of them, whatever the reason.

use abi::{CallFailure, CallKind, Callback, Kind};

use super::phrases;
use crate::calls::{Call, Outcome};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::ids::Micros;
use crate::story::{Story, span, timeout};

/// gRPC's statuses for a call that the host gave up.
const DEADLINE_EXCEEDED: u32 = 4;
const UNAVAILABLE: u32 = 14;

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its own timeout struck.
    Timeout,
    /// No connection, or it broke before the headers.
    Connect,
    /// It broke off after the response had begun, or was larger than the host keeps.
    Reset,
    /// No healthy host.
    NoHealthyHost,
    /// The Redis client's connection, or its timeout.
    Redis,
}

/// Why a call failed, told from its response callback; None if it did not, or the host does not say.
pub fn why(call: &Call, callback: &Event) -> Option<Why> {
    if !matches!(call.outcome, Outcome::Failed(_) | Outcome::Late(_)) {
        return None;
    }
    let age = callback.at.since(call.dispatched_at);
    Some(match (callback.kind, call.kind) {
        (Kind::Callback(Callback::HttpCallResponse), _) => {
            match CallFailure::from_number(callback.arg(4))? {
                // A proxy in front of the callee has the same sentence for a timeout of its own.
                CallFailure::Timeout if !is_over(call, age, callback) => return None,
                CallFailure::Timeout => Why::Timeout,
                CallFailure::Connect => Why::Connect,
                CallFailure::Reset => Why::Reset,
                CallFailure::NoHealthyHost => Why::NoHealthyHost,
                CallFailure::None | CallFailure::Other => return None,
            }
        }
        (Kind::Callback(Callback::GrpcClose), _) => match callback.arg(0) {
            UNAVAILABLE | DEADLINE_EXCEEDED if is_at_timeout(call, age) => Why::Timeout,
            UNAVAILABLE => Why::Connect,
            _ => return None,
        },
        // One that came too late may have brought what was asked for.
        (Kind::Callback(Callback::RedisCallResponse), CallKind::Redis) if callback.arg(0) != 0 => {
            Why::Redis
        }
        _ => return None,
    })
}

/// What a response callback says of a failure, a clause; None if it says of none: the call was answered
/// well, or what came with the callback is not known. A status from 500 on counts, by whomever it was sent.
pub fn failure(call: &Call, callback: &Event) -> Option<String> {
    if let Some(why) = why(call, callback) {
        return Some(match why {
            Why::Timeout => format!("its {} had struck", timeout(call)),
            Why::Connect => {
                "no connection here or at a proxy before the callee, or it broke before an answer \
                 came"
                    .to_owned()
            }
            Why::Reset => {
                "no headers: the response broke off, or is larger than the host keeps".to_owned()
            }
            Why::NoHealthyHost => "no healthy host here or at a proxy before the callee".to_owned(),
            Why::Redis => format!("status {} of the Redis client", callback.arg(0)),
        });
    }
    match callback.kind {
        Kind::Callback(Callback::HttpCallResponse) if callback.arg(3) >= 500 => {
            Some(format!("status {}", callback.arg(3)))
        }
        Kind::Callback(Callback::GrpcClose) if callback.arg(0) != 0 => {
            Some(format!("gRPC status {}", callback.arg(0)))
        }
        _ => None,
    }
}

/// Within 50 ms or a tenth of the timeout.
fn is_at_timeout(call: &Call, age: Micros) -> bool {
    call.timeout.is_some_and(|timeout| age.0.abs_diff(timeout.0) <= slack(timeout).0)
}

/// Headers of an answer that the host makes itself: status, length and type. One that a proxy sent has its date and
/// its name too.
const OWN_HEADERS: u32 = 3;

/// Can the timeout have struck by then? A busy worker may tell of it much later, and a host that takes the time at
/// the beginning of a turn of its loop ends it earlier, by as long as the worker was busy in that turn.
fn is_over(call: &Call, age: Micros, callback: &Event) -> bool {
    let is_own = callback.arg(0) <= OWN_HEADERS;
    call.timeout.is_some_and(|timeout| {
        age.after(slack(timeout)) >= timeout || is_own && age.0 >= timeout.0 / 2
    })
}

fn slack(timeout: Micros) -> Micros {
    Micros((timeout.0 / 10).max(50_000))
}

/// What a diagnosis tells of a failed call.
pub struct Rule {
    /// Code of the diagnosis.
    pub code: &'static str,
    /// The end of the headline after the call's name, for a reason that it is about.
    pub told: fn(Why, &Call, Micros) -> Option<String>,
    /// What to do.
    pub advice: &'static [Advice],
}

/// One finding for each call that failed for one of the rule's reasons.
pub fn judge(story: &Story<'_>, rule: &Rule) -> Vec<Verdict> {
    story.calls().iter().filter_map(|call| found(story, rule, call)).collect()
}

fn found(story: &Story<'_>, rule: &Rule, call: &Call) -> Option<Verdict> {
    let callback = story.answer(call)?;
    let age = callback.at.since(call.dispatched_at);
    let told = (rule.told)(why(call, callback)?, call, age)?;
    let dispatch = story.timeline.event(call.dispatch)?;
    let phase = story.dispatch_step(call).and_then(|step| story.invocation(step));
    let within = phase.map(|phase| format!(" in {}", phrases::name(phase))).unwrap_or_default();
    let headline =
        format!("{}, dispatched{within}, {told}.", phrases::capital(phrases::call(call)));
    let mut details = vec![
        format!("It was dispatched{within} (#{}, {}).", dispatch.sequence, timeout(call)),
        format!(
            "Its response callback came {} later with {} ({}).",
            span(age),
            status(callback, call),
            phrases::event(callback)
        ),
    ];
    let hostcalls = story.hostcalls_in(callback);
    let is_failed = matches!(call.outcome, Outcome::Failed(_)) && !story.timeline.is_root();
    if is_failed && story.gap_in(callback).is_none() {
        details.push(match hostcalls.iter().find(|e| e.decides()) {
            Some(act) => format!("In it the plugin called {}.", phrases::event(act)),
            None => "In it the plugin neither resumed nor answered.".to_owned(),
        });
    }
    let events = [dispatch, callback].map(|event| event.sequence);
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows: Vec::new() },
        advice: phrases::advice(story.timeline.dialect.host, rule.advice),
        ..Finding::cause(rule.code, Severity::Failed, Subject::Call(call.id), headline)
    })))
}

/// What the callback carried, for people.
fn status(callback: &Event, call: &Call) -> String {
    match call.kind {
        CallKind::Http if callback.arg(0) == 0 => "no headers".to_owned(),
        CallKind::Http => format!("code {}", callback.arg(3)),
        CallKind::GrpcCall | CallKind::GrpcStream => format!("gRPC status {}", callback.arg(0)),
        CallKind::Redis => format!("status {}", callback.arg(0)),
    }
}
