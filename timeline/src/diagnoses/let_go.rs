//! Calls that their stream did not wait for to the end: it went on while they were out. How bad that was,
//! told by when the response callback came.

use abi::{CallKind, Callback, Direction, Hostcall, Kind, Status, buffer, map};

use super::{kinds, phrases};
use crate::calls::{Call, Outcome};
use crate::event::{Event, Marks};
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict, Window};
use crate::hold::{decisions_on, hostcalls_on};
use crate::ids::Sequence;
use crate::story::{Story, span, timeout};

/// A call that was out when its stream went on.
pub struct LetGo<'a> {
    /// The call.
    pub call: &'a Call,
    /// What went on.
    pub direction: Direction,
    /// The phase or the resume that let it go.
    pub by: &'a Event,
    /// The invocation in which that happened.
    pub within: &'a Event,
    /// What held the direction for the call: before it went on, or later again; None if nothing did.
    pub held_by: Option<Sequence>,
    /// The dispatch.
    pub dispatch: &'a Event,
    /// The invocation of the dispatch.
    pub phase: &'a Event,
}

/// What a diagnosis tells of such calls.
pub struct Rule {
    /// Code of the diagnosis.
    pub code: &'static str,
    /// The beginning of the headline, a clause.
    pub beginning: fn(&LetGo<'_>) -> String,
    /// How it was let go, a sentence.
    pub how: fn(&LetGo<'_>) -> String,
    /// May it have been fire and forget, unless the callback touches the stream?
    pub needs_touch: bool,
    /// May another answer have been enough, unless the callback shows that it was to decide?
    pub may_be_spare: bool,
    /// What to do.
    pub advice: &'static [Advice],
}

/// When the response callback came, and what that means.
struct Told {
    severity: Severity,
    end: String,
    details: Vec<String>,
    events: Vec<Sequence>,
    windows: Vec<Window>,
}

impl<'a> LetGo<'a> {
    /// A call that a stream may wait for, with its dispatch. The messages of a gRPC stream go on and on.
    pub fn dispatched(story: &Story<'a>, call: &'a Call) -> Option<(&'a Event, &'a Event)> {
        let refused = matches!(call.outcome, Outcome::Rejected(_));
        if refused || call.kind == CallKind::GrpcStream {
            return None;
        }
        let phase = story.dispatch_step(call).and_then(|step| story.invocation(step))?;
        Some((story.timeline.event(call.dispatch)?, phase))
    }

    /// The verdict, now that it is known what let the stream go.
    pub fn judge(&self, story: &Story<'_>, rule: &Rule) -> Option<Verdict> {
        let callback = story.answer(self.call);
        let touch = callback.and_then(|callback| touch(story, callback));
        if rule.needs_touch && touch.is_none() {
            // A phase that stopped for it shows that it was awaited. An end that no hold would have kept
            // off is another diagnosis' business.
            if self.held_by.is_none() || story.ending().is_given_up() {
                return None;
            }
        }
        // Once the plugin has answered the client itself it needs the call no more.
        let reply = story.reply();
        if reply.is_some_and(|reply| callback.is_none_or(|c| reply.order() < c.order())) {
            return None;
        }
        // The callback had its stream and left it alone: beside the request, as a record or a second try.
        let was_there = callback.filter(|callback| {
            let is_late = |deleted: &Event| deleted.order() < callback.order();
            !story.first(Callback::Delete).is_some_and(is_late)
        });
        if let Some(callback) = was_there.filter(|_| touch.is_none()) {
            return story.gap_in(callback).map(|gap| Verdict::Unknown { gap });
        }
        // It came late and shows no try: whether its handler ran at all is told from all of it.
        if let Some(callback) = callback.filter(|_| rule.may_be_spare && touch.is_none())
            && let Some(gap) = story.gap_in(callback)
        {
            return Some(Verdict::Unknown { gap });
        }
        // Something else may have let it go before, or that may have been done to another stream.
        let went = story.gap(self.dispatch.sequence, Some(self.by.sequence));
        let tried = || callback.filter(|_| touch.is_some()).and_then(|c| story.gap_in(c));
        if let Some(gap) = went.or_else(tried) {
            return Some(Verdict::Unknown { gap });
        }
        match self.told(story, rule, callback, touch)? {
            Ok(told) => Some(self.found(story, rule, told)),
            Err(gap) => Some(Verdict::Unknown { gap }),
        }
    }

    fn told(
        &self,
        story: &Story<'_>,
        rule: &Rule,
        callback: Option<&Event>,
        touch: Option<&Event>,
    ) -> Option<Result<Told, String>> {
        let before = |a: &Event, b: &Event| a.order() < b.order();
        let deleted = story.first(Callback::Delete);
        let response = story.first(Callback::ResponseHeaders);
        let response = response.filter(|_| self.direction == Direction::Request);
        let Some(callback) = callback else {
            return Some(match deleted {
                Some(deleted) => self.never(story, deleted),
                None => Ok(self.open()),
            });
        };
        if let Some(deleted) = deleted.filter(|deleted| before(deleted, callback)) {
            let idle = idle(story, callback).filter(|_| rule.may_be_spare);
            return Some(Ok(late(story, deleted, callback, touch.or(idle), idle.is_some())));
        }
        // One that found its stream and left it alone is nothing to tell of.
        let touch = touch?;
        match response.filter(|response| before(response, callback)) {
            Some(response) => Some(after_response(story, response, callback, touch)),
            None if story.ended().is_some_and(|end| before(end, callback)) => None,
            None => Some(self.in_time(story, response, callback, touch)),
        }
    }

    /// No callback by the end.
    fn never(&self, story: &Story<'_>, deleted: &Event) -> Result<Told, String> {
        if let Some(gap) = story.gap(self.dispatch.sequence, Some(deleted.sequence)) {
            return Err(gap);
        }
        let none = kinds::responses_to(self.call.kind);
        let ending = story.ending().clause(story);
        Ok(Told {
            severity: Severity::Lost,
            end: "the stream had ended before its response callback, so nothing decided there will be \
                  enforced"
                .to_owned(),
            details: vec![format!(
                "The stream was deleted without a response callback of the call ({}): {ending}.",
                phrases::event(deleted)
            )],
            events: vec![deleted.sequence],
            windows: vec![story.window(self.dispatch.sequence, Some(deleted.sequence), none)],
        })
    }

    fn open(&self) -> Told {
        Told {
            severity: Severity::Race,
            end: "a response that comes before its response callback makes that come too late"
                .to_owned(),
            details: Vec::new(),
            events: Vec::new(),
            windows: Vec::new(),
        }
    }

    /// The callback came before any response, or before the end where the response was let go.
    fn in_time(
        &self,
        story: &Story<'_>,
        response: Option<&Event>,
        callback: &Event,
        touch: &Event,
    ) -> Result<Told, String> {
        let mut windows = Vec::new();
        let margin = match response {
            Some(response) => format!(
                ", {} before the response headers ({})",
                span(response.at.since(callback.at)),
                phrases::event(response)
            ),
            None => {
                let (from, to) = (self.dispatch.sequence, Some(callback.sequence));
                if let Some(gap) = story.gap(from, to) {
                    return Err(gap);
                }
                let none = match self.direction {
                    Direction::Request => kinds::RESPONSE_OR_ENDS,
                    Direction::Response => kinds::ENDS,
                };
                windows.push(story.window(from, to, none));
                String::new()
            }
        };
        let came = format!(
            "The response callback came {} after the dispatch ({}){margin}.",
            span(callback.at.since(self.dispatch.at)),
            phrases::event(callback)
        );
        let events = [Some(callback), response, Some(touch)].into_iter().flatten();
        let (severity, end) = match is_refused_change(touch) {
            true => {
                (Severity::Failed, "the host refused what its response callback would have changed")
            }
            false => (
                Severity::Race,
                "it worked this time, since its response callback came before any end",
            ),
        };
        Ok(Told {
            severity,
            end: end.to_owned(),
            details: vec![came, did(touch)],
            events: events.map(|e| e.sequence).collect(),
            windows,
        })
    }

    fn found(&self, story: &Story<'_>, rule: &Rule, told: Told) -> Verdict {
        let mut details = vec![
            format!(
                "It was dispatched in {} (#{}, {}).",
                phrases::event(self.phase),
                self.dispatch.sequence,
                timeout(self.call)
            ),
            (rule.how)(self),
        ];
        details.extend(told.details);
        let base = [self.phase, self.dispatch, self.within, self.by].map(|e| e.sequence);
        let events = base.into_iter().chain(self.held_by).chain(told.events);
        let headline = format!("{}; {}.", (rule.beginning)(self), told.end);
        Verdict::Found(Box::new(Finding {
            details,
            evidence: Evidence { events: phrases::cited(events), windows: told.windows },
            advice: phrases::advice(story.timeline.dialect.host, rule.advice),
            ..Finding::cause(rule.code, told.severity, Subject::Call(self.call.id), headline)
        }))
    }
}

/// The callback came when the stream was no more. `did`: what it did to the stream, or did at all where its
/// handler was idle.
fn late(
    story: &Story<'_>,
    deleted: &Event,
    callback: &Event,
    did: Option<&Event>,
    is_idle: bool,
) -> Told {
    let lateness = span(callback.at.since(deleted.at));
    let hostcalls = story.hostcalls_in(callback);
    let details = vec![
        format!(
            "The stream was deleted before the response callback ({}): {}.",
            phrases::event(deleted),
            story.ending().clause(story)
        ),
        format!(
            "The host delivered the response callback on root context {}, {lateness} later ({}).",
            callback.context,
            phrases::event(callback)
        ),
        phrases::too_late(callback, hostcalls),
    ];
    let events = [Some(deleted), Some(callback), did].into_iter().flatten();
    let (severity, meant) = match did {
        _ if is_idle => (Severity::Note, "and tried to decide nothing"),
        Some(_) => (Severity::Lost, "so nothing decided there was enforced"),
        None => (Severity::Lost, "when it could decide nothing any more"),
    };
    Told {
        severity,
        end: format!(
            "its response callback came {lateness} after the stream had been deleted, {meant}"
        ),
        details,
        events: events.map(|e| e.sequence).collect(),
        windows: Vec::new(),
    }
}

/// The response came first, and the stream was still there at the callback, in which the plugin decided
/// something.
fn after_response(
    story: &Story<'_>,
    response: &Event,
    callback: &Event,
    touch: &Event,
) -> Result<Told, String> {
    let mut windows = Vec::new();
    let deleted = story.first(Callback::Delete);
    if deleted.is_none() {
        let (from, to) = (response.sequence, Some(callback.sequence));
        if let Some(gap) = story.gap(from, to) {
            return Err(gap);
        }
        windows.push(story.window(from, to, &[Kind::Callback(Callback::Delete)]));
    }
    let came = format!(
        "The response headers ({}) came {} before the response callback ({}), which ran while the \
         stream was still there.",
        phrases::event(response),
        span(callback.at.since(response.at)),
        phrases::event(callback)
    );
    let events = [Some(response), Some(callback), deleted, Some(touch)].into_iter().flatten();
    Ok(Told {
        severity: Severity::Failed,
        end: "what was decided in its response callback came too late".to_owned(),
        details: vec![came, did(touch)],
        events: events.map(|e| e.sequence).collect(),
        windows,
    })
}

fn did(touch: &Event) -> String {
    let refused = match is_refused_change(touch) {
        true => ", which the host refused (bad_argument): what it would have changed had gone on",
        false => "",
    };
    format!("In it the plugin called {}{refused}.", phrases::event(touch))
}

/// What the plugin did to the stream in a response callback: a resume, a local response or a close, or
/// the try to change its headers or its body where these, or the stream, had gone. That a stream was
/// asked for in vain says nothing: some SDKs do so before any handler.
pub fn touch<'a>(story: &Story<'a>, callback: &Event) -> Option<&'a Event> {
    let hostcalls = story.hostcalls_in(callback);
    let own = story.timeline.context;
    let is_late = story.first(Callback::Delete).is_some_and(|d| d.order() < callback.order());
    if !is_late {
        let decided = decisions_on(own, hostcalls).next();
        return decided.or_else(|| hostcalls_on(own, hostcalls).find(|e| is_refused_change(e)));
    }
    let is_unknown = |e: &&Event| {
        e.is_switch()
            // The host knows no such context any more.
            && Status::from_number(e.result) == Status::BadArgument
            && e.arg(0) == own.0
    };
    let changed = || {
        let asked = hostcalls.iter().find(is_unknown)?;
        hostcalls_on(callback.context, hostcalls)
            .find(|e| e.sequence > asked.sequence && changes_stream(e))
    };
    phrases::tried(callback, hostcalls).or_else(changed)
}

/// A hostcall which shows that the handler of a late callback ran, if it ran to its end and neither decided
/// about the stream nor asked for its headers or body nor dispatched a further call.
pub fn idle<'a>(story: &Story<'a>, callback: &Event) -> Option<&'a Event> {
    let hostcalls = story.hostcalls_in(callback);
    let is_any = |e: &Event| e.is_dispatch() || e.decides() || changes_stream(e) || reads_stream(e);
    let is_idle = !callback.marks.has(Marks::UNFINISHED) && !hostcalls.iter().any(is_any);
    hostcalls.first().filter(|_| is_idle)
}

/// Is it a change of the stream's headers or body that the host refused, since they had gone on?
fn is_refused_change(event: &Event) -> bool {
    changes_stream(event) && Status::from_number(event.result) == Status::BadArgument
}

/// Does it change the headers, the trailers or the body of a stream, not those of a call?
fn changes_stream(event: &Event) -> bool {
    match event.kind {
        Kind::Hostcall(
            Hostcall::AddHeaderMapValue
            | Hostcall::ReplaceHeaderMapValue
            | Hostcall::RemoveHeaderMapValue
            | Hostcall::SetHeaderMapPairs,
        ) => event.arg(0) <= map::RESPONSE_TRAILERS,
        Kind::Hostcall(Hostcall::SetBufferBytes) => event.arg(0) <= buffer::RESPONSE_BODY,
        _ => false,
    }
}

/// The same of one that reads them.
fn reads_stream(event: &Event) -> bool {
    match event.kind {
        Kind::Hostcall(
            Hostcall::GetHeaderMapValue | Hostcall::GetHeaderMapPairs | Hostcall::GetHeaderMapSize,
        ) => event.arg(0) <= map::RESPONSE_TRAILERS,
        Kind::Hostcall(Hostcall::GetBufferBytes | Hostcall::GetBufferStatus) => {
            event.arg(0) <= buffer::RESPONSE_BODY
        }
        _ => false,
    }
}
