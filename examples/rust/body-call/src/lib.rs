//! The plugin of the original report, on the `proxy-wasm` crate: the request-body phase dispatches
//! an HTTP call, returns Pause, and the decision is made in the callback. The headers phase answers
//! Continue, so the upstream has the headers before anybody decided anything.
//!
//! Configuration: `{"cluster": "callee", "path": "/check", "timeout_millis": 5000, "mode": "body"}`.
//! Modes: `body` as reported; `fixed` holds the headers too (this crate knows only Continue and
//! Pause, so a stock Envoy must be told `allow_on_headers_stop_iteration: true`, or the body phase
//! never comes); `forget` neither resumes nor replies in the callback; `grow` makes no call but takes
//! memory in every phase (see `grow.rs`); `trap` is `body`, but panics where the query parameter `trap`
//! says: in the `headers` phase, or in the `callback`.
//!
//! In every mode `tick_millis` has the root tick, 0 (so when not said) never; each tick is a line in the
//! log. With `tick_anew` each request sets the period again, so that it starts anew.
//!
//! The query parameter `callee` of the request says how the callee shall behave; the plugin passes
//! it on in the header `x-manner`.

// The entry point that the host looks up by name is generated with `#[no_mangle]`, an unsafe attribute.
#![allow(unsafe_code)]
#![allow(missing_docs)]

mod grow;

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, Bytes, ContextType, LogLevel, MapType};
use serde::Deserialize;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { config: Rc::default() }));
}}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    cluster: String,
    path: String,
    timeout_millis: u64,
    mode: Mode,
    tick_millis: u64,
    tick_anew: bool,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Body,
    Fixed,
    Forget,
    Grow,
    Trap,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: "callee".into(),
            path: "/check".into(),
            timeout_millis: 5000,
            mode: Mode::Body,
            tick_millis: 0,
            tick_anew: false,
        }
    }
}

impl Config {
    /// Has the root of whatever runs now tick, from now on.
    fn tick(&self) {
        match hostcalls::set_tick_period(Duration::from_millis(self.tick_millis)) {
            Ok(()) => log::info!("ticks every {} ms", self.tick_millis),
            Err(status) => log::error!("the host gives no ticks ({status:?})"),
        }
    }
}

struct Root {
    config: Rc<Config>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let Some(bytes) = self.get_plugin_configuration() else { return true };
        match serde_json::from_slice(&bytes) {
            Ok(config) => self.config = Rc::new(config),
            Err(error) => {
                log::error!("the plugin's configuration is not understood: {error}");
                return false;
            }
        }
        if self.config.tick_millis > 0 {
            self.config.tick();
        }
        true
    }

    fn on_tick(&mut self) {
        log::info!("tick");
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            config: Rc::clone(&self.config),
            manner: None,
            trap: None,
            received: 0,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    config: Rc<Config>,
    /// How the callee shall behave. Read in the headers phase: once that has answered Continue, the
    /// host has no request headers left to give.
    manner: Option<String>,
    /// Where to panic.
    trap: Option<String>,
    /// Bytes of the request body that the host holds for us.
    received: usize,
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if self.config.tick_anew {
            self.config.tick();
        }
        if self.config.mode == Mode::Grow {
            grow::take();
            return Action::Continue;
        }
        let path = header(":path");
        self.manner = path.as_deref().and_then(|path| parameter(path, "callee"));
        if self.config.mode == Mode::Trap {
            self.trap = path.as_deref().and_then(|path| parameter(path, "trap"));
        }
        assert!(self.trap.as_deref() != Some("headers"), "no such user");
        // Without a body no body phase would ever come to release the headers.
        if self.config.mode == Mode::Fixed && !end_of_stream {
            return Action::Pause;
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        // While we pause the host buffers, and says the size of all it has buffered.
        self.received = size;
        if !end_of_stream {
            return Action::Pause;
        }
        if self.config.mode == Mode::Grow {
            grow::keep(self.get_http_request_body(0, size).unwrap_or_default());
            grow::take();
            return Action::Continue;
        }
        match self.call_out() {
            Ok(_) => Action::Pause,
            Err(status) => {
                // No call is out, so no callback will ever resume this request: let it pass.
                log::warn!(
                    "the call could not be dispatched ({status:?}), the request passes unchecked"
                );
                Action::Continue
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if self.config.mode == Mode::Grow {
            grow::take();
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.config.mode != Mode::Grow {
            return Action::Continue;
        }
        grow::take();
        if !end_of_stream {
            return Action::Pause;
        }
        grow::keep(self.get_http_response_body(0, size).unwrap_or_default());
        Action::Continue
    }

    fn on_log(&mut self) {
        if self.config.mode == Mode::Grow {
            grow::check();
        }
    }
}

impl Stream {
    fn call_out(&self) -> Result<u32, proxy_wasm::types::Status> {
        let body = self.get_http_request_body(0, self.received);
        let mut headers =
            vec![(":method", "POST"), (":path", &*self.config.path), (":authority", "callee")];
        if let Some(manner) = &self.manner {
            headers.push(("x-manner", manner));
        }
        let timeout = Duration::from_millis(self.config.timeout_millis);
        self.dispatch_http_call(&self.config.cluster, headers, body.as_deref(), vec![], timeout)
    }
}

impl Context for Stream {
    fn on_http_call_response(
        &mut self,
        _call: u32,
        headers: usize,
        _body: usize,
        _trailers: usize,
    ) {
        assert!(self.trap.as_deref() != Some("callback"), "no such user");
        // No headers: the answer broke off. The host has no map to give then, and the crate would panic.
        let status = if headers > 0 { status_of_answer() } else { None };
        if self.config.mode == Mode::Forget {
            log::info!("callee answered {status:?}, nothing done about it");
            return;
        }
        if status.as_deref() == Some(b"200") {
            self.resume_http_request();
        } else {
            let headers = vec![("content-type", "text/plain")];
            self.send_http_response(403, headers, Some(b"denied by body-call\n"));
        }
    }
}

/// The string getters of the crate panic on an absent map and on bytes that are not UTF-8.
fn header(name: &str) -> Option<String> {
    let value = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok()??;
    String::from_utf8(value).ok()
}

fn status_of_answer() -> Option<Bytes> {
    hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, ":status").ok()?
}

fn parameter(path: &str, name: &str) -> Option<String> {
    let (_, query) = path.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}
