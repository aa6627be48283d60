//! Which VM an invocation ran in. The log names only threads; ids of contexts repeat in every VM.
//!
//! A thread runs one VM for each code and VM configuration. Envoy tries every plugin first in a VM that
//! it throws away (the canary), then starts it on the main thread, then on the workers (host-semantics
//! §0; proxy-wasm-cpp-host `src/wasm.cc: WasmHandleBase::canary`). Where several VMs of a
//! thread may have been meant, the one that ran last is taken, and that is told: of such an invocation
//! one cannot be sure.

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

/// Where an invocation ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The VM, or the likeliest one.
    pub vm: VmNumber,
    /// It may have been one of these just as well, or none of them where it is unsure all the same.
    pub others: Vec<VmNumber>,
    /// There is only one that it can have been.
    pub is_sure: bool,
    /// The VM started before the log did.
    pub is_partial: bool,
    /// The VM had been taken for dead.
    pub is_revived: bool,
}

#[derive(Debug, Default)]
struct Thread {
    /// Newest last; those that trapped until another one starts.
    vms: Vec<Alive>,
    /// The last root context of this thread was created in a canary.
    tried: bool,
}

#[derive(Debug)]
struct Alive {
    number: VmNumber,
    is_canary: bool,
    /// It started before the log did: any context may be one of its.
    is_partial: bool,
    has_trapped: bool,
    contexts: BTreeSet<u32>,
    /// Contexts that may be of another VM.
    doubtful: BTreeSet<u32>,
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
        self.find(invocation).vm
    }

    /// The same, and how sure that is.
    pub fn find(&mut self, invocation: &Invocation) -> Place {
        let main = *self.main.get_or_insert(invocation.thread);
        let is_main = main == invocation.thread;
        let thread = self.threads.entry(invocation.thread).or_default();
        let mut others = Vec::new();
        let found = match &invocation.export {
            Export::Start(name) => thread.start(name, &mut self.started),
            Export::Callback(Callback::ContextCreate) if invocation.argument(1) == 0 => {
                thread.root(invocation.argument(0), is_main, &mut self.started)
            }
            Export::Callback(Callback::ContextCreate) => {
                let (id, parent) = (invocation.argument(0), invocation.argument(1));
                let owns = |vm: &Alive| vm.contexts.contains(&parent) && vm.highest < id;
                let found = thread.one_of(|vm| vm.lives() && owns(vm), &mut others);
                let found = found.or_else(|| thread.newest(|vm| vm.has_trapped && owns(vm)));
                found.or_else(|| thread.newest(|vm| vm.is_partial && vm.highest < id))
            }
            Export::Callback(_) => {
                let context = invocation.argument(0);
                let owns = |vm: &Alive| vm.contexts.contains(&context);
                let found = thread.one_of(|vm| vm.lives() && owns(vm), &mut others);
                let found = found.or_else(|| thread.newest(|vm| vm.has_trapped && owns(vm)));
                found.or_else(|| thread.newest(|vm| vm.is_partial))
            }
            // The host calls the allocator only within hostcalls; the rest it does not call at all.
            Export::Allocator | Export::Other(_) => {
                let found = thread.one_of(Alive::lives, &mut others);
                found.or_else(|| thread.newest(|_| true))
            }
        };
        // The log begins in the middle: a VM that started before.
        let at = found.unwrap_or_else(|| thread.begin_before(&mut self.started));
        let place = thread.ran(at, invocation, others);
        self.unsure += u64::from(!place.is_sure);
        place
    }

    /// The VMs of a thread, or of all, that may still run.
    pub fn of(&self, thread: Option<u32>) -> Vec<VmNumber> {
        let threads = self.threads.iter().filter(|(id, _)| thread.is_none_or(|of| of == **id));
        threads.flat_map(|(_, thread)| thread.vms.iter().map(|vm| vm.number)).collect()
    }

    /// How many invocations could have run in several VMs.
    pub fn unsure(&self) -> u64 {
        self.unsure
    }
}

impl Alive {
    fn lives(&self) -> bool {
        !self.has_trapped
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
        self.newest(|vm| vm.lives() && !vm.is_canary && vm.highest < id && vm.highest > 0)
    }

    /// Of the VMs that it may be the one that ran last; the others are told.
    fn one_of(&self, may: impl Fn(&Alive) -> bool, others: &mut Vec<VmNumber>) -> Option<usize> {
        let found = self.newest(&may)?;
        // A canary runs nothing after its configuration, and until then nothing else of its thread runs.
        let rest = self.vms.iter().enumerate().filter(|(at, vm)| *at != found && !vm.is_canary);
        let rest: Vec<_> = rest.filter(|(_, vm)| may(vm)).map(|(_, vm)| vm.number).collect();
        if rest.len() > usize::from(self.vms[found].is_canary) {
            others.extend(rest);
        }
        Some(found)
    }

    fn newest(&self, may: impl Fn(&Alive) -> bool) -> Option<usize> {
        (0..self.vms.len()).filter(|at| may(&self.vms[*at])).max_by_key(|at| self.vms[*at].ran)
    }

    /// One that trapped is gone for good when another starts.
    fn begin(&mut self, started: &mut u32) -> usize {
        self.vms.retain(Alive::lives);
        self.add(started)
    }

    fn add(&mut self, started: &mut u32) -> usize {
        *started += 1;
        self.vms.push(Alive {
            number: VmNumber(*started),
            is_canary: false,
            is_partial: false,
            has_trapped: false,
            contexts: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            highest: 0,
            ran: 0,
        });
        self.vms.len() - 1
    }

    fn begin_before(&mut self, started: &mut u32) -> usize {
        let at = self.add(started);
        self.vms[at].is_partial = true;
        at
    }

    fn is_empty(&self, at: usize) -> bool {
        self.vms.get(at).is_some_and(|vm| vm.highest == 0)
    }

    fn last_run(&self) -> u64 {
        self.vms.iter().map(|vm| vm.ran).max().unwrap_or(0)
    }

    /// Notes what an invocation changes.
    fn ran(&mut self, at: usize, invocation: &Invocation, others: Vec<VmNumber>) -> Place {
        let last = self.last_run();
        let context = invocation.argument(0);
        let is_created = invocation.callback() == Some(Callback::ContextCreate);
        let is_sure = others.is_empty() && !self.vms[at].doubtful.contains(&context);
        if is_created && !is_sure {
            // Each of them may have it, and one more of the same number may come.
            let may = self.vms.iter_mut().enumerate();
            for (_, vm) in may.filter(|(it, vm)| *it == at || others.contains(&vm.number)) {
                vm.contexts.insert(context);
                vm.doubtful.insert(context);
                vm.highest = vm.highest.max(context.saturating_sub(1));
            }
        }
        let vm = &mut self.vms[at];
        vm.ran = last + 1;
        let is_revived = std::mem::take(&mut vm.has_trapped);
        match invocation.callback() {
            Some(Callback::ContextCreate) if is_sure => {
                vm.contexts.insert(context);
                vm.highest = vm.highest.max(context);
            }
            Some(Callback::Delete) => {
                vm.contexts.remove(&context);
                vm.doubtful.remove(&context);
            }
            Some(callback) if callback != Callback::ContextCreate && vm.is_partial => {
                vm.contexts.insert(context);
                vm.highest = vm.highest.max(context);
            }
            _ => {}
        }
        let place = Place { vm: vm.number, others, is_sure, is_partial: vm.is_partial, is_revived };
        vm.has_trapped = invocation.returned == Returned::Never;
        // Of one that started before the log there may be contexts that have not shown.
        if vm.contexts.is_empty() && vm.highest > 0 && !vm.is_partial {
            self.vms.remove(at);
        }
        place
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
    fn one_that_runs_on_had_not_trapped() {
        let calls = [
            "2 proxy_on_context_create 1 0",
            "2 proxy_on_context_create 2 1",
            "2 proxy_on_request_headers 2 9 1!",
            "2 proxy_on_request_body 2 9 1",
        ];
        assert_eq!(placed(&calls), (vec![1, 1, 1, 1], 0));
    }

    #[test]
    fn what_a_log_that_begins_in_the_middle_knows_nothing_of_is_one_vm_of_each_thread() {
        let calls = [
            "2 proxy_on_request_body 7 9 1",
            "2 proxy_on_log 5",
            "2 proxy_on_http_call_response 1 44 3 9 0",
            "3 proxy_on_tick 1",
            "2 proxy_on_context_create 9 1",
            "2 proxy_on_request_headers 9 1 1",
        ];
        assert_eq!(placed(&calls), (vec![1, 1, 1, 2, 1, 1], 0));
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
            "2 proxy_on_context_create 2 1",
            "2 proxy_on_delete 2",
            "2 proxy_on_delete 2",
            "2 proxy_on_context_create 3 1",
        ];
        let (vms, unsure) = placed(&calls);
        assert_eq!((&vms[5..7], unsure), (&[3, 3][..], 6));
    }
}
