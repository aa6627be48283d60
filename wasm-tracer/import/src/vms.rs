//! Which VM an invocation ran in. The log names only threads; ids of contexts repeat in every VM.
//!
//! A thread runs one VM for each code and VM configuration. Envoy tries every plugin first in a VM that
//! it throws away (the canary), then starts it on the main thread, then on the workers (host-semantics,
//! golden traces; proxy-wasm-cpp-host `src/wasm.cc: WasmHandleBase::canary`). Where several VMs of a
//! thread have a context of the same number, the one that ran last is taken, and that is counted:
//! of such a log one cannot be sure.

use std::collections::{BTreeMap, BTreeSet};

use abi::Callback;

use crate::invocation::{Export, Invocation, Returned};

/// Number of a VM within a log, from 1, in the order of their starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VmNumber(pub u32);

/// The VMs of a log.
#[derive(Debug, Default)]
pub struct Vms {
    started: u32,
    /// The thread of the first line: it configures all the others.
    main: Option<u32>,
    threads: BTreeMap<u32, Thread>,
    unsure: u64,
}

#[derive(Debug, Default)]
struct Thread {
    /// Newest last; dead ones are taken away.
    vms: Vec<Alive>,
    /// The last root context of this thread was created in a canary.
    tried: bool,
}

#[derive(Debug)]
struct Alive {
    number: VmNumber,
    is_canary: bool,
    contexts: BTreeSet<u32>,
    /// The highest number of a context so far.
    highest: u32,
    /// When it last ran: counts invocations.
    ran: u64,
}

impl Vms {
    /// At the beginning of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// The VM of an invocation that no other is around, in the order in which the reader gave them.
    pub fn place(&mut self, invocation: &Invocation) -> VmNumber {
        let main = *self.main.get_or_insert(invocation.thread);
        let is_main = main == invocation.thread;
        let thread = self.threads.entry(invocation.thread).or_default();
        let found = match &invocation.export {
            Export::Start(name) => thread.start(name, &mut self.started),
            Export::Callback(Callback::ContextCreate) if invocation.argument(1) == 0 => {
                thread.root(invocation.argument(0), is_main, &mut self.started)
            }
            Export::Callback(Callback::ContextCreate) => {
                let (id, parent) = (invocation.argument(0), invocation.argument(1));
                let may = |vm: &Alive| vm.contexts.contains(&parent) && vm.highest < id;
                thread.one_of(may, &mut self.unsure)
            }
            Export::Callback(_) => {
                let context = invocation.argument(0);
                thread.one_of(|vm| vm.contexts.contains(&context), &mut self.unsure)
            }
            // The host calls the allocator only within hostcalls; the rest it does not call at all.
            Export::Allocator | Export::Other(_) => thread.one_of(|_| true, &mut self.unsure),
        };
        // The log begins in the middle: a VM that started before.
        let at = found.unwrap_or_else(|| thread.begin(&mut self.started));
        thread.ran(at, invocation)
    }

    /// How many invocations could have run in several VMs.
    pub fn unsure(&self) -> u64 {
        self.unsure
    }
}

impl Thread {
    /// A module starts: a new VM, but that `main` follows `_initialize` (src/wasm.cc: startVm).
    fn start(&mut self, name: &str, started: &mut u32) -> Option<usize> {
        let follows = name != "_initialize" && name != "_start";
        let newest = self.vms.len().checked_sub(1).filter(|at| follows && self.is_empty(*at));
        newest.or_else(|| Some(self.begin(started)))
    }

    /// A root context is created: in a VM that has none, or beside others in one that has.
    fn root(&mut self, id: u32, is_main: bool, started: &mut u32) -> Option<usize> {
        let is_canary = is_main && !self.tried && id == 1;
        self.tried = is_canary;
        if id == 1 {
            let newest = self.vms.len().checked_sub(1).filter(|at| self.is_empty(*at));
            let at = newest.unwrap_or_else(|| self.begin(started));
            self.vms[at].is_canary = is_canary;
            return Some(at);
        }
        let may = |vm: &Alive| !vm.is_canary && vm.highest < id && vm.highest > 0;
        (0..self.vms.len()).filter(|at| may(&self.vms[*at])).max_by_key(|at| self.vms[*at].ran)
    }

    /// Of the VMs that it may be the one that ran last.
    fn one_of(&self, may: impl Fn(&Alive) -> bool, unsure: &mut u64) -> Option<usize> {
        let candidates = (0..self.vms.len()).filter(|at| may(&self.vms[*at]));
        let found = candidates.clone().max_by_key(|at| self.vms[*at].ran)?;
        // A canary runs nothing after its configuration.
        if candidates.filter(|at| !self.vms[*at].is_canary).count() > 1 {
            *unsure += 1;
        }
        Some(found)
    }

    fn begin(&mut self, started: &mut u32) -> usize {
        *started += 1;
        self.vms.push(Alive {
            number: VmNumber(*started),
            is_canary: false,
            contexts: BTreeSet::new(),
            highest: 0,
            ran: 0,
        });
        self.vms.len() - 1
    }

    fn is_empty(&self, at: usize) -> bool {
        self.vms.get(at).is_some_and(|vm| vm.highest == 0)
    }

    fn last_run(&self) -> u64 {
        self.vms.iter().map(|vm| vm.ran).max().unwrap_or(0)
    }

    /// Notes what an invocation changes.
    fn ran(&mut self, at: usize, invocation: &Invocation) -> VmNumber {
        let last = self.last_run();
        let vm = &mut self.vms[at];
        vm.ran = last + 1;
        let context = invocation.argument(0);
        match invocation.export {
            Export::Callback(Callback::ContextCreate) => {
                vm.contexts.insert(context);
                vm.highest = vm.highest.max(context);
            }
            Export::Callback(Callback::Delete) => {
                vm.contexts.remove(&context);
            }
            Export::Callback(_) if vm.highest == 0 => {
                // Of a log that begins in the middle.
                vm.contexts.insert(context);
                vm.highest = context;
            }
            _ => {}
        }
        let number = vm.number;
        if invocation.returned == Returned::Never || (vm.contexts.is_empty() && vm.highest > 0) {
            self.vms.remove(at);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use timeline::ids::Micros;

    use super::*;

    /// Numbers of the VMs in which calls run, each `THREAD EXPORT ARGUMENTS`, `!` for a trap.
    fn placed(calls: &[&str]) -> (Vec<u32>, u64) {
        let mut vms = Vms::new();
        let numbers = calls.iter().map(|call| {
            let mut words = call.trim_end_matches('!').split(' ');
            let thread = words.next().and_then(|word| word.parse().ok()).expect("a thread");
            let export = Export::of(words.next().expect("an export"));
            let returned = if call.ends_with('!') { Returned::Never } else { Returned::Value(0) };
            let arguments = words.map(|word| word.parse().expect("a number")).collect();
            let (line, at, took) = (1, Micros(0), Micros(0));
            let hostcalls = Vec::new();
            vms.place(&Invocation {
                line,
                thread,
                at,
                took,
                export,
                arguments,
                returned,
                hostcalls,
            })
            .0
        });
        let numbers = numbers.collect();
        (numbers, vms.unsure())
    }

    #[test]
    fn a_canary_a_main_thread_and_a_worker_are_three_vms_beside_the_one_they_are_copied_from() {
        let calls = [
            "1 _initialize",
            "1 _initialize",
            "1 main 0 0",
            "1 proxy_on_context_create 1 0",
            "1 proxy_on_configure 1 9",
            "1 _initialize",
            "1 proxy_on_context_create 1 0",
            "1 proxy_on_configure 1 9",
            "2 _initialize",
            "2 proxy_on_context_create 1 0",
            "1 proxy_on_tick 1",
            "2 proxy_on_context_create 2 1",
            "2 proxy_on_request_headers 2 9 1",
        ];
        assert_eq!(placed(&calls), (vec![1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 3, 4, 4], 0));
    }

    #[test]
    fn a_second_plugin_is_tried_in_a_canary_and_joins_the_vms_of_the_first() {
        let calls = [
            "1 _initialize",
            "1 proxy_on_context_create 1 0",
            "1 _initialize",
            "1 proxy_on_context_create 1 0",
            "1 _initialize",
            "1 proxy_on_context_create 1 0",
            "1 proxy_on_context_create 2 0",
            "1 proxy_on_tick 2",
            "1 proxy_on_tick 1",
        ];
        assert_eq!(placed(&calls), (vec![1, 1, 2, 2, 3, 3, 2, 2, 2], 0));
    }

    #[test]
    fn a_trapped_vm_runs_nothing_more() {
        let calls = [
            "2 proxy_on_context_create 1 0",
            "2 proxy_on_context_create 2 1",
            "2 proxy_on_request_headers 2 9 1!",
            "2 proxy_on_context_create 1 0",
            "2 proxy_on_context_create 2 1",
        ];
        assert_eq!(placed(&calls), (vec![1, 1, 1, 2, 2], 0));
    }

    #[test]
    fn of_two_vms_of_a_thread_one_cannot_be_sure() {
        let calls = [
            "1 proxy_on_context_create 1 0",
            "2 _initialize",
            "2 proxy_on_context_create 1 0",
            "2 _initialize",
            "2 proxy_on_context_create 1 0",
            "2 proxy_on_context_create 2 1",
            "2 proxy_on_request_headers 2 9 1",
        ];
        let (vms, unsure) = placed(&calls);
        assert_eq!((&vms[5..], unsure), (&[3, 3][..], 1));
    }
}
