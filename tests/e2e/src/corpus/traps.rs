//! Plugins that trap and take their VM, and with it every stream that is in it. Each needs an Envoy of its
//! own: after that nothing is as before.

use std::time::Duration;

use super::Expected;
use crate::client::Request;
use crate::plugin::{Mode, Plugin, Sdk};

/// So long a client waits for a stream that nobody will resume.
pub const PATIENCE: Duration = Duration::from_secs(4);

const CODE: &str = "vm-trap-collateral";
const LOST: (&str, &str) = (CODE, "lost");
/// The call was made in the body phase: that is a misuse of its own.
const RACE: (&str, &str) = ("headers-forwarded-before-body-call", "race");

/// A plugin and how it is made to trap.
#[derive(Clone, Copy)]
pub struct Case {
    /// Unique.
    pub name: &'static str,
    /// In the mode in which it can trap.
    pub plugin: fn() -> Plugin,
    /// Waits for a call, or for nothing at all, until somebody resumes it.
    pub held: fn() -> Request,
    /// Has it trap.
    pub traps: fn() -> Request,
    /// Nothing happens to it.
    pub passes: fn() -> Request,
    /// Where it traps, in script notation.
    pub callback: &'static str,
    /// A part of its last words.
    pub says: &'static str,
    /// File of the place that it names.
    pub file: &'static str,
    /// What must be found of the held request, the headline first.
    pub held_finds: Expected,
    /// And of the one that trapped.
    pub trapped_finds: Expected,
}

/// In the headers phase.
pub const RUST: Case = Case {
    name: "rust",
    plugin: || Plugin::new(Sdk::Rust, Mode::Trap).timeout_millis(60_000),
    held: || Request::post("/patient?callee=never", "body"),
    traps: || Request::get("/patient?trap=headers"),
    passes: || Request::get("/patient"),
    callback: "request_headers",
    says: "no such user",
    file: "src/lib.rs:",
    held_finds: &[LOST, RACE],
    trapped_finds: &[LOST],
};

/// In the callback, where wasm-go does not recover.
pub const GO: Case = Case {
    name: "go",
    plugin: || Plugin::new(Sdk::Go, Mode::Trap).timeout_millis(60_000),
    held: RUST.held,
    traps: || Request::post("/patient?trap=callback&callee=after-50", "body"),
    passes: RUST.passes,
    callback: "http_call_response",
    says: "no such user",
    file: "main.go:",
    held_finds: &[LOST, RACE],
    trapped_finds: &[LOST, RACE],
};

/// By an assertion.
pub const CPP: Case = Case {
    name: "cpp",
    plugin: Plugin::cpp,
    held: || Request::get("/patient?hold=1"),
    traps: || Request::get("/patient?trap=assert"),
    passes: RUST.passes,
    callback: "request_headers",
    says: "Assertion failed: user_is_known",
    file: "trap.cc:",
    held_finds: &[(CODE, "hung")],
    trapped_finds: &[LOST],
};

/// All of them.
pub const ALL: [Case; 3] = [RUST, GO, CPP];
