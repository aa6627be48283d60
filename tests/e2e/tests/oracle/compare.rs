//! The recorder's events beside those of Envoy's log.

use abi::{Callback, Hostcall, Kind};
use import::{Invocation, Vm};
use timeline::event::{Event, Marks};

use crate::counts::Counts;
use crate::log::Step;
use crate::told::Told;

/// Differences shown of a run.
const MOST_SHOWN: usize = 12;

/// What was the same.
#[derive(Debug, Default)]
pub struct Same {
    pub entries: usize,
    pub hostcalls: usize,
    pub own_hostcalls: u64,
    pub own_callbacks: u64,
    pub shipments: usize,
    /// Shipments that brought counters.
    pub counters: usize,
    /// Calls answered in time and too late, and dispatches that the host refused, by the log.
    pub calls: [u64; 3],
}

/// Compares all that a recorder told with its VM's log.
pub fn compare(steps: &[Step], told: &Told) -> Result<Same, String> {
    let mut comparison = Comparison {
        told,
        entries: told.entries(),
        vm: Vm::new(),
        at: 0,
        untold: 0,
        counts: Counts::default(),
        same: Same::default(),
        differences: told.missing.clone(),
    };
    for step in steps {
        comparison.step(step);
        if comparison.differences.len() > MOST_SHOWN {
            return Err(comparison.differences.join("\n"));
        }
    }
    comparison.end()
}

struct Comparison<'a> {
    told: &'a Told,
    entries: Vec<&'a [Event]>,
    vm: Vm,
    /// Entries compared.
    at: usize,
    /// Entries of the log that came after all that was told.
    untold: usize,
    counts: Counts,
    same: Same,
    differences: Vec<String>,
}

impl Comparison<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Answer => self.same.own_callbacks += 1,
            Step::Ships { hostcalls } => self.shipment(*hostcalls),
            Step::Plugins(invocation) => {
                let Some(callback) = invocation.callback() else { return };
                if !self.told.is_whole {
                    return self.counts_only(invocation, callback);
                }
                let line = invocation.line;
                let events = self.vm.events(invocation);
                let mut entries: Vec<Vec<Event>> = Vec::new();
                for event in sorted(events) {
                    match entries.last_mut() {
                        Some(entry) if entry[0].entry == event.entry => entry.push(event),
                        _ => entries.push(vec![event]),
                    }
                }
                if callback == Callback::Tick && !self.is_told(&entries[0]) {
                    self.same.own_callbacks += 1;
                    // Only the recorder's own part ran; the plugin ticks on after all that was told.
                    if entries[0].len() > 1 && self.at < self.entries.len() {
                        self.differs(line, &lines(&entries[0]), &[]);
                    }
                    return;
                }
                self.counts.add(invocation, self.has(callback));
                if !self.is_kept(callback) {
                    return;
                }
                entries.iter().for_each(|entry| self.entry(line, entry));
            }
        }
    }

    /// Of a recorder that keeps only some streams. No plugin ticks in it.
    fn counts_only(&mut self, invocation: &Invocation, callback: Callback) {
        self.counts.add(invocation, self.has(callback));
        if callback == Callback::Tick {
            self.same.own_callbacks += 1;
        } else {
            self.untold += 1;
        }
    }

    /// A callback that the plugin lacks is an event only where a context begins or ends.
    fn is_kept(&self, callback: Callback) -> bool {
        use Callback::{ContextCreate, Delete, Done, Log};
        self.has(callback) || matches!(callback, ContextCreate | Log | Done | Delete)
    }

    /// Has the plugin a callback?
    fn has(&self, callback: Callback) -> bool {
        self.told.callbacks >> callback.number() & 1 == 1
    }

    fn is_told(&self, entry: &[Event]) -> bool {
        self.entries.get(self.at).is_some_and(|told| lines(told) == lines(entry))
    }

    fn entry(&mut self, line: u64, logged: &[Event]) {
        let Some(told) = self.entries.get(self.at) else {
            self.untold += 1;
            return;
        };
        self.at += 1;
        let (logged, told) = (lines(logged), lines(told));
        if logged != told {
            return self.differs(line, &logged, &told);
        }
        self.same.entries += 1;
        self.same.hostcalls += logged.len() - 1;
    }

    fn shipment(&mut self, hostcalls: u64) {
        self.same.own_hostcalls = hostcalls;
        let Some(told) = self.told.shipments.get(self.same.shipments) else { return };
        self.same.shipments += 1;
        if let Some(counters) = &told.counters {
            self.same.counters += 1;
            if !self.told.is_whole {
                self.same.entries += std::mem::take(&mut self.untold);
                self.at = self.entries.len();
            }
            let number = self.same.shipments;
            let difference = self.counts.difference(counters);
            self.differences.extend(difference.map(|what| format!("shipment {number}: {what}")));
        }
        if (told.hostcalls, told.callbacks) != (hostcalls, self.same.own_callbacks) {
            self.differences.push(format!(
                "shipment {}: the recorder counts {} hostcalls and {} callbacks of its own, the log \
                 has {hostcalls} and {}",
                self.same.shipments, told.hostcalls, told.callbacks, self.same.own_callbacks
            ));
        }
    }

    fn differs(&mut self, line: u64, logged: &[String], told: &[String]) {
        let list = |lines: &[String]| lines.join("\n    ");
        self.differences.push(format!(
            "line {line}:\n  Envoy logged\n    {}\n  the recorder told (entry {})\n    {}",
            list(logged),
            self.at,
            list(told)
        ));
    }

    fn end(mut self) -> Result<Same, String> {
        self.same.calls = self.counts.calls();
        if self.untold > 0 {
            self.differences.push(format!("{} entries of the log were not told", self.untold));
        }
        let more = self.entries.len() - self.at;
        if more > 0 {
            self.differences.push(format!("{more} entries were told that the log does not have"));
        }
        if self.same.shipments < self.told.shipments.len() {
            self.differences.push(format!(
                "{} shipments came, {} stand in the log",
                self.told.shipments.len(),
                self.same.shipments
            ));
        }
        match self.differences.is_empty() {
            true => Ok(self.same),
            false => Err(self.differences.join("\n")),
        }
    }
}

fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(Event::order);
    events
}

/// An entry as both must tell it.
fn lines(entry: &[Event]) -> Vec<String> {
    entry.iter().filter(|event| is_comparable(event.kind)).map(line).collect()
}

fn is_comparable(kind: Kind) -> bool {
    // The plugin reaches the timer only through the recorder; output is joined to lines.
    !matches!(kind, Kind::Hostcall(Hostcall::SetTickPeriod | Hostcall::FdWrite))
}

/// What the log can tell of an event: all its numbers, but for what the recorder read elsewhere.
fn line(event: &Event) -> String {
    let mut args = event.args.clone();
    match event.kind {
        Kind::Callback(Callback::HttpCallResponse) => args.truncate(3),
        Kind::Hostcall(Hostcall::HttpCall) if args.len() > 1 => args[1] = 0,
        _ => {}
    }
    while args.last() == Some(&0) {
        args.pop();
    }
    let trapped = if event.marks.has(Marks::UNFINISHED) { " trapped" } else { "" };
    let nested = if event.marks.has(Marks::NESTED) { " nested" } else { "" };
    format!(
        "{:?} {} {args:?} -> {} call {}{nested}{trapped}",
        event.kind, event.context, event.result, event.call
    )
}
