//! What a batch says, in the domain's words. The collector's `decode` makes it from the wire.

use abi::{AbiVersion, Callback, Host, Hostcall};
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence};

/// One decoded batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Whose events these are.
    pub instance: InstanceId,
    /// What was instrumented.
    pub module: Module,
    /// Envoy's node id, empty if not readable.
    pub node: String,
    /// One reading of both clocks.
    pub clock: Clock,
    /// Number of the first event; without events the next number.
    pub first_sequence: Sequence,
    /// Events, numbered without a hole.
    pub events: Vec<Event>,
    /// The plugins in this VM.
    pub roots: Vec<Root>,
    /// What names streams.
    pub streams: Vec<StreamInfo>,
    /// The VM's memory in pages of 64 KiB; 0: not said.
    pub memory_pages: u32,
    /// Events that will never arrive.
    pub lost: Vec<Lost>,
    /// Invocations open at a trap: the black box.
    pub open: Vec<OpenInvocation>,
    /// Up to here the events are complete if all numbers up to the last one have arrived.
    pub known_until: Micros,
    /// The last one of this instance.
    pub is_final: bool,
    /// The batch holds fields that this version does not know: a gap for arguments from absence.
    pub newer: bool,
}

/// One reading of both clocks of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds since 1970.
    pub wall_nanos: u64,
    /// The instance's clock at the same moment.
    pub monotonic: Micros,
    /// There is no monotonic clock; times may step.
    pub wall_only: bool,
}

/// What was instrumented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Version of the recorder.
    pub tracer_version: String,
    /// ABI version of the original.
    pub abi: Option<AbiVersion>,
    /// The host it was instrumented for.
    pub host: Option<Host>,
    /// Guess, empty if unknown.
    pub sdk: String,
    /// Bit n: the original exports the callback with number n.
    pub callbacks: u64,
    /// Hostcalls that the original imports.
    pub hostcalls: Vec<Hostcall>,
}

impl Module {
    /// In place of a recorder's version: the events were read from Envoy's own trace log.
    pub const OF_A_LOG: &str = "envoy-log";

    /// Were the events read from Envoy's own trace log, which shows no text, no header and no property?
    pub fn is_of_a_log(&self) -> bool {
        self.tracer_version == Module::OF_A_LOG
    }

    /// Does the original export a callback?
    pub fn exports(&self, callback: Callback) -> bool {
        self.callbacks >> callback.number() & 1 == 1
    }
}

/// A root context: one plugin in a VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// The root's context id.
    pub context: ContextId,
    /// `plugin_name`.
    pub plugin: String,
    /// `plugin_root_id`.
    pub root_id: String,
    /// `plugin_vm_id`.
    pub vm_id: String,
    /// Hash of its configuration.
    pub configuration_hash: u64,
    /// When it was created.
    pub since: Micros,
    /// on_delete was seen.
    pub ended: bool,
    /// Streams that it has seen, recorded or not. Of the root of a stream's timeline not kept, 0.
    pub streams: u64,
}

/// The memory of a VM at one moment. It never shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySample {
    /// When.
    pub at: Micros,
    /// Pages of 64 KiB, without those of the recorder.
    pub pages: u32,
    /// Streams that all its roots had seen.
    pub streams: u64,
}

/// What names a stream, and what the host said of it at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// The stream's context id.
    pub context: ContextId,
    /// Its root.
    pub root: ContextId,
    /// `x-request-id`.
    pub request_id: String,
    /// W3C traceparent.
    pub traceparent: String,
    /// `:method`
    pub method: String,
    /// `:path` without the query.
    pub path: String,
    /// `:authority`
    pub authority: String,
    /// e.g. `HTTP/1.1`
    pub protocol: String,
    /// Code of the response that the client got; None if the host did not say.
    pub response_code: Option<u32>,
    /// Bits of Envoy's response flags.
    pub response_flags: Option<u64>,
    /// Envoy's response code details.
    pub response_code_details: Option<String>,
    /// Address of the upstream.
    pub upstream_address: Option<String>,
    /// Why the connection ended.
    pub connection_termination_details: Option<String>,
    /// Why the upstream's transport failed.
    pub upstream_transport_failure_reason: Option<String>,
    /// Nanoseconds the request took.
    pub duration_nanos: Option<u64>,
    /// Other properties and listed headers, by name.
    pub more: Vec<(String, String)>,
    /// The request's headers were too large to be read.
    pub headers_too_large: bool,
}

impl StreamInfo {
    /// Takes over what a later message knows; what it does not know stays.
    pub fn merge(&mut self, later: StreamInfo) {
        for (known, new) in [
            (&mut self.request_id, later.request_id),
            (&mut self.traceparent, later.traceparent),
            (&mut self.method, later.method),
            (&mut self.path, later.path),
            (&mut self.authority, later.authority),
            (&mut self.protocol, later.protocol),
        ] {
            if !new.is_empty() {
                *known = new;
            }
        }
        for (known, new) in [
            (&mut self.response_code_details, later.response_code_details),
            (&mut self.upstream_address, later.upstream_address),
            (&mut self.connection_termination_details, later.connection_termination_details),
            (&mut self.upstream_transport_failure_reason, later.upstream_transport_failure_reason),
        ] {
            if new.is_some() {
                *known = new;
            }
        }
        if later.root != ContextId(0) {
            self.root = later.root;
        }
        self.response_code = later.response_code.or(self.response_code);
        self.response_flags = later.response_flags.or(self.response_flags);
        self.duration_nanos = later.duration_nanos.or(self.duration_nanos);
        self.headers_too_large |= later.headers_too_large;
        for (name, value) in later.more {
            match self.more.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => self.more.push((name, value)),
            }
        }
    }
}

/// Events that will never arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// First number.
    pub from: Sequence,
    /// Last number, inclusive.
    pub to: Sequence,
    /// Why, for people.
    pub reason: String,
    /// Contexts that they were of; empty: any.
    pub contexts: Vec<ContextId>,
}

/// Why events of Envoy's own trace log are missing.
impl Lost {
    /// What was before its first line.
    pub const LOG_BEGINS: &str = "the log begins in the middle of this VM's life";
    /// A line that says nothing, or contradicts those before.
    pub const LOG_UNREAD: &str = "a line of the log could not be read, or fits nowhere";
    /// What comes after its last line.
    pub const LOG_ENDS: &str = "the log ends in the middle of a callback";
    /// Several VMs run on one thread.
    pub const LOG_UNSURE: &str = "the log does not say which of several VMs of a thread ran";
    /// A call whose answer cannot be told from others.
    pub const LOG_UNNUMBERED: &str = "the log does not show this call's id";
}

/// An invocation that was open when the plugin trapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvocation {
    /// Its number.
    pub entry: Entry,
    /// The callback.
    pub callback: Option<Callback>,
    /// Its context argument.
    pub context: ContextId,
    /// The root of its context, 0 if not known.
    pub root: ContextId,
    /// Numbers that came with it.
    pub args: Vec<u32>,
    /// The call that it answered, 0 for none.
    pub call: CallId,
    /// When it was entered.
    pub since: Micros,
    /// Last lines of standard output and error.
    pub last_log: String,
}
