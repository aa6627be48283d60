//! What is said of a call that was dispatched after the headers had gone: findings and advice.

use abi::{Callback, Direction, Host, Hostcall, Kind};

use super::super::{kinds, phrases};
use super::{Case, DIAGNOSIS};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict, Window};
use crate::hold::hostcalls_on;
use crate::ids::Sequence;
use crate::story::{Ending, StillHeld, span};

impl Case<'_> {
    /// The stream ended before the callback. `end`: the response headers, or the first sign of the end.
    pub(super) fn lost(&self, end: &Event, held: StillHeld, deleted: &Event) -> Verdict {
        let ending = self.story.ending();
        let clause = ending.clause(self.story);
        let after = match self.callback {
            Some(callback) => format!(
                "the call's response callback came {} after the stream had been deleted, so nothing \
                 decided there was enforced",
                span(callback.at.since(deleted.at))
            ),
            None => "the call's response callback had not come by then, so nothing decided there will be \
                     enforced"
                .to_owned(),
        };
        let headline = format!("{}; {clause}, and {after}.", self.beginning());
        let mut details = self.how_it_began();
        if self.response.is_some_and(|r| r.sequence == end.sequence) {
            details.push(format!(
                "Response headers came {} after the dispatch ({}), while the body was still held.",
                span(end.at.since(self.dispatch.at)),
                phrases::event(end)
            ));
        }
        details.push(format!(
            "The stream was deleted {} after the dispatch ({}): {clause}.",
            span(deleted.at.since(self.dispatch.at)),
            phrases::event(deleted)
        ));
        let mut windows = vec![held.window.clone()];
        match self.callback {
            Some(callback) => {
                details.push(format!(
                    "The host delivered the response callback all the same, on root context {}, {} \
                     after the stream had been deleted ({}).",
                    callback.context,
                    span(callback.at.since(deleted.at)),
                    phrases::event(callback)
                ));
                details.push(phrases::too_late(callback, self.story.hostcalls_in(callback)));
            }
            None => {
                if let Some(gap) = self.story.gap(self.dispatch.sequence, Some(deleted.sequence)) {
                    return Verdict::Unknown { gap };
                }
                details.push(format!(
                    "Between the dispatch and the end no response callback came for call {}; if it \
                     comes, it comes on the root context, where the Go and Rust SDKs discard it.",
                    self.call.id
                ));
                windows.push(self.story.window(
                    self.dispatch.sequence,
                    Some(deleted.sequence),
                    kinds::responses_to(self.call.kind),
                ));
            }
        }
        if ending.whatever_was_held(self.story) {
            details.push(
                "Held headers would not have prevented this end, only one by an early answer of the \
                 upstream: here a shorter timeout of the call helps."
                    .to_owned(),
            );
        }
        let step = self.callback.and_then(|c| self.story.step_of(c.sequence));
        let tried = self.callback.zip(step).and_then(|(callback, step)| {
            phrases::tried(callback, self.story.hostcalls(step)).map(|e| e.sequence)
        });
        let events = [end.sequence, deleted.sequence].into_iter();
        let events =
            events.chain(self.callback.map(|c| c.sequence)).chain(tried).chain(held.cited());
        self.found(Severity::Lost, headline, details, events, windows)
    }

    /// The response came before the callback, and the stream still lives or did so at the callback.
    pub(super) fn failed(&self, response: &Event, held: StillHeld) -> Verdict {
        let mut windows = vec![held.window.clone()];
        let absence = match (self.callback, self.deleted) {
            // The delete stands after the callback.
            (Some(_), Some(_)) => None,
            (Some(callback), None) => {
                let delete = &[Kind::Callback(Callback::Delete)];
                Some((response.sequence, Some(callback.sequence), &delete[..]))
            }
            (None, _) => {
                let kinds = kinds::responses_to(self.call.kind);
                Some((self.dispatch.sequence, None, kinds))
            }
        };
        if let Some((from, to, kinds)) = absence {
            if let Some(gap) = self.story.gap(from, to) {
                return Verdict::Unknown { gap };
            }
            windows.push(self.story.window(from, to, kinds));
        }
        let mut details = self.how_it_began();
        let when = match self.callback {
            Some(callback) => format!(
                "the response headers came {} before the response callback",
                span(callback.at.since(response.at))
            ),
            None => "the response headers have come, the response callback has not".to_owned(),
        };
        // A plugin that holds the response until its call is answered can still decide about it.
        let at = self.callback.and_then(|c| self.story.step_of(c.sequence));
        let then = at.map_or_else(|| self.story.now(), |step| step.before).response;
        let is_kept = then.hold.is_held() && then.forwarded_by.is_none();
        details.push(format!(
            "The response headers came while the request body was held ({}), and the plugin {}.",
            phrases::event(response),
            if is_kept { "held them" } else { "let them go on to the client" }
        ));
        if let Some(callback) = self.callback {
            details.push(format!(
                "The response callback ran while the stream was still there ({}), too late to keep \
                 the request's headers from the upstream.",
                phrases::event(callback)
            ));
        }
        let (severity, end) = match is_kept {
            true => {
                (Severity::Note, "the plugin holds the response, so the client waits all the same")
            }
            false => (Severity::Failed, "what is decided there comes too late for the response"),
        };
        let headline = format!("{}, and {when}: {end}.", self.beginning());
        let events =
            [Some(response), self.callback, self.deleted.filter(|_| self.callback.is_some())];
        let events = events.into_iter().flatten().map(|e| e.sequence).chain(held.cited());
        self.found(severity, headline, details, events, windows)
    }

    /// The callback came first.
    pub(super) fn in_time(&self, callback: &Event) -> Verdict {
        let mut windows = Vec::new();
        if self.response.is_none() {
            let (from, to) = (self.dispatch.sequence, Some(callback.sequence));
            if let Some(gap) = self.story.gap(from, to) {
                return Verdict::Unknown { gap };
            }
            windows.push(self.story.window(from, to, kinds::RESPONSE_OR_ENDS));
        }
        let mut details = self.how_it_began();
        details.push(format!(
            "The response callback came {} after the dispatch ({}).",
            span(callback.at.since(self.dispatch.at)),
            phrases::event(callback)
        ));
        let own = self.story.ending() == Ending::OwnReply;
        let response = self.response;
        let reply = self.story.now().replied.filter(|_| own);
        let margin = match response {
            Some(response) if own => {
                details.push(format!(
                    "The plugin answered itself ({}), but the headers had gone on towards the \
                     upstream.",
                    phrases::event(response)
                ));
                "it worked this time, since the plugin's local response was the first".to_owned()
            }
            Some(response) => {
                details.push(format!(
                    "Response headers came {} after that ({}).",
                    span(response.at.since(callback.at)),
                    phrases::event(response)
                ));
                format!("it worked this time, by {}", span(response.at.since(callback.at)))
            }
            None => "this time the response callback came before any response".to_owned(),
        };
        let headline = format!(
            "{}; {margin}. An upstream that answers before the response callback ends the stream \
             first.",
            self.beginning()
        );
        let events = [Some(callback), response].into_iter().flatten().map(|e| e.sequence);
        self.found(Severity::Race, headline, details, events.chain(reply), windows)
    }

    /// Nothing has come yet.
    pub(super) fn open(&self) -> Verdict {
        let headline = format!(
            "{}; an upstream that answers before the response callback ends the stream first.",
            self.beginning()
        );
        self.found(Severity::Race, headline, self.how_it_began(), [], Vec::new())
    }

    /// The mirror: the response's headers are gone, its body is held, so the callback is not lost.
    pub(super) fn on_response(&self) -> Verdict {
        let reply = self.callback.and_then(|callback| {
            let step = self.story.step_of(callback.sequence)?;
            // Before the end, and on this stream: after it the callback is late, another matter.
            let alive = self.deleted.is_none_or(|d| callback.order() < d.order());
            let reply = Kind::Hostcall(Hostcall::SendLocalResponse);
            let own = self.story.timeline.context;
            hostcalls_on(own, self.story.hostcalls(step)).find(|e| alive && e.kind == reply)
        });
        let mut details = self.how_it_began();
        let late = self.callback.zip(self.deleted).filter(|(c, d)| d.order() < c.order());
        let late = late.filter(|_| self.left_with_all());
        let (severity, end) = match (reply, late) {
            (None, Some((callback, deleted))) => {
                details.push(format!(
                    "Every byte of the body had gone before: the client had all of the response, \
                     and left. The stream was deleted ({}), and the response callback came {} later \
                     ({}).",
                    phrases::event(deleted),
                    span(callback.at.since(deleted.at)),
                    phrases::event(callback)
                ));
                let end = "nothing but the end of the response was held for it, and the client, which \
                           had the rest, did not wait";
                (Severity::Lost, end)
            }
            (Some(reply), _) => {
                details.push(format!(
                    "In the response callback the plugin sent a local response (#{}); the client \
                     had the status already, so the host can only reset the stream.",
                    reply.sequence
                ));
                (Severity::Failed, "the local response sent in its callback came too late")
            }
            (None, None) => (Severity::Note, "status and headers can no longer be changed"),
        };
        let headline = format!("{}: {end}.", self.beginning());
        let callback = self.callback.filter(|_| reply.is_some() || late.is_some());
        let deleted = late.map(|(_, deleted)| deleted);
        let events = [reply, callback, deleted].into_iter().flatten().map(|e| e.sequence);
        self.found(severity, headline, details, events, Vec::new())
    }

    /// `The request headers had been forwarded before call 4 to "slow" was dispatched in request_body`
    fn beginning(&self) -> String {
        format!(
            "{} had been forwarded before {} was dispatched in {}",
            phrases::capital(self.headers()),
            phrases::call(self.call),
            phrases::name(self.phase),
        )
    }

    fn headers(&self) -> String {
        format!("the {} headers", self.direction.name())
    }

    fn how_it_began(&self) -> Vec<String> {
        let how = match self.forwarded.kind {
            Kind::Hostcall(_) => "let go by a resume",
            _ => "let go when their phase answered Continue",
        };
        vec![
            format!(
                "{} were {how} ({}).",
                phrases::capital(self.headers()),
                phrases::event(self.forwarded)
            ),
            format!(
                "{} was dispatched {} later in {} (#{}, {}), which then stopped to wait for it: that \
                 holds the body, not the headers.",
                phrases::capital(phrases::call(self.call)),
                span(self.dispatch.at.since(self.forwarded.at)),
                phrases::event(self.phase),
                self.dispatch.sequence,
                crate::story::timeout(self.call),
            ),
        ]
    }

    fn found(
        &self,
        severity: Severity,
        headline: String,
        details: Vec<String>,
        events: impl IntoIterator<Item = Sequence>,
        windows: Vec<Window>,
    ) -> Verdict {
        let base = [self.forwarded.sequence, self.phase.sequence, self.dispatch.sequence];
        let events = base.into_iter().chain(events);
        Verdict::Found(Box::new(Finding {
            details,
            evidence: Evidence { events: phrases::cited(events), windows },
            advice: phrases::advice(
                self.story.timeline.dialect.host,
                match self.direction {
                    Direction::Request => REQUEST_ADVICE,
                    Direction::Response => RESPONSE_ADVICE,
                },
            ),
            ..Finding::cause(DIAGNOSIS.code, severity, Subject::Call(self.call.id), headline)
        }))
    }
}

const REQUEST_ADVICE: &[Advice] = &[
    Advice::on(
        Host::Higress,
        "On Higress return types.HeaderStopIteration from the headers phase when the request has a \
         body, with a module of ABI 0.2.100, and keep stopping in the body phase until the response \
         callback resumes.",
        "在 Higress 上，请求有请求体时，使用 ABI 0.2.100 的模块，在请求头阶段返回 \
         types.HeaderStopIteration，并在请求体阶段一直停止，直到响应回调恢复请求。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy 1.35 or later set allow_on_headers_stop_iteration: true and return Pause \
         from the headers phase when the request has a body; without that setting make the call in \
         the headers phase and return Pause there.",
        "在原版 Envoy 1.35 及以上，设置 allow_on_headers_stop_iteration: true，请求有请求体时在请\
         求头阶段返回 Pause；没有这个设置时，在请求头阶段发起调用，并在那里返回 Pause。",
    ),
];

const RESPONSE_ADVICE: &[Advice] = &[
    Advice::on(
        Host::Higress,
        "If the call may change status or headers, on Higress return types.HeaderStopIteration from \
         the response headers phase (module of ABI 0.2.100) until the callback has decided.",
        "如果调用可能改变状态码或响应头，在 Higress 上从响应头阶段返回 types.HeaderStopIteration\
         （ABI 0.2.100 的模块），直到回调做出决定。",
    ),
    Advice::on(
        Host::Envoy,
        "If the call may change status or headers, on stock Envoy 1.35 or later set \
         allow_on_headers_stop_iteration: true and return Pause from the response headers phase.",
        "如果调用可能改变状态码或响应头，在原版 Envoy 1.35 及以上设置 \
         allow_on_headers_stop_iteration: true，并从响应头阶段返回 Pause。",
    ),
];
