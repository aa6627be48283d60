//! Envoy's log of a run: the invocations of each VM, with the recorder's lines told apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use abi::{Callback, Hostcall, ParamKind};
use import::{Invocation, Made, Reader, Vm, VmNumber, Vms};

use crate::told::Shipment;

/// Bytes of a page of wasm's memory.
const PAGE: u64 = 64 * 1024;
/// Bytes of the recorder's stack.
const STACK: u64 = 16 * 1024;
/// WASI's monotonic clock, as the recorder reads it at every entry.
const MONOTONIC: [u64; 2] = [1, 1];

/// A log that is read while it is written.
pub struct Log {
    file: BufReader<File>,
    partial: String,
    reader: Reader,
    vms: Vms,
    invocations: BTreeMap<VmNumber, (Vm, Vec<Invocation>)>,
    pub bytes: u64,
}

impl Log {
    pub fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            file: BufReader::new(file),
            partial: String::new(),
            reader: Reader::new(),
            vms: Vms::new(),
            invocations: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Reads what was written since.
    pub fn catch_up(&mut self) {
        loop {
            let mut bytes = Vec::new();
            let read = self.file.read_until(b'\n', &mut bytes).expect("the log can be read");
            self.bytes += read as u64;
            self.partial += &String::from_utf8_lossy(&bytes);
            if read == 0 || !self.partial.ends_with('\n') {
                return;
            }
            if let Some(mut invocation) = self.reader.push(&std::mem::take(&mut self.partial)) {
                let number = self.vms.place(&invocation);
                let (vm, invocations) = self.invocations.entry(number).or_default();
                vm.number_calls(&mut invocation);
                invocations.push(invocation);
            }
        }
    }

    /// What the reader could make nothing of.
    pub fn defects(&mut self) -> Vec<String> {
        let defects = self.reader.take_defects();
        let mut defects: Vec<String> = defects.iter().map(ToString::to_string).collect();
        if self.vms.unsure() > 0 {
            defects.push(format!("{} invocations may be of several VMs", self.vms.unsure()));
        }
        defects
    }

    /// The invocations of each VM.
    pub fn vms(&self) -> impl Iterator<Item = &[Invocation]> {
        self.invocations.values().map(|(_, invocations)| invocations.as_slice())
    }

    pub fn lines(&self) -> u64 {
        self.reader.lines()
    }
}

/// What happened in a VM, in order, the recorder's part told apart.
pub enum Step {
    /// An invocation, without the recorder's hostcalls.
    Plugins(Invocation),
    /// A callback that answers a shipment.
    Answer,
    /// A shipment leaves: so many hostcalls the recorder had made.
    Ships { hostcalls: u64 },
}

/// What is known while the recorder's lines are told apart.
struct Sieve {
    /// Where the first hostcall of an entry points to, above the base: into the recorder's stack.
    offset: u64,
    base: u64,
    /// Where the recorder's hostcalls point to, above the base, while it does not move.
    known: BTreeSet<(Hostcall, u64)>,
    /// Hostcalls of the recorder so far.
    hostcalls: u64,
    shipments: BTreeSet<u32>,
    steps: Vec<Step>,
}

/// Tells the recorder's lines apart in all of a VM's invocations, given the first thing that its
/// recorder told of itself.
pub fn sift(invocations: &[Invocation], first: &Shipment) -> Result<Vec<Step>, String> {
    let offset =
        offset(invocations, first).ok_or("the first shipment does not stand in the log")?;
    let mut sieve = Sieve {
        offset,
        base: u64::from(first.base),
        known: BTreeSet::new(),
        hostcalls: 0,
        shipments: BTreeSet::new(),
        steps: Vec::new(),
    };
    // Where the recorder lies when an entry begins, and so when the one before ended.
    let mut bases: Vec<u64> = Vec::with_capacity(invocations.len() + 1);
    let mut next = invocations.iter().rev().find_map(|one| sieve.base_at(one));
    bases.extend(next);
    for invocation in invocations.iter().rev() {
        next = sieve.base_at(invocation).or(next);
        bases.extend(next);
    }
    bases.reverse();
    let entries = || invocations.iter().zip(bases.windows(2));
    for (invocation, base) in entries().filter(|(_, base)| base[0] == base[1]) {
        sieve.learn(invocation, base[0]);
    }
    for (invocation, base) in entries() {
        sieve.base = base[0];
        sieve.take(invocation, base[1]);
    }
    Ok(sieve.steps)
}

impl Sieve {
    /// The base when an entry begins: its first reading of the clock is the recorder's.
    fn base_at(&self, invocation: &Invocation) -> Option<u64> {
        let base = clock(invocation)?.checked_sub(self.offset)?;
        (base % PAGE == 0).then_some(base)
    }

    fn learn(&mut self, invocation: &Invocation, base: u64) {
        for made in &invocation.hostcalls {
            if let (Some(hostcall), Some(last)) = (made.hostcall(), addresses(made).last())
                && let Some(offset) = last.checked_sub(base)
            {
                self.known.insert((hostcall, offset));
            }
        }
    }

    fn take(&mut self, invocation: &Invocation, after: u64) {
        let Some(callback) = invocation.callback() else { return };
        let answers = callback == Callback::HttpCallResponse
            && self.shipments.contains(&invocation.argument(1));
        let at = self.steps.len();
        let kept = self.without_own(invocation, after);
        self.steps.insert(at, if answers { Step::Answer } else { Step::Plugins(kept) });
    }

    fn without_own(&mut self, invocation: &Invocation, after: u64) -> Invocation {
        let mut kept = Vec::new();
        for made in &invocation.hostcalls {
            if self.is_own(made, after) {
                if made.hostcall() == Some(Hostcall::HttpCall) {
                    self.shipments.insert(made.call.0);
                    self.steps.push(Step::Ships { hostcalls: self.hostcalls });
                }
                self.hostcalls += 1;
                continue;
            }
            let inner = made.inner.iter().map(|inner| self.without_own(inner, after)).collect();
            kept.push(Made { inner, ..made.clone() });
        }
        Invocation { hostcalls: kept, ..invocation.clone() }
    }

    /// A hostcall is the recorder's if an address lies in its memory; and all of those that set the
    /// timer, which the plugin reaches only through it. `after`: the base when the entry ends.
    fn is_own(&mut self, made: &Made, after: u64) -> bool {
        let Some(hostcall) = made.hostcall() else { return false };
        let (Some(lowest), Some(last)) = (addresses(made).min(), addresses(made).last()) else {
            return hostcall == Hostcall::SetTickPeriod;
        };
        if lowest >= after || self.base == after {
            return lowest >= self.base;
        }
        // The plugin takes memory in this entry: what lies above the old base may be the plugin's by
        // now. Until it runs the recorder points into its own stack, and after that only where it has
        // been seen to point.
        let on_stack = last.abs_diff(self.base + self.offset) < STACK;
        if lowest >= self.base && on_stack {
            return true;
        }
        let bases = (self.base..=after).step_by(PAGE as usize);
        bases
            .filter(|base| lowest >= *base)
            .any(|base| self.known.contains(&(hostcall, last - base)))
    }
}

/// How far above the base an entry's first reading of the clock points: from the tick that sent the
/// first shipment, whose base is known.
fn offset(invocations: &[Invocation], first: &Shipment) -> Option<u64> {
    let base = u64::from(first.base);
    let ships = |invocation: &&Invocation| {
        let own = |made: &Made| {
            made.hostcall() == Some(Hostcall::HttpCall)
                && addresses(made).max().is_some_and(|highest| highest >= base)
        };
        invocation.callback() == Some(Callback::Tick) && invocation.hostcalls.iter().any(own)
    };
    clock(invocations.iter().find(ships)?)?.checked_sub(base)
}

/// Where an entry's first reading of the monotonic clock points to.
fn clock(invocation: &Invocation) -> Option<u64> {
    invocation.callback()?;
    let is_clock = |made: &&Made| {
        made.hostcall() == Some(Hostcall::ClockTimeGet) && made.arguments.starts_with(&MONOTONIC)
    };
    invocation.hostcalls.iter().find(is_clock)?.arguments.get(2).copied()
}

fn addresses(made: &Made) -> impl Iterator<Item = u64> + '_ {
    let row = made.hostcall().map(Hostcall::row);
    let kinds = row.map_or(&[][..], |row| row.params).iter().map(|param| param.kind);
    let are: Vec<bool> =
        kinds.flat_map(|kind: ParamKind| kind.pointers().iter().copied()).collect();
    made.arguments.iter().zip(are).filter(|(_, is)| *is).map(|(value, _)| *value)
}
