//! A whole log, as recorders in its VMs would have told it: deliveries for `timeline`.

use std::collections::{BTreeMap, BTreeSet};

use abi::{Callback, Kind};
use timeline::delivery::{Clock, Delivery, Lost, Module, OpenInvocation, Root};
use timeline::event::{Event, Marks};
use timeline::ids::{ContextId, InstanceId, Micros};

use crate::account::Account;
use crate::events::Vm;
use crate::invocation::Invocation;
use crate::line::{BadLine, Formats};
use crate::paste::{Paste, Whole};
use crate::queue::Queue;
use crate::reader::{Defect, DefectKind, Reader};
use crate::vms::{VmNumber, Vms};

/// Takes a log line by line, and gives deliveries.
///
/// The ids of the instances follow from the log's first line: who imports a log again, or more of it
/// later, gets the same timelines. What the log lacks is told as lost, so that nothing is made of its
/// absence.
#[derive(Debug, Default)]
pub struct Importer {
    paste: Paste,
    lines: u64,
    reader: Reader,
    vms: Vms,
    instances: BTreeMap<VmNumber, Instance>,
    /// Threads in whose open invocation a line could not be read.
    damaged: BTreeSet<u32>,
    /// Time and hash of the first line of the trace.
    start: Option<(Micros, u128)>,
    /// Time of the last line of the trace.
    last: Micros,
    /// Name of the plugin, which the log does not carry.
    plugin: String,
    account: Account,
}

#[derive(Debug, Default)]
struct Instance {
    vm: Vm,
    queue: Queue,
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

    /// At the beginning of a log whose lines have these formats, of a plugin of this name.
    pub fn of(formats: Formats, plugin: String) -> Self {
        Self { reader: Reader::of(formats), plugin, ..Self::default() }
    }

    /// Takes the next line.
    pub fn push(&mut self, text: &str) {
        self.lines += 1;
        if let Some(whole) = self.paste.push(self.lines, text, self.reader.formats()) {
            self.read(&whole);
        }
    }

    /// What has come since this was last asked; a delivery for VMs that have nothing new too: they are
    /// known for longer.
    pub fn deliveries(&mut self) -> Vec<Delivery> {
        let Some((start, _)) = self.start else { return Vec::new() };
        // More lines of the same millisecond may come, and what is open is no event yet.
        let open = self.reader.open_since();
        let known_until = open.unwrap_or(self.last).min(self.last).since(start);
        self.deliver(Micros(known_until.0.saturating_sub(1)))
    }

    /// The rest, at the end of the log. What is open then may have returned later.
    pub fn finish(&mut self) -> Vec<Delivery> {
        if let Some(whole) = self.paste.finish() {
            self.read(&whole);
        }
        for invocation in self.reader.finish() {
            self.take(invocation, false);
        }
        let Some((start, _)) = self.start else { return Vec::new() };
        self.deliver(self.last.since(start))
    }

    /// How many lines were taken.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// What was read and what was not, up to now.
    pub fn account(&self) -> Account {
        Account {
            lines: self.lines,
            understood: self.reader.understood(),
            others: self.reader.others(),
            unsure: self.vms.unsure(),
            ..self.account.clone()
        }
    }

    fn read(&mut self, whole: &Whole) {
        let done = self.reader.push_as(whole.number, &whole.text);
        self.account.joined += whole.pieces as u64 - 1;
        let defects = self.reader.take_defects();
        defects.iter().for_each(|defect| self.lacks(defect, &whole.text));
        if let Some(at) = self.reader.last_time() {
            let id = hash(self.reader.first().unwrap_or_default());
            self.start.get_or_insert((at, id));
            self.last = self.last.max(at);
        }
        if let Some(invocation) = done {
            self.take(invocation, true);
        }
    }

    /// A line that could not be read may have been anything that its thread did.
    fn lacks(&mut self, defect: &Defect, text: &str) {
        self.account.add(defect);
        let is_call = ["_call", "grpc_stream", "redis"].iter().any(|part| text.contains(part));
        let is_cut = defect.what == DefectKind::Unreadable(BadLine::Cut);
        for number in self.vms.of(defect.thread) {
            if let Some(instance) = self.instances.get_mut(&number) {
                instance.queue.lack(Lost::LOG_UNREAD, &[]);
                instance.vm.doubt_calls(is_call || is_cut);
            }
        }
        match defect.thread {
            Some(thread) => _ = self.damaged.insert(thread),
            None => self.damaged.extend(self.reader.threads()),
        }
    }

    /// `goes_on`: what has not returned never will.
    fn take(&mut self, mut invocation: Invocation, goes_on: bool) {
        let start = self.start.map_or(invocation.at, |(start, _)| start);
        let place = self.vms.find(&invocation);
        let is_damaged = self.damaged.remove(&invocation.thread) || place.is_revived;
        if !place.is_sure {
            for number in place.others.iter().chain([&place.vm]) {
                let instance = self.instances.entry(*number).or_default();
                instance.queue.lack(Lost::LOG_UNSURE, &concerned(&invocation));
                instance.vm.doubt_calls(!invocation.hostcalls.is_empty());
            }
            return;
        }
        let is_new = !self.instances.contains_key(&place.vm);
        let instance = self.instances.entry(place.vm).or_default();
        if is_new && place.is_partial {
            instance.queue.lack(Lost::LOG_BEGINS, &[]);
            instance.vm.doubt_calls(true);
        }
        if place.is_revived {
            instance.queue.lack(Lost::LOG_UNREAD, &[]);
            instance.vm.doubt_calls(true);
            instance.open.clear();
        }
        instance.vm.number_calls(&mut invocation);
        let mut events = instance.vm.events(&invocation);
        events.iter_mut().for_each(|event| event.at = event.at.since(start));
        let unfinished: Vec<Event> =
            events.extract_if(.., |event| event.marks.has(Marks::UNFINISHED)).collect();
        for mut event in events {
            if event.is_dispatch() {
                // The cluster's name: the log shows where it stood.
                event.marks = event.marks.with(Marks::TEXT_CUT);
            }
            instance.learn(&event, &self.plugin);
            let is_unnumbered = event.is_dispatch() && event.result == 0 && event.call.0 == 0;
            let context = event.context;
            instance.queue.push(event);
            if is_damaged {
                instance.queue.lack(Lost::LOG_UNREAD, &[]);
            } else if is_unnumbered {
                instance.queue.lack(Lost::LOG_UNNUMBERED, &[context]);
            }
        }
        if goes_on && !is_damaged {
            // The innermost comes first in the order of returning.
            let open = unfinished.iter().rev().filter_map(|event| instance.open(event));
            instance.open = open.collect();
        } else if !unfinished.is_empty() {
            instance.queue.lack(if goes_on { Lost::LOG_UNREAD } else { Lost::LOG_ENDS }, &[]);
        }
    }

    fn deliver(&mut self, known_until: Micros) -> Vec<Delivery> {
        let Some((start, id)) = self.start else { return Vec::new() };
        let clock = Clock {
            wall_nanos: start.0.saturating_mul(1_000),
            monotonic: Micros(0),
            wall_only: true,
        };
        let mut deliveries = Vec::new();
        for (number, instance) in &mut self.instances {
            // Nothing is known of a VM from its trap on: to know more would say that it lives.
            let trapped = instance.open.first().map(|open| Micros(open.since.0.saturating_sub(1)));
            let known_until = trapped.map_or(known_until, |trapped| trapped.min(known_until));
            for run in instance.queue.take(known_until) {
                let open = if run.is_last { instance.open.clone() } else { Vec::new() };
                deliveries.push(Delivery {
                    instance: InstanceId((id ^ u128::from(number.0)).to_be_bytes()),
                    module: Module {
                        tracer_version: Module::OF_A_LOG.to_owned(),
                        ..instance.module.clone()
                    },
                    node: String::new(),
                    clock,
                    first_sequence: run.first,
                    events: run.events,
                    roots: instance.roots.values().cloned().collect(),
                    streams: Vec::new(),
                    memory_pages: 0,
                    lost: run.lost,
                    open,
                    known_until: run.known_until,
                    // The log ends; the VM may run on.
                    is_final: false,
                    newer: false,
                });
            }
        }
        deliveries
    }
}

/// Contexts that an invocation may have done something for; none: any.
fn concerned(invocation: &Invocation) -> Vec<ContextId> {
    let context = ContextId(invocation.argument(0));
    match invocation.callback() {
        Some(callback) if !callback.is_on_root() => vec![context],
        _ => Vec::new(),
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
    fn learn(&mut self, event: &Event, plugin: &str) {
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
                        let plugin = plugin.to_owned();
                        let root = Root { context, plugin, since: event.at, ..Root::default() };
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
