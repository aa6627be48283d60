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
            Export::Start => thread.start(&mut self.started),
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
    /// A module starts: a new VM, unless its second start function follows the first.
    fn start(&mut self, started: &mut u32) -> Option<usize> {
        let newest = self.vms.len().checked_sub(1);
        let follows =
            newest.filter(|at| self.vms[*at].ran == self.last_run() && self.is_empty(*at));
        // `_initialize`, then `main` (src/wasm.cc: startVm). Two VMs without a context in a row are
        // the one that is only copied from, and a copy.
        follows.filter(|at| self.vms[*at].ran == 0).or_else(|| Some(self.begin(started)))
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
