//! What is said of a call that was dispatched after the headers had gone: findings and advice.

use abi::{Direction, Host, Hostcall, Kind};

use super::super::phrases;
use super::{CODE, Case};
use crate::event::Event;
use crate::finding::{Evidence, Finding, Severity, Subject, Verdict, Window};
use crate::story::{Ending, span};

impl Case<'_> {
    pub(super) fn lost(&self, deleted: &Event, callback: Option<&Event>) -> Verdict {
        let ending = self.story.ending();
        let clause = ending.clause(self.story);
        let call = phrases::call(self.call);
        let after = match callback {
            Some(callback) => format!(
                "its response callback came {} after the stream had been deleted, so nothing \
                 decided there was enforced",
                span(callback.at.since(deleted.at))
            ),
            None => "its response callback had not come by then, so nothing decided there will be \
                     enforced"
                .to_owned(),
        };
        let headline = format!(
            "{} had been forwarded before {call} was dispatched in {}; {clause}, and {after}.",
            capital(&self.headers()),
            phrases::name(self.phase),
        );
        let mut details = self.how_it_began();
        let response = self.response.filter(|r| r.order() < deleted.order());
        if let Some(response) = response.filter(|_| self.direction == Direction::Request) {
            details.push(format!(
                "Response headers came {} after the dispatch ({}), while the body was still held.",
                span(response.at.since(self.dispatch.at)),
                phrases::event(response)
            ));
        }
        details.push(format!(
            "The stream was deleted {} after the dispatch ({}): {clause}.",
            span(deleted.at.since(self.dispatch.at)),
            phrases::event(deleted)
        ));
        let mut windows = Vec::new();
        match callback {
            Some(callback) => {
                details.push(format!(
                    "The host delivered the response callback all the same, on root context {}, {} \
                     after the stream had been deleted ({}).",
                    callback.context,
                    span(callback.at.since(deleted.at)),
                    phrases::event(callback)
                ));
                let step = self.story.step_of(callback.sequence);
                details.push(phrases::too_late(step.map_or(&[], |s| self.story.hostcalls(s))));
            }
            None => {
                details.push(format!(
                    "Between the dispatch and the end no response callback came for call {}; the \
                     host will deliver it on the root context, where the SDK discards it.",
                    self.call.id
                ));
                windows.push(self.story.window(
                    self.dispatch.sequence,
                    Some(deleted.sequence),
                    phrases::response_kinds(self.call.kind),
                ));
            }
        }
        let events = [Some(deleted), callback, response].into_iter().flatten();
        self.found(Severity::Lost, headline, details, events, windows)
    }

    /// The response came before the callback, the stream still lives.
    pub(super) fn failed(&self, response: &Event, callback: Option<&Event>) -> Verdict {
        let call = phrases::call(self.call);
        let mut details = self.how_it_began();
        let when = match callback {
            Some(callback) => format!(
                "the response headers had come {} before the response callback",
                span(callback.at.since(response.at))
            ),
            None => "the response headers have come, the response callback has not".to_owned(),
        };
        details.push(format!(
            "The response passed to the client while the request body was held ({}).",
            phrases::event(response)
        ));
        if let Some(callback) = callback {
            details.push(format!(
                "The response callback ran while the stream was still there ({}), too late to keep \
                 the request from the upstream or to change the response's status.",
                phrases::event(callback)
            ));
        }
        let headline = format!(
            "{} had been forwarded before {call} was dispatched in {}, and {when}: what is decided \
             there comes too late for the response.",
            capital(&self.headers()),
            phrases::name(self.phase),
        );
        let events = [Some(response), callback].into_iter().flatten();
        self.found(Severity::Failed, headline, details, events, Vec::new())
    }

    /// The callback came first.
    pub(super) fn in_time(&self, callback: &Event) -> Verdict {
        let mut details = self.how_it_began();
        details.push(format!(
            "The response callback came {} after the dispatch ({}).",
            span(callback.at.since(self.dispatch.at)),
            phrases::event(callback)
        ));
        let own = self.story.ending() == Ending::OwnReply;
        let response = self.response;
        let margin = match response {
            Some(response) if own => {
                details.push(format!(
                    "The plugin answered itself ({}), but the upstream had been sent the headers \
                     already.",
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
            None => {
                "it worked this time: the response callback came before any response".to_owned()
            }
        };
        let headline = format!(
            "{} had been forwarded before {} was dispatched in {}; {margin}. An upstream that \
             answers before the response callback ends the stream first.",
            capital(&self.headers()),
            phrases::call(self.call),
            phrases::name(self.phase),
        );
        let events = [Some(callback), response].into_iter().flatten();
        self.found(Severity::Race, headline, details, events, Vec::new())
    }

    /// Nothing has come yet.
    pub(super) fn open(&self) -> Verdict {
        let headline = format!(
            "{} had been forwarded before {} was dispatched in {}; an upstream that answers before \
             the response callback ends the stream first.",
            capital(&self.headers()),
            phrases::call(self.call),
            phrases::name(self.phase),
        );
        self.found(Severity::Race, headline, self.how_it_began(), [], Vec::new())
    }

    /// The mirror: the response's headers are gone, its body is held, so the callback is not lost.
    pub(super) fn on_response(&self) -> Verdict {
        let reply = self.callback.and_then(|callback| {
            let step = self.story.step_of(callback.sequence)?;
            let reply = Kind::Hostcall(Hostcall::SendLocalResponse);
            self.story.hostcalls(step).iter().find(|e| e.kind == reply)
        });
        let mut details = self.how_it_began();
        let (severity, end) = match reply {
            Some(reply) => {
                details.push(format!(
                    "In the response callback the plugin sent a local response (#{}); the client \
                     had the status already, so the host can only reset the stream.",
                    reply.sequence
                ));
                (Severity::Failed, "the local response sent in its callback came too late")
            }
            None => (Severity::Note, "status and headers can no longer be changed"),
        };
        let headline = format!(
            "The response headers had been forwarded before {} was dispatched in {}: {end}.",
            phrases::call(self.call),
            phrases::name(self.phase),
        );
        let callback = self.callback.filter(|_| reply.is_some());
        let events = [reply, callback].into_iter().flatten();
        self.found(severity, headline, details, events, Vec::new())
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
                capital(&self.headers()),
                phrases::event(self.forwarded)
            ),
            format!(
                "{} was dispatched {} later in {} (#{}, {}), which then stopped to wait for it: that \
                 holds the body, not the headers.",
                capital(&phrases::call(self.call)),
                span(self.dispatch.at.since(self.forwarded.at)),
                phrases::event(self.phase),
                self.dispatch.sequence,
                crate::story::timeout(self.call.timeout),
            ),
        ]
    }

    fn found<'e>(
        &self,
        severity: Severity,
        headline: String,
        details: Vec<String>,
        events: impl IntoIterator<Item = &'e Event>,
        windows: Vec<Window>,
    ) -> Verdict {
        let base = [self.forwarded.sequence, self.phase.sequence, self.dispatch.sequence];
        let events = base.into_iter().chain(events.into_iter().map(|e| e.sequence));
        Verdict::Found(Box::new(Finding {
            code: CODE.to_owned(),
            severity,
            is_fact: false,
            subject: Subject::Call(self.call.id),
            headline,
            details,
            evidence: Evidence { events: phrases::cited(events), windows },
            advice: phrases::advice(
                self.story.timeline.dialect.host,
                match self.direction {
                    Direction::Request => &REQUEST_ADVICE,
                    Direction::Response => &RESPONSE_ADVICE,
                },
            ),
            supported_by: Vec::new(),
        }))
    }
}

const REQUEST_ADVICE: [(Option<Host>, &str); 2] = [
    (
        Some(Host::Higress),
        "On Higress return types.HeaderStopIteration from the headers phase when the request has a \
         body, with a module of ABI 0.2.100, and keep stopping in the body phase until the response \
         callback resumes.",
    ),
    (
        Some(Host::Envoy),
        "On stock Envoy 1.35 or later set allow_on_headers_stop_iteration: true and return Pause \
         from the headers phase when the request has a body; without that setting make the call in \
         the headers phase and return Pause there.",
    ),
];

const RESPONSE_ADVICE: [(Option<Host>, &str); 2] = [
    (
        Some(Host::Higress),
        "If the call may change status or headers, on Higress return types.HeaderStopIteration from \
         the response headers phase (module of ABI 0.2.100) until the callback has decided.",
    ),
    (
        Some(Host::Envoy),
        "If the call may change status or headers, on stock Envoy 1.35 or later set \
         allow_on_headers_stop_iteration: true and return Pause from the response headers phase.",
    ),
];

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
