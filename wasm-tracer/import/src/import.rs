//! A whole log, as recorders in its VMs would have told it: deliveries for `timeline`.

use std::collections::BTreeMap;

use abi::{Callback, Kind};
use timeline::delivery::{Clock, Delivery, Module, OpenInvocation, Root};
use timeline::event::{Event, Marks};
use timeline::ids::{ContextId, InstanceId, Micros, Sequence};

use crate::events::Vm;
use crate::invocation::Invocation;
use crate::reader::{Defect, Reader};
use crate::vms::{VmNumber, Vms};

/// Takes a log line by line, and gives deliveries.
///
/// The ids of the instances follow from the log's first line: who imports a log again, or more of it
/// later, gets the same timelines.
#[derive(Debug, Default)]
pub struct Importer {
    reader: Reader,
    vms: Vms,
    instances: BTreeMap<VmNumber, Instance>,
    /// Time and hash of the first line of the trace.
    start: Option<(Micros, u128)>,
    /// Time of the last line of the trace.
    last: Micros,
}

#[derive(Debug, Default)]
struct Instance {
    vm: Vm,
    /// Events not delivered yet, and the number of the last one that was.
    events: Vec<Event>,
    delivered: u64,
    /// What was open when it trapped, the outermost first.
    open: Vec<OpenInvocation>,
    /// Root of each context that lives.
    owners: BTreeMap<ContextId, ContextId>,
    roots: BTreeMap<ContextId, Root>,
    module: Module,
}

impl Importer {
    /// At the beginning of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line.
    pub fn push(&mut self, text: &str) {
        if let Some(invocation) = self.reader.push(text) {
            self.take(invocation, true);
        }
        if let Some(at) = self.reader.last_time() {
            self.start.get_or_insert_with(|| (at, hash(text.trim_end())));
            self.last = self.last.max(at);
        }
    }

    /// What has come since this was last asked, one delivery a VM; those that have nothing new too:
    /// they are known for longer.
    pub fn deliveries(&mut self) -> Vec<Delivery> {
        let Some((start, id)) = self.start else { return Vec::new() };
        // More lines of the same millisecond may come, and what is open is no event yet.
        let open = self.reader.open_since();
        let known_until = open.unwrap_or(self.last).min(self.last).since(start);
        self.deliver(start, id, Micros(known_until.0.saturating_sub(1)))
    }

    /// The rest, at the end of the log. What is open then may have returned later.
    pub fn finish(&mut self) -> Vec<Delivery> {
        for invocation in self.reader.finish() {
            self.take(invocation, false);
        }
        let Some((start, id)) = self.start else { return Vec::new() };
        self.deliver(start, id, self.last.since(start))
    }

    /// What could not be read since this was last asked.
    pub fn take_defects(&mut self) -> Vec<Defect> {
        self.reader.take_defects()
    }

    /// How many invocations could have run in several VMs: of these one cannot be sure.
    pub fn unsure(&self) -> u64 {
        self.vms.unsure()
    }

    /// `goes_on`: what has not returned never will.
    fn take(&mut self, mut invocation: Invocation, goes_on: bool) {
        let start = self.start.map_or(invocation.at, |(start, _)| start);
        let number = self.vms.place(&invocation);
        let instance = self.instances.entry(number).or_default();
        instance.vm.number_calls(&mut invocation);
        let mut events = instance.vm.events(&invocation);
        events.iter_mut().for_each(|event| event.at = event.at.since(start));
        let unfinished: Vec<Event> =
            events.extract_if(.., |event| event.marks.has(Marks::UNFINISHED)).collect();
        for mut event in events {
            event.sequence = Sequence(instance.delivered + instance.events.len() as u64 + 1);
            instance.learn(&event);
            instance.events.push(event);
        }
        if goes_on {
            // The innermost comes first in the order of returning.
            let open = unfinished.iter().rev().filter_map(|event| instance.open(event));
            instance.open = open.collect();
        }
    }

    fn deliver(&mut self, start: Micros, id: u128, known_until: Micros) -> Vec<Delivery> {
        let instances = self.instances.iter_mut();
        let deliveries = instances.map(|(number, instance)| {
            let events = std::mem::take(&mut instance.events);
            let first_sequence = Sequence(instance.delivered + 1);
            instance.delivered += events.len() as u64;
            // Nothing is known of a VM from its trap on: to know more would say that it lives.
            let trapped = instance.open.first().map(|open| Micros(open.since.0.saturating_sub(1)));
            let known_until = trapped.map_or(known_until, |trapped| trapped.min(known_until));
            Delivery {
                instance: InstanceId((id ^ u128::from(number.0)).to_be_bytes()),
                module: instance.module.clone(),
                node: String::new(),
                clock: Clock {
                    wall_nanos: start.0.saturating_mul(1_000),
                    monotonic: Micros(0),
                    wall_only: true,
                },
                first_sequence,
                events,
                roots: instance.roots.values().cloned().collect(),
                streams: Vec::new(),
                memory_pages: 0,
                lost: Vec::new(),
                open: instance.open.clone(),
                known_until,
                // The log ends; the VM may run on.
                is_final: false,
                newer: false,
            }
        });
        deliveries.collect()
    }
}

impl Instance {
    /// What a black box says of an invocation that never returned.
    fn open(&self, event: &Event) -> Option<OpenInvocation> {
        let Kind::Callback(callback) = event.kind else { return None };
        let context = event.context;
        let is_root = self.roots.contains_key(&context);
        let owner = if is_root { Some(&context) } else { self.owners.get(&context) };
        Some(OpenInvocation {
            entry: event.entry,
            callback: Some(callback),
            context,
            root: owner.copied().unwrap_or_default(),
            args: event.args.clone(),
            call: event.call,
            since: event.at,
            last_log: String::new(),
        })
    }

    /// What a recorder would know of the module and its roots.
    fn learn(&mut self, event: &Event) {
        match event.kind {
            Kind::Callback(callback) => {
                self.module.callbacks |= 1 << callback.number();
                let root = self.roots.get_mut(&event.context);
                match callback {
                    Callback::ContextCreate if event.arg(0) != 0 => {
                        self.owners.insert(event.context, ContextId(event.arg(0)));
                    }
                    Callback::ContextCreate => {
                        let context = event.context;
                        let root = Root { context, since: event.at, ..Root::default() };
                        self.roots.insert(context, root);
                    }
                    Callback::Delete => {
                        self.owners.remove(&event.context);
                        if let Some(root) = root {
                            root.ended = true;
                        }
                    }
                    _ => {}
                }
            }
            Kind::Hostcall(hostcall) if !self.module.hostcalls.contains(&hostcall) => {
                self.module.hostcalls.push(hostcall);
            }
            _ => {}
        }
    }
}

/// FNV-1a over 128 bits: fixed for ever, the ids stand in stores and links.
fn hash(text: &str) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}
