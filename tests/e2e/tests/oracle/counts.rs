//! What a log adds up to, beside the counters of the recorder: these are right at any sampling, so they
//! are counted on a way of their own.

use std::collections::BTreeMap;

use abi::{Callback, Effect, Hostcall, Record};
use import::{Invocation, Made, Returned};
use proto::v1::{CallOutcome, Counters};

/// Sums of all that the plugin's part of a log had up to some line.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Root context of every context that lives.
    roots: BTreeMap<u32, u32>,
    /// Context of every call that is out.
    out: BTreeMap<u32, u32>,
    sums: Sums,
}

/// What is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    /// By root, callback and action.
    phases: BTreeMap<(u32, u32, u32), u64>,
    /// By hostcall: how many, and how many of them failed.
    hostcalls: BTreeMap<u32, (u64, u64)>,
    /// Calls whose answer found its context alive, or dead; dispatches that were refused.
    in_time: u64,
    late: u64,
    rejected: u64,
}

impl Counts {
    /// An invocation of the plugin. `is_kept`: the plugin has the callback.
    pub fn add(&mut self, invocation: &Invocation, is_kept: bool) {
        let Some(callback) = invocation.callback() else { return };
        let (context, second) = (invocation.argument(0), invocation.argument(1));
        match callback {
            Callback::ContextCreate => {
                let root = if second == 0 { context } else { second };
                self.roots.insert(context, root);
            }
            Callback::HttpCallResponse => {
                if let Some(owner) = self.out.remove(&second) {
                    match self.roots.contains_key(&owner) {
                        true => self.sums.in_time += 1,
                        false => self.sums.late += 1,
                    }
                }
            }
            _ => {}
        }
        let mut effective = context;
        for made in &invocation.hostcalls {
            made.inner.iter().for_each(|inner| self.add(inner, true));
            self.hostcall(made, &mut effective);
        }
        let has_returned = invocation.returned != Returned::Never;
        if callback.phase().is_some() && is_kept && has_returned {
            let root = self.roots.get(&context).copied().unwrap_or(0);
            let key = (root, callback.number(), value(invocation.returned));
            *self.sums.phases.entry(key).or_default() += 1;
        }
        if callback == Callback::Delete {
            self.roots.remove(&context);
        }
    }

    fn hostcall(&mut self, made: &Made, effective: &mut u32) {
        let Some(hostcall) = made.hostcall() else { return };
        let failed = value(made.returned) != 0;
        match hostcall.effect() {
            Effect::Starts(_) if failed => self.sums.rejected += 1,
            Effect::Starts(_) => {
                self.out.insert(made.call.0, *effective);
            }
            _ if hostcall == Hostcall::SetEffectiveContext && !failed => {
                *effective = made.argument(0);
            }
            _ => {}
        }
        if hostcall.record() != Record::Never {
            let (count, failures) = self.sums.hostcalls.entry(hostcall.number()).or_default();
            *count += 1;
            *failures += u64::from(failed);
        }
    }

    /// Calls answered in time and too late, and dispatches that were refused.
    pub fn calls(&self) -> [u64; 3] {
        [self.sums.in_time, self.sums.late, self.sums.rejected]
    }

    /// How the recorder's counters differ.
    pub fn difference(&self, counters: &Counters) -> Option<String> {
        let mut told = Sums::default();
        for phase in &counters.phases {
            told.phases.insert((phase.root, phase.kind, phase.action), phase.count);
        }
        for hostcall in &counters.hostcalls {
            // The plugin reaches the timer only through the recorder.
            if hostcall.kind != Hostcall::SetTickPeriod.number() {
                told.hostcalls.insert(hostcall.kind, (hostcall.count, hostcall.failures));
            }
        }
        for call in &counters.calls {
            match call.outcome() {
                CallOutcome::Late => told.late += call.count,
                CallOutcome::Rejected => told.rejected += call.count,
                _ => told.in_time += call.count,
            }
        }
        let logged = &self.sums;
        (told != *logged).then(|| format!("the recorder counts {told:?}, the log has {logged:?}"))
    }
}

fn value(returned: Returned) -> u32 {
    match returned {
        Returned::Value(value) => value as u32,
        Returned::Nothing | Returned::Never => 0,
    }
}
