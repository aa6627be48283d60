//! The plugins of the corpus, each in a configuration.

use super::Holding;
use crate::plugin::{Mode, Plugin, Sdk};

/// A cluster without an endpoint.
pub(super) const EMPTY: &str = "empty";
/// A cluster that no proxy knows.
const NOWHERE: &str = "nowhere";

/// A plugin in a configuration.
pub struct Subject {
    /// Unique, in the names of its listeners.
    pub name: &'static str,
    plugin: fn() -> Plugin,
}

impl Subject {
    /// Its plugin's name on such a host.
    pub fn listener(&self, holding: Holding) -> String {
        format!("{}-{}", self.name, holding.name())
    }

    /// It, traced, on such a host. What a host holds is a matter of the plugin's configuration, and what
    /// is seen of it is known by VM: the two kinds share none.
    pub fn plugin(&self, holding: Holding) -> Plugin {
        let plugin = (self.plugin)().traced().in_vm(holding.name());
        match holding {
            Holding::HeadersAlone => plugin,
            Holding::All => plugin.without_headers_stop_iteration(),
        }
    }
}

/// Does wrong what the query says.
pub(super) const MISUSE: Subject = Subject { name: "misuse", plugin: Plugin::misuse };
/// The mistakes that people make with the Higress SDK.
pub(super) const MISUSE_GO: Subject = Subject { name: "misuse-go", plugin: Plugin::misuse_go };
/// Gathers the body, with answers that the SDK of the others has not.
pub(super) const CPP: Subject = Subject { name: "cpp", plugin: Plugin::cpp };
/// Calls in the body phase with the headers gone.
pub(super) const RUST: Subject = of("rust", || Plugin::new(Sdk::Rust, Mode::Body));
pub(super) const GO: Subject = of("go", || Plugin::new(Sdk::Go, Mode::Body));
/// The same with the headers held.
pub(super) const RUST_FIXED: Subject = of("rust-fixed", || Plugin::new(Sdk::Rust, Mode::Fixed));
pub(super) const GO_FIXED: Subject = of("go-fixed", || Plugin::new(Sdk::Go, Mode::Fixed));
/// Its callback does nothing.
pub(super) const RUST_FORGETS: Subject =
    of("rust-forgets", || Plugin::new(Sdk::Rust, Mode::Forget));
pub(super) const GO_FORGETS: Subject = of("go-forgets", || Plugin::new(Sdk::Go, Mode::Forget));
/// Calls where nobody is.
pub(super) const RUST_NOWHERE: Subject =
    of("rust-nowhere", || Plugin::new(Sdk::Rust, Mode::Body).calls(NOWHERE));
pub(super) const GO_NOWHERE: Subject =
    of("go-nowhere", || Plugin::new(Sdk::Go, Mode::Body).calls(NOWHERE));
pub(super) const RUST_EMPTY: Subject = of("rust-empty", || impatient().calls(EMPTY));
/// Its call may take a second.
pub(super) const RUST_IMPATIENT: Subject = of("rust-impatient", impatient);

fn impatient() -> Plugin {
    Plugin::new(Sdk::Rust, Mode::Fixed).timeout_millis(1000)
}

const fn of(name: &'static str, plugin: fn() -> Plugin) -> Subject {
    Subject { name, plugin }
}

/// All of them.
pub const SUBJECTS: [&Subject; 13] = [
    &MISUSE,
    &MISUSE_GO,
    &CPP,
    &RUST,
    &GO,
    &RUST_FIXED,
    &GO_FIXED,
    &RUST_FORGETS,
    &GO_FORGETS,
    &RUST_NOWHERE,
    &GO_NOWHERE,
    &RUST_EMPTY,
    &RUST_IMPATIENT,
];
