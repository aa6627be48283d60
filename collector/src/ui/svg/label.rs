//! The words at marks and bars, and how much they stand out.

use ::timeline::black_box::Panic;
use ::timeline::calls::{Answer, Call, Outcome};
use ::timeline::event::{Event, Marks};
use ::timeline::ids::{ContextId, Micros};
use abi::{CallKind, Callback, Hostcall, Kind, Status, StreamSide};

use crate::ui::language::Language;
use crate::ui::phrases::{self as said, Phrase};
use crate::ui::words;

/// How a mark or a bar looks; the class of its colours ([`super::palette`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing special.
    Plain,
    /// A phase that went on.
    Go,
    /// A phase that stopped.
    Stop,
    /// A call.
    Call,
    /// Something failed.
    Bad,
    /// Too late, or lost.
    Lost,
}

/// Words of a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Beside the mark.
    pub text: String,
    /// Its look.
    pub look: Look,
}

/// The words of an event of a stream. `end`: when the stream was gone.
pub fn of_event(event: &Event, own: ContextId, end: Option<Micros>) -> Label {
    if event.marks.has(Marks::UNFINISHED) {
        return of_trap(event, own);
    }
    match event.kind {
        Kind::Callback(callback) if callback.phase().is_some() => of_phase(event, callback),
        Kind::Callback(callback) => {
            let text = match callback {
                Callback::ContextCreate => "create".to_owned(),
                _ if event.call.0 != 0 => format!("{} call {}", callback.row().name, event.call),
                _ => callback.row().name.replace('_', " "),
            };
            Label { text, look: Look::Plain }
        }
        Kind::Hostcall(hostcall) => of_hostcall(event, hostcall, end),
        Kind::Unknown(number) => Label { text: format!("kind {number}"), look: Look::Plain },
    }
}

/// An invocation that never returned, with the plugin's last words.
fn of_trap(event: &Event, own: ContextId) -> Label {
    let name = match event.kind {
        Kind::Callback(callback) => callback.row().name.replace('_', " "),
        _ => "something".to_owned(),
    };
    let on_root = matches!(event.kind, Kind::Callback(callback) if callback.is_on_root());
    let whose = match event.context {
        context if context == own || on_root => String::new(),
        context => format!(" of context {context}"),
    };
    let wrote = match Panic::of(&event.text_lossy()) {
        Some(panic) => format!(": {}", words::shortened(&panic.sentence(), 60)),
        None => String::new(),
    };
    Label { text: format!("{name}{whose} → trapped{wrote}"), look: Look::Lost }
}

fn of_phase(event: &Event, callback: Callback) -> Label {
    let name = callback.row().name;
    let name = name.strip_prefix("request_").or(name.strip_prefix("response_")).unwrap_or(name);
    let mut text = name.replace('_', " ");
    let has_size = callback.row().params.get(1) == Some(&"size");
    if has_size {
        text.push_str(&format!(" {} B", event.arg(0)));
    }
    if event.arg(1) == 1 {
        text.push_str(" end");
    }
    let look = match event.result {
        0 => Look::Go,
        2 if callback.phase().is_some_and(|p| p.is_headers()) => Look::Go,
        _ => Look::Stop,
    };
    Label { text: format!("{text} → {}", words::action(event.result)), look }
}

fn of_hostcall(event: &Event, hostcall: Hostcall, end: Option<Micros>) -> Label {
    // What the host made of it is of no interest.
    if event.is_annotation() {
        let text = words::shortened(&event.text_lossy(), 40);
        return Label { text, look: Look::Plain };
    }
    let mut text = match hostcall {
        Hostcall::ContinueStream => match StreamSide::from_number(event.arg(0)) {
            Some(side) => format!("resume {}", side.name()),
            None => "resume".to_owned(),
        },
        Hostcall::ContinueRequest => "resume request".to_owned(),
        Hostcall::ContinueResponse => "resume response".to_owned(),
        Hostcall::SendLocalResponse => format!("local response {}", event.arg(0)),
        Hostcall::Log => format!("log “{}”", words::shortened(&event.text_lossy(), 24)),
        Hostcall::FdWrite => format!("print “{}”", words::shortened(&event.text_lossy(), 24)),
        _ if !event.text.is_empty() => {
            let text = event.text_lossy();
            format!("{} “{}”", hostcall.row().name, words::shortened(&text, 20))
        }
        _ => hostcall.row().name.to_owned(),
    };
    let over = end.is_some_and(|end| event.at > end);
    let acts = matches!(
        hostcall,
        Hostcall::ContinueStream
            | Hostcall::ContinueRequest
            | Hostcall::ContinueResponse
            | Hostcall::SendLocalResponse
    );
    if event.result != 0 && hostcall.row().result {
        text.push_str(&format!(" → {}", status(event.result)));
        return Label { text, look: Look::Bad };
    }
    match (acts, over) {
        (true, true) => {
            text.push_str(" (no effect)");
            Label { text, look: Look::Lost }
        }
        (true, false) => Label { text, look: Look::Go },
        (false, _) => Label { text, look: Look::Plain },
    }
}

/// The words of a call's bar; the second part stands out.
pub fn of_call(
    call: &Call,
    end: Option<Micros>,
    language: Language,
) -> (String, Option<String>, Look) {
    let kind = match call.kind {
        CallKind::Http => "http",
        CallKind::GrpcCall => "grpc",
        CallKind::GrpcStream => "grpc stream",
        CallKind::Redis => "redis",
    };
    let cluster = words::shortened(&call.cluster, 40);
    let name = match call.outcome {
        Outcome::Rejected(_) => said::DISPATCH_TO.with(language, &[kind, &cluster]),
        _ => said::CALL_TO.with(language, &[&call.id.to_string(), kind, &cluster]),
    };
    let before = format!("{name} · ");
    let after = |at: Micros| words::span(at.since(call.dispatched_at));
    // With its code, if there was one.
    let came = |answer: &Answer, alone: &Phrase, with: &Phrase| match answer.code {
        0 => alone.with(language, &[&after(answer.at)]),
        code => with.with(language, &[&after(answer.at), &code.to_string()]),
    };
    match call.outcome {
        Outcome::Pending => {
            let text = match call.timeout {
                Some(timeout) => said::NO_CALLBACK_YET.with(language, &[&words::span(timeout)]),
                None => said::NO_CALLBACK_EVER.of(language).to_owned(),
            };
            (before, Some(text), Look::Call)
        }
        Outcome::Answered(answer) => {
            let came = came(&answer, &said::ANSWERED_AFTER, &said::ANSWERED_WITH);
            (format!("{before}{came}"), None, Look::Call)
        }
        Outcome::Failed(answer) => {
            (before, Some(came(&answer, &said::FAILED_AFTER, &said::FAILED_WITH)), Look::Bad)
        }
        Outcome::Late(answer) => {
            let late = match end {
                Some(end) => said::LATE_BY.with(language, &[&millis(answer.at.since(end))]),
                None => said::LATE.of(language).to_owned(),
            };
            let came = said::CALLBACK_AFTER.with(language, &[&after(answer.at)]);
            (format!("{before}{came} · "), Some(late), Look::Lost)
        }
        Outcome::Cancelled(_) => {
            (before, Some(said::CANCELLED_BY_ROOT.of(language).to_owned()), Look::Lost)
        }
        Outcome::Rejected(number) => {
            (before, Some(said::REJECTED_WITH.with(language, &[&status(number)])), Look::Bad)
        }
    }
}

/// How late: to the millisecond, as long as one reads it so.
fn millis(span: Micros) -> String {
    match span.0 {
        10_000..60_000_000 => format!("{} ms", span.0 / 1_000),
        _ => words::span(span),
    }
}

fn status(number: u32) -> String {
    Status::from_number(number).name().map_or_else(|| number.to_string(), str::to_owned)
}
