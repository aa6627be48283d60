//! What the root does wrong, and what its streams keep: the plugin's configuration names it, `{"root": NAME}`.
//!
//! - `tick-calls-nowhere`: its first tick dispatches to a cluster that does not exist.
//! - `tick-calls-in-vain`: its first tick calls a callee that never answers, with a timeout of 300 ms.
//! - `tick-waits`: the same with a timeout of a minute.
//! - `tick-calls`: its first tick calls the callee: no misuse.
//! - `tick-resumes-root`: each tick resumes, and names no stream before.
//! - `tick-resumes`: each tick resumes the streams that wait for it: no misuse.
//! - `keep`: each stream takes a page of memory and keeps it.
//! - `keep-some`: the first fifty do: no misuse.

use std::cell::RefCell;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::Stream;

const TICK: Duration = Duration::from_millis(100);
const PAGE: usize = 64 * 1024;

thread_local! {
    static WAITING: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A stream waits for the root to resume it in its tick.
pub fn wait(stream: u32) {
    WAITING.with_borrow_mut(|waiting| waiting.push(stream));
}

#[derive(Default)]
pub struct Root {
    does: String,
    has_called: bool,
}

impl Root {
    fn call(&mut self, cluster: &str, path: &str, timeout: Duration) {
        if !std::mem::replace(&mut self.has_called, true) {
            let headers = vec![(":method", "GET"), (":path", path), (":authority", "callee")];
            // Where it is refused that is the misuse: an error means that no callback will come.
            let _ = self.dispatch_http_call(cluster, headers, None, vec![], timeout);
        }
    }

    fn keep(&self) {
        let most = match self.does.as_str() {
            "keep" => usize::MAX,
            "keep-some" => 50,
            _ => 0,
        };
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < most {
                kept.push(vec![kept.len() as u8 | 1; PAGE]);
            }
        });
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&configuration).into_owned();
        self.does = text.split('"').nth(3).unwrap_or_default().to_owned();
        if self.does.starts_with("tick") {
            self.set_tick_period(TICK);
        }
        true
    }

    fn on_tick(&mut self) {
        match self.does.as_str() {
            "tick-calls-nowhere" => self.call("no-such-cluster", "/", TICK),
            "tick-calls-in-vain" => self.call("callee", "/never", TICK * 3),
            "tick-waits" => self.call("callee", "/never", TICK * 600),
            "tick-calls" => self.call("callee", "/", TICK * 600),
            // What a plugin does that takes the root's tick for a stream's.
            "tick-resumes-root" => {
                let _ = hostcalls::resume_http_request();
            }
            _ => {
                for stream in WAITING.take() {
                    if hostcalls::set_effective_context(stream).is_ok() {
                        let _ = hostcalls::resume_http_request();
                    }
                }
            }
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        self.keep();
        Some(Box::new(Stream::new(id)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
