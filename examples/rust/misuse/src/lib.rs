//! A plugin that misuses the host on request: the query parameter `misuse` names what it does wrong, each
//! of them a diagnosis of its own. Without it, or with one that is not known, everything goes on.
//!
//! - `wait-for-body`: stops in the headers phase whatever follows, and goes on in the body phase.
//! - `ignore-refusal`: dispatches to a cluster that does not exist, and stops all the same.
//! - `stop-at-end`: gathers the body, its end too, and nothing is under way.
//! - `stop-own-answer`: answers 403 by itself, and stops that answer in its response phases.

// The entry point that the host looks up by name is generated with `#[no_mangle]`, an unsafe attribute.
#![allow(unsafe_code)]
#![allow(missing_docs)]

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { misuse: Misuse::None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Misuse {
    None,
    WaitForBody,
    IgnoreRefusal,
    StopAtEnd,
    StopOwnAnswer,
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
            _ => Misuse::None,
        }
    }
}

struct Stream {
    misuse: Misuse,
}

impl Stream {
    fn of_response(&self) -> Action {
        if self.misuse == Misuse::StopOwnAnswer { Action::Pause } else { Action::Continue }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        self.misuse = Misuse::of(&path);
        match self.misuse {
            Misuse::WaitForBody => Action::Pause,
            Misuse::IgnoreRefusal => {
                let headers = vec![(":method", "GET"), (":path", "/"), (":authority", "nobody")];
                let timeout = Duration::from_secs(1);
                // That is the misuse: an error means that no callback will come.
                let _ = self.dispatch_http_call("no-such-cluster", headers, None, vec![], timeout);
                Action::Pause
            }
            Misuse::StopOwnAnswer => {
                self.send_http_response(403, vec![], Some(b"denied"));
                Action::Pause
            }
            Misuse::None | Misuse::StopAtEnd => Action::Continue,
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
        self.of_response()
    }
}
