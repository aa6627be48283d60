//! A plugin that misuses the host on request: the query parameter `misuse` names what it does wrong, each
//! of them a diagnosis of its own. Without it, or with one that is not known, everything goes on.
//!
//! - `wait-for-body`: stops in the headers phase whatever follows, and goes on in the body phase.
//! - `ignore-refusal`: dispatches to a cluster that does not exist, and stops all the same.
//! - `stop-at-end`: gathers the body, its end too, and nothing is under way.
//! - `stop-own-answer`: answers 403 by itself, and stops that answer in its response phases.
//! - `answer-late`: answers 502 in the response body phase, when the headers have gone.
//! - `resume-and-deny`: calls the callee, lets the request go in the callback, and then denies it.
//! - `wrong-context`: calls the callee, and resumes the root context instead of the stream.
//! - `body-goes-on`: calls the callee in the headers phase and stops there, and goes on in the body phase.
//! - `first-answer`: calls the callee twice, quickly and slowly, and resumes at each answer.
//! - `deny-unasked`: calls the callee, goes on, and denies the request in the callback.
//! - `tell`: calls the callee, goes on, and leaves the stream alone in the callback: no misuse.
//! - `both-answers`: as `first-answer`, and resumes at the second one: no misuse.
//! - `wait`: calls the callee and waits for it, for as long as it takes.
//! - `call-at-end`: calls the callee when the stream is logged.
//! - `compute`: computes for a tenth of a second in the headers phase.
//! - `compute-briefly`: computes there for a millisecond: no misuse.
//! - `read-nothing`: calls the callee, which breaks off, and gives up in the callback over an answer that is
//!   not there.
//! - `unwrap-nothing`: the same, and the SDK panics over it: the VM is gone.
//! - `check-first`: the same, and looks first at whether there is an answer: no misuse.
//! - `wait-for-tick`: stops until the root's tick resumes it: no misuse where it does (`root.rs`).

// The entry point that the host looks up by name is generated with `#[no_mangle]`, an unsafe attribute.
#![allow(unsafe_code)]
#![allow(missing_docs)]

mod root;

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use root::Root;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Clone, Copy, PartialEq)]
enum Misuse {
    None,
    WaitForBody,
    IgnoreRefusal,
    StopAtEnd,
    StopOwnAnswer,
    AnswerLate,
    ResumeAndDeny,
    WrongContext,
    BodyGoesOn,
    FirstAnswer,
    BothAnswers,
    DenyUnasked,
    Tell,
    Wait,
    CallAtEnd,
    Compute,
    ComputeBriefly,
    ReadNothing,
    UnwrapNothing,
    CheckFirst,
    WaitForTick,
}

impl Misuse {
    fn of(path: &str) -> Misuse {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let name = query.split('&').find_map(|pair| pair.strip_prefix("misuse="));
        match name.unwrap_or_default() {
            "wait-for-body" => Misuse::WaitForBody,
            "ignore-refusal" => Misuse::IgnoreRefusal,
            "stop-at-end" => Misuse::StopAtEnd,
            "stop-own-answer" => Misuse::StopOwnAnswer,
            "answer-late" => Misuse::AnswerLate,
            "resume-and-deny" => Misuse::ResumeAndDeny,
            "wrong-context" => Misuse::WrongContext,
            "body-goes-on" => Misuse::BodyGoesOn,
            "first-answer" => Misuse::FirstAnswer,
            "both-answers" => Misuse::BothAnswers,
            "deny-unasked" => Misuse::DenyUnasked,
            "tell" => Misuse::Tell,
            "wait" => Misuse::Wait,
            "call-at-end" => Misuse::CallAtEnd,
            "compute" => Misuse::Compute,
            "compute-briefly" => Misuse::ComputeBriefly,
            "read-nothing" => Misuse::ReadNothing,
            "unwrap-nothing" => Misuse::UnwrapNothing,
            "check-first" => Misuse::CheckFirst,
            "wait-for-tick" => Misuse::WaitForTick,
            _ => Misuse::None,
        }
    }
}

/// How the callee behaves that takes its time.
const SLOWLY: &str = "/after-1000";
/// How one does that takes longer than a client's patience.
const TOO_SLOWLY: &str = "/after-4000";
/// How one does that breaks off in the middle of its answer: of that nothing is left, no headers either.
const BREAKS_OFF: &str = "/reset";

struct Stream {
    id: u32,
    misuse: Misuse,
    answers: u32,
    answered: bool,
}

impl Stream {
    fn new(id: u32) -> Stream {
        Stream { id, misuse: Misuse::None, answers: 0, answered: false }
    }

    /// Calls a cluster and stops, whether the call was accepted or not.
    fn call(&self, cluster: &str) -> Action {
        self.dispatch(cluster, "/");
        Action::Pause
    }

    /// Calls the callee, which is to behave so, and stops.
    fn call_callee(&self, how: &str) -> Action {
        self.dispatch("callee", how);
        Action::Pause
    }

    fn dispatch(&self, cluster: &str, path: &str) {
        let headers = vec![(":method", "GET"), (":path", path), (":authority", "callee")];
        // Where it is refused that is the misuse: an error means that no callback will come.
        let _ = self.dispatch_http_call(cluster, headers, None, vec![], Duration::from_secs(5));
    }

    /// Computes for a while, and lets the request go.
    fn compute(&self, time: Duration) -> Action {
        let began = self.get_current_time();
        let mut sum = 0_u64;
        // A clock that steps backwards ends it too.
        while self.get_current_time().duration_since(began).is_ok_and(|passed| passed < time) {
            sum = std::hint::black_box((0..10_000).fold(sum, |sum, n| sum.rotate_left(5) ^ n));
        }
        Action::Continue
    }

    fn of_response(&self) -> Action {
        if self.misuse == Misuse::StopOwnAnswer { Action::Pause } else { Action::Continue }
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, headers: usize, _: usize, _: usize) {
        self.answers += 1;
        match self.misuse {
            Misuse::ResumeAndDeny => {
                self.resume_http_request();
                self.send_http_response(403, vec![], Some(b"denied"));
            }
            Misuse::WrongContext => {
                // The first context of a VM is its root. That is the misuse: a root has no stream.
                let _ = hostcalls::set_effective_context(1);
                self.resume_http_request();
            }
            Misuse::Tell => {}
            Misuse::BothAnswers if self.answers == 1 => {}
            Misuse::CheckFirst if headers == 0 => self.send_http_response(503, vec![], None),
            Misuse::ReadNothing => {
                let answer = self.get_http_call_response_headers();
                if answer.iter().any(|(name, value)| name == ":status" && value == "200") {
                    self.resume_http_request();
                }
            }
            Misuse::UnwrapNothing => {
                if self.get_http_call_response_header(":status").as_deref() == Some("200") {
                    self.resume_http_request();
                }
            }
            Misuse::DenyUnasked => self.send_http_response(403, vec![], Some(b"denied")),
            _ => self.resume_http_request(),
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        self.misuse = Misuse::of(&path);
        match self.misuse {
            Misuse::WaitForTick => {
                root::wait(self.id);
                Action::Pause
            }
            Misuse::WaitForBody => Action::Pause,
            Misuse::IgnoreRefusal => self.call("no-such-cluster"),
            Misuse::ResumeAndDeny | Misuse::WrongContext => self.call("callee"),
            Misuse::StopOwnAnswer => {
                self.send_http_response(403, vec![], Some(b"denied"));
                Action::Pause
            }
            Misuse::BodyGoesOn => self.call_callee(SLOWLY),
            Misuse::Wait => self.call_callee(TOO_SLOWLY),
            Misuse::ReadNothing | Misuse::UnwrapNothing | Misuse::CheckFirst => {
                self.call_callee(BREAKS_OFF)
            }
            Misuse::FirstAnswer | Misuse::BothAnswers => {
                self.call("callee");
                self.call_callee(SLOWLY)
            }
            Misuse::DenyUnasked | Misuse::Tell => {
                self.call("callee");
                Action::Continue
            }
            Misuse::Compute => self.compute(Duration::from_millis(100)),
            Misuse::ComputeBriefly => self.compute(Duration::from_millis(1)),
            Misuse::None | Misuse::StopAtEnd | Misuse::AnswerLate | Misuse::CallAtEnd => {
                Action::Continue
            }
        }
    }

    fn on_log(&mut self) {
        if self.misuse == Misuse::CallAtEnd {
            self.dispatch("callee", "/");
        }
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        if self.misuse == Misuse::StopAtEnd {
            return Action::Pause;
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.of_response()
    }

    fn on_http_response_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        if self.misuse == Misuse::AnswerLate && !self.answered {
            self.answered = true;
            self.send_http_response(502, vec![], Some(b"not this one"));
            return Action::Pause;
        }
        self.of_response()
    }
}
