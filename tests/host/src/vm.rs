//! One VM: loading, starting, entering callbacks. A trap kills it for good (host-semantics §2.2).

use std::collections::BTreeSet;

use abi::Callback;
use anyhow::Result;
use wasmtime::{Instance, Store, Val};

use crate::memory::{Digest, Watch};
use crate::state::{Deferred, State};
use crate::{Dialect, Program, What, Who};

/// A VM with the host around it.
pub struct Vm {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
    pub(crate) dead: bool,
    pub(crate) nested_resumes: u32,
    started: bool,
    /// Callbacks that the module exports.
    pub(crate) exported: BTreeSet<Callback>,
    pub(crate) answers: std::collections::BTreeMap<crate::StreamId, crate::Answer>,
    pub(crate) upstream: crate::script::Upstream,
}

impl Vm {
    /// Loads a plugin that is not instrumented.
    pub fn load(wasm: &[u8], dialect: Dialect) -> Result<Vm> {
        Program::original(wasm)?.start(dialect)
    }

    /// Loads an instrumented plugin.
    pub fn load_instrumented(instrumented: &[u8], original: &[u8], dialect: Dialect) -> Result<Vm> {
        Program::instrumented(instrumented, original)?.start(dialect)
    }

    pub(crate) fn new(store: Store<State>, instance: Instance, exported: BTreeSet<Callback>) -> Vm {
        Vm {
            store,
            instance,
            dead: false,
            nested_resumes: 0,
            started: false,
            exported,
            answers: Default::default(),
            upstream: Default::default(),
        }
    }

    /// Once: a reactor's `_initialize`, then `main` or `__main_void`; else a command's `_start`. Not at
    /// loading, so that a script can set the environment first.
    pub(crate) fn run_start_exports(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let has = |vm: &mut Vm, name| vm.instance.get_func(&mut vm.store, name).is_some();
        let order: &[&str] = match (has(self, "_initialize"), has(self, "main")) {
            (true, true) => &["_initialize", "main"],
            (true, false) => &["_initialize", "__main_void"],
            (false, _) => &["_start"],
        };
        for export in order {
            let Some(function) = self.instance.get_func(&mut self.store, export) else { continue };
            let ty = function.ty(&self.store);
            let args = vec![Val::I32(0); ty.params().len()];
            let mut results = vec![Val::I32(0); ty.results().len()];
            self.state().note(Who::Plugin, What::Starts(export.to_string()));
            self.state().restricted = true;
            let outcome = function.call(&mut self.store, &args, &mut results);
            self.state().restricted = false;
            if let Err(trap) = outcome {
                self.die(&trap);
                return;
            }
        }
    }

    /// Each hostcall of the recorder takes so many ns by its own clock: it is a slow one.
    pub fn slow_recorder(&mut self, nanos: u64) {
        self.state().clock.recorder_takes = nanos;
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    fn die(&mut self, trap: &wasmtime::Error) {
        self.dead = true;
        // The cause alone: the frames of an instrumented module have other numbers.
        let why = match trap.downcast_ref::<wasmtime::Trap>() {
            Some(cause) => cause.to_string(),
            None => trap.root_cause().to_string(),
        };
        self.state().note(Who::Plugin, What::Traps(why));
        self.state().after_call.clear();
    }

    /// Calls the plugin where no host should, as a host at fault does.
    pub fn call_out_of_turn(&mut self, callback: Callback, args: &[u32]) {
        self.enter(callback, args, false);
        self.after_call();
    }

    /// Enters a callback and returns what it returned: `None` if the module lacks it, or the VM is
    /// dead or dies. What hostcalls deferred stays queued: see [`Vm::after_call`].
    pub(crate) fn enter(&mut self, callback: Callback, args: &[u32], own: bool) -> Option<u32> {
        if self.dead || !self.exported.contains(&callback) {
            return None;
        }
        let function = self.instance.get_func(&mut self.store, callback.row().export)?;
        let ty = function.ty(&self.store);
        let args = &args[..ty.params().len().min(args.len())];
        let values: Vec<Val> = args.iter().map(|arg| Val::I32(*arg as i32)).collect();
        let mut results = vec![Val::I32(0); ty.results().len()];
        let who = if own { Who::Recorder } else { Who::Plugin };
        let outer = {
            let state = self.state();
            state.note(who, What::Enters { callback, args: args.to_vec(), own });
            state.effective = 0;
            std::mem::replace(&mut state.current, args[0])
        };
        let outcome = function.call(&mut self.store, &values, &mut results);
        let state = self.state();
        state.current = outer;
        state.effective = 0;
        if let Err(trap) = outcome {
            self.die(&trap);
            return None;
        }
        if let Some((pointer, rest)) = self.store.data().recorder_stack
            && pointer.get(&mut self.store).i32() != Some(rest)
        {
            self.state().recorder_frames.push("left on the stack by a callback".into());
        }
        let result = results.first().and_then(Val::i32).map(|r| r as u32);
        self.state().note(who, What::Returns { callback, result });
        self.watch_memory();
        Some(result.unwrap_or(0))
    }

    /// Puts the plugin's memory beside the last line of the log.
    fn watch_memory(&mut self) {
        let Some(memory) = self.store.data().memory else { return };
        let pages = memory.size(&self.store);
        self.state().growths.see(pages, false);
        if self.store.data().watch == Watch::Nothing {
            return;
        }
        let limit = self.store.data().bounds.limit(memory, &mut self.store);
        let digest = Digest::of(memory.data(&self.store), limit);
        if let Some(line) = self.state().log.0.last_mut() {
            line.memory = Some(digest);
        }
    }

    /// Does what hostcalls deferred, first in first out; a phase that runs inside it takes what is
    /// left, as in proxy-wasm-cpp-host's `DeferAfterCallActions`.
    pub(crate) fn after_call(&mut self) {
        self.state().replied = false;
        while let Some(deferred) = self.state().after_call.pop_front() {
            match deferred {
                Deferred::Resume(stream, direction) => self.resume(stream, direction),
                Deferred::LocalResponse { stream, status, headers, body, details } => {
                    self.local_response(stream, status, headers, body, &details);
                }
                Deferred::Close(stream) => self.reset_stream(stream, "wasm_close_stream"),
                Deferred::RootDone(root) => self.delete_root(root),
                Deferred::GrpcStep { root, id, step } => self.grpc_step(root, id, step),
                Deferred::Inject(stream, bytes, end) => {
                    self.forward_body(stream, abi::Direction::Response, bytes, end);
                }
                Deferred::ResumeReading(connection) => self.resume_reading(connection),
                Deferred::CloseConnection(connection) => {
                    self.hang_up(connection, crate::Peer::Local);
                }
            }
        }
    }

    /// A callback outside any phase, with what it deferred.
    pub(crate) fn callback(&mut self, callback: Callback, args: &[u32]) -> Option<u32> {
        let result = self.enter(callback, args, false);
        self.after_call();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_frame_of_the_recorder_is_noticed() {
        let wasm = wat::parse_str(
            r#"(module
              (import "env" "proxy_done" (func $done (result i32)))
              (memory (export "memory") 1)
              (func (export "proxy_abi_version_0_2_1"))
              (func $inner (drop (call $done)))
              (func (export "proxy_on_context_create") (param i32 i32) (call $inner)))"#,
        )
        .expect("it is a module");
        // Functions: 0 the import, 1 the marker, 2 $inner, 3 the callback.
        for (recorder, live) in [(1..2, 0), (2..3, 1), (3..4, 1)] {
            let mut vm = Vm::load(&wasm, Dialect::Envoy).expect("it loads");
            vm.state().recorder_functions = Some(recorder);
            vm.start("");
            assert_eq!(vm.state().recorder_frames.len(), live);
        }
    }

    #[test]
    fn a_stack_pointer_that_is_not_at_rest_is_noticed() {
        let wasm = wat::parse_str(
            r#"(module
              (import "env" "proxy_done" (func $done (result i32)))
              (memory (export "memory") 1)
              (global $stack (mut i32) (i32.const 64))
              (func (export "proxy_abi_version_0_2_1"))
              (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
                (global.set $stack (i32.const 48))
                (drop (call $done))
                (global.set $stack (i32.const 64))
                (i32.const 1)))"#,
        )
        .expect("it is a module");
        let wasm = crate::export::with_global(&wasm, "stack", 0).expect("it has exports");
        for (rest, seen) in [(64, 1), (48, 1), (32, 2)] {
            let mut vm = Vm::load(&wasm, Dialect::Envoy).expect("it loads");
            let global = vm.instance.get_global(&mut vm.store, "stack").expect("it is exported");
            vm.state().recorder_stack = Some((global, rest));
            vm.start("");
            assert_eq!(vm.state().recorder_frames.len(), seen, "at rest at {rest}");
        }
    }
}
