//! A plugin as the scenarios name it: SDK, mode, where its calls go.

use serde_json::{Map, Value, json};

/// Which of the two example plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// `examples/go/body-call`, Higress Go SDK.
    Go,
    /// `examples/rust/body-call`, `proxy-wasm` crate.
    Rust,
}

/// What the plugin does; see the heads of the examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As reported: call and Pause in the body phase, headers long gone.
    Body,
    /// The same with the headers held.
    Fixed,
    /// The callback neither resumes nor replies.
    Forget,
    /// No call; it takes memory in every phase.
    Grow,
    /// As `Body`, but it panics where the request's query says.
    Trap,
    /// None that it knows: it refuses its configuration.
    Nonsense,
}

/// Which module a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// An example plugin in a mode.
    Example(Sdk, Mode),
    /// `wasm-tracer/probe`.
    Probe,
    /// `examples/cpp/trap`.
    Cpp,
    /// `examples/rust/misuse`.
    Misuse,
    /// `examples/go/misuse`.
    MisuseGo,
}

/// What Envoy does with streams of a VM that trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Answers 503 from then on; what holds when nothing is said.
    Closed,
    /// Lets them pass.
    Open,
    /// Makes a new VM for new ones, after a second.
    Reload,
}

impl FailurePolicy {
    /// All of them.
    pub const ALL: [FailurePolicy; 3] =
        [FailurePolicy::Closed, FailurePolicy::Open, FailurePolicy::Reload];

    pub(crate) fn name(self) -> &'static str {
        match self {
            FailurePolicy::Closed => "FAIL_CLOSED",
            FailurePolicy::Open => "FAIL_OPEN",
            FailurePolicy::Reload => "FAIL_RELOAD",
        }
    }
}

/// A plugin with its configuration.
#[derive(Clone, Debug)]
pub struct Plugin {
    code: Code,
    pub(crate) headers_stop_iteration: bool,
    pub(crate) cluster: String,
    pub(crate) timeout_millis: u32,
    pub(crate) traced: bool,
    pub(crate) own_vm: bool,
    pub(crate) vm: Option<String>,
    pub(crate) policy: FailurePolicy,
    pub(crate) tick_millis: u32,
    pub(crate) ticks_anew: bool,
    root: Option<&'static str>,
    pub(crate) variables: Vec<(String, String)>,
}

impl Plugin {
    /// The example plugin of an SDK, un-instrumented, calling the callee with a timeout of 5 s.
    pub fn new(sdk: Sdk, mode: Mode) -> Self {
        Self::of(Code::Example(sdk, mode))
    }

    /// The probe, un-instrumented.
    pub fn probe() -> Self {
        Self::of(Code::Probe)
    }

    /// The plugin in C++, un-instrumented.
    pub fn cpp() -> Self {
        Self::of(Code::Cpp)
    }

    /// The plugin that misuses the host as the query says, un-instrumented.
    pub fn misuse() -> Self {
        Self::of(Code::Misuse)
    }

    /// The one in Go that makes the mistakes that people make with the Higress SDK, un-instrumented.
    pub fn misuse_go() -> Self {
        Self::of(Code::MisuseGo)
    }

    /// On a host that keeps the body back too while the headers are held.
    pub fn without_headers_stop_iteration(self) -> Self {
        Self { headers_stop_iteration: false, ..self }
    }

    fn of(code: Code) -> Self {
        let cluster = crate::envoy_config::CALLEE.to_owned();
        Self {
            code,
            headers_stop_iteration: true,
            cluster,
            timeout_millis: 5000,
            traced: false,
            own_vm: false,
            vm: None,
            policy: FailurePolicy::Closed,
            tick_millis: 0,
            ticks_anew: false,
            root: None,
            variables: Vec::new(),
        }
    }

    /// Dispatches to this cluster instead of the callee's.
    pub fn calls(self, cluster: &str) -> Self {
        Self { cluster: cluster.to_owned(), ..self }
    }

    /// The timeout of its call; 0 is none.
    pub fn timeout_millis(self, timeout_millis: u32) -> Self {
        Self { timeout_millis, ..self }
    }

    /// The plugin rewritten by `wasm-tracer instrument`.
    pub fn traced(self) -> Self {
        Self { traced: true, ..self }
    }

    /// Not to share its VM with the other plugins of the same code.
    pub fn in_its_own_vm(self) -> Self {
        Self { own_vm: true, ..self }
    }

    /// To run in the VM of this name, with all others of the same code and variables that are to.
    pub fn in_vm(self, name: &str) -> Self {
        Self { vm: Some(name.to_owned()), ..self }
    }

    /// What Envoy does when its VM has trapped.
    pub fn fails(self, policy: FailurePolicy) -> Self {
        Self { policy, ..self }
    }

    /// Its root ticks with this period; without, never. (Rust only.)
    pub fn ticks_every(self, tick_millis: u32) -> Self {
        Self { tick_millis, ..self }
    }

    /// Each request sets the period of its ticks again. (Rust only.)
    pub fn ticks_anew(self) -> Self {
        Self { ticks_anew: true, ..self }
    }

    /// What the root of the misusing plugin does: see `examples/rust/misuse/src/root.rs`.
    pub fn root(self, does: &'static str) -> Self {
        Self { root: Some(does), ..self }
    }

    /// A variable in the environment of its VM. Only those with the same can share one.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self.in_its_own_vm()
    }

    pub(crate) fn configuration(&self) -> Value {
        let Code::Example(_, mode) = self.code else {
            return self.root.map_or_else(|| json!({}), |root| json!({ "root": root }));
        };
        let mode = match mode {
            Mode::Body => "body",
            Mode::Fixed => "fixed",
            Mode::Forget => "forget",
            Mode::Grow => "grow",
            Mode::Trap => "trap",
            Mode::Nonsense => "nonsense",
        };
        let mut configuration = json!({
            "cluster": self.cluster,
            "path": "/check",
            "timeout_millis": self.timeout_millis,
            "mode": mode,
        });
        if self.tick_millis > 0 {
            configuration["tick_millis"] = self.tick_millis.into();
            configuration["tick_anew"] = self.ticks_anew.into();
        }
        configuration
    }

    /// The Go plugin registers its headers handler by the environment of its VM.
    pub(crate) fn environment(&self) -> Value {
        let mut all = Map::new();
        if self.code == Code::Example(Sdk::Go, Mode::Fixed) {
            all.insert("HOLD_HEADERS".to_owned(), "1".into());
        }
        let more = self.variables.iter();
        all.extend(more.map(|(name, value)| (name.clone(), value.as_str().into())));
        all.into()
    }

    pub(crate) fn file_name(&self) -> &'static str {
        match self.code {
            Code::Example(Sdk::Go, _) => "body-call-go.wasm",
            Code::Example(Sdk::Rust, _) => "body-call-rust.wasm",
            Code::Probe => "probe.wasm",
            Code::Cpp => "trap-cpp.wasm",
            Code::Misuse => "misuse.wasm",
            Code::MisuseGo => "misuse-go.wasm",
        }
    }

    /// Is it made for Higress, so that its marker must be renamed for a stock Envoy?
    pub(crate) fn is_for_higress(&self) -> bool {
        matches!(self.code, Code::Example(Sdk::Go, _) | Code::MisuseGo)
    }
}
