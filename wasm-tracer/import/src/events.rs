//! One VM's invocations as events, in the words of `timeline`: what a recorder that keeps every
//! hostcall would have made of them, but for what the log does not carry (texts, names, status codes).

use abi::{
    CallFailure, CallKind, Callback, Effect, Hostcall, Kind, ParamKind, Record, Role, pseudo,
};
use timeline::event::{Event, Marks, without_last_zeros};
use timeline::ids::{CallId, ContextId, Entry, Micros, Sequence};

use crate::invocation::{Invocation, Made, Returned};

/// Call ids of one kind are this far apart (proxy-wasm-cpp-host `include/proxy-wasm/wasm.h:
/// kCalloutIncrement`).
const CALL_STEP: u32 = 4;

/// What goes on from one invocation of a VM to the next.
#[derive(Clone, Debug, Default)]
pub struct Vm {
    entry: u64,
    sequence: u64,
    /// The last call id of each kind, without the two low bits.
    calls: [u32; 4],
    /// Dispatches may have been missed, so the host may have counted further.
    doubt: Option<Doubt>,
}

/// Call ids cannot be counted until all calls that are out must have been answered: the highest id of
/// the answers is then the last that was given.
#[derive(Clone, Copy, Debug, Default)]
struct Doubt {
    /// When all calls that are known must have been answered; None: no call is known.
    until: Option<Micros>,
}

impl Vm {
    /// A VM that has not run yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on dispatches may have been missed; with `anew` only where that was so before.
    pub(crate) fn doubt_calls(&mut self, anew: bool) {
        if anew || self.doubt.is_some() {
            self.doubt = Some(Doubt::default());
        }
    }

    /// Gives the dispatches in an invocation their call ids. The host writes them into memory, where
    /// the log cannot see them, but counts them up: every dispatch takes one that gets as far as
    /// being sent, also if that fails at once (Envoy `source/extensions/common/wasm/context.cc:
    /// Context::httpCall`). Where it cannot be counted a call keeps the id 0.
    pub fn number_calls(&mut self, invocation: &mut Invocation) {
        self.heard(invocation);
        for made in &mut invocation.hostcalls {
            if let Some(hostcall) = made.hostcall()
                && let Effect::Starts(kind) = hostcall.effect()
            {
                let id = self.next_call(kind, made.returned);
                made.call = if self.is_in_doubt(made, hostcall) { CallId(0) } else { id };
            }
            for inner in &mut made.inner {
                self.number_calls(inner);
            }
        }
    }

    /// An answer names an id that the host had given.
    fn heard(&mut self, invocation: &Invocation) {
        let Some(callback) = invocation.callback().filter(|c| c.is_response()) else { return };
        let (call, _) = callback_arguments(callback, invocation);
        if self.doubt.is_some()
            && let Some(last) = self.calls.get_mut((call.0 % CALL_STEP) as usize)
        {
            *last = (*last).max(call.0 / CALL_STEP * CALL_STEP);
        }
    }

    /// Can this dispatch not be numbered?
    fn is_in_doubt(&mut self, made: &Made, hostcall: Hostcall) -> bool {
        /// Answers come at the latest at the timeout; the log's times are coarse.
        const GRACE: Micros = Micros::SECOND;
        let Some(doubt) = self.doubt.as_mut() else { return false };
        if doubt.until.is_some_and(|until| until < made.at) {
            self.doubt = None;
            return false;
        }
        let (_, args) = hostcall_arguments(made, hostcall);
        let timeout = hostcall.row().position(Role::Timeout).and_then(|at| args.get(at).copied());
        let until = match timeout.unwrap_or(0) {
            0 => Micros(u64::MAX),
            millis => made.at.after(Micros::from_millis(millis.into())).after(GRACE),
        };
        doubt.until = doubt.until.max(Some(until));
        true
    }

    fn next_call(&mut self, kind: CallKind, returned: Returned) -> CallId {
        const OK: u64 = abi::Status::Ok.number() as u64;
        const SENDING_FAILED: u64 = abi::Status::InternalFailure.number() as u64;
        let (at, low) = match kind {
            CallKind::Http => (0, 0),
            CallKind::GrpcCall => (1, 1),
            CallKind::GrpcStream => (2, 2),
            CallKind::Redis => (3, 3),
        };
        let last = &mut self.calls[at];
        match returned {
            Returned::Value(OK) => {
                *last = last.wrapping_add(CALL_STEP);
                CallId(*last | low)
            }
            Returned::Value(SENDING_FAILED) => {
                *last = last.wrapping_add(CALL_STEP);
                CallId(0)
            }
            _ => CallId(0),
        }
    }

    /// The events of an invocation whose calls are numbered, in the order of their sequence: what
    /// returned first stands first.
    pub fn events(&mut self, invocation: &Invocation) -> Vec<Event> {
        let mut events = Vec::new();
        self.invocation(invocation, false, &mut events);
        events
    }

    fn invocation(&mut self, invocation: &Invocation, is_nested: bool, to: &mut Vec<Event>) {
        // Inside the allocator and the start functions hosts forbid nearly every hostcall.
        let Some(callback) = invocation.callback() else { return };
        self.entry += 1;
        let entry = Entry(self.entry);
        let context = ContextId(invocation.argument(0));
        for made in &invocation.hostcalls {
            for inner in &made.inner {
                self.invocation(inner, true, to);
            }
            if let Some(hostcall) = made.hostcall().filter(|h| h.record() != Record::Never) {
                let sequence = self.next_sequence();
                to.push(hostcall_event(made, hostcall, sequence, entry, context));
            }
        }
        let (call, args) = callback_arguments(callback, invocation);
        let mut marks = if is_nested { Marks::NESTED } else { Marks::default() };
        if invocation.returned == Returned::Never {
            marks = marks.with(Marks::UNFINISHED);
        }
        to.push(Event {
            sequence: self.next_sequence(),
            entry,
            at: invocation.at,
            context,
            kind: Kind::Callback(callback),
            took: invocation.took,
            args: without_last_zeros(args),
            result: number(invocation.returned),
            call,
            text: Vec::new(),
            marks,
        });
    }

    fn next_sequence(&mut self) -> Sequence {
        self.sequence += 1;
        Sequence(self.sequence)
    }
}

fn hostcall_event(
    made: &Made,
    hostcall: Hostcall,
    sequence: Sequence,
    entry: Entry,
    context: ContextId,
) -> Event {
    let (call, args) = hostcall_arguments(made, hostcall);
    let marks = if made.returned == Returned::Never { Marks::UNFINISHED } else { Marks::default() };
    Event {
        sequence,
        entry,
        at: made.at,
        context,
        kind: Kind::Hostcall(hostcall),
        took: Micros(0),
        args: without_last_zeros(args),
        result: number(made.returned),
        call,
        text: Vec::new(),
        marks,
    }
}

/// The numbers of a callback but the context and the call id.
fn callback_arguments(callback: Callback, invocation: &Invocation) -> (CallId, Vec<u32>) {
    let names = callback.row().params.iter().enumerate().skip(1);
    let (mut call, mut args) = (CallId(0), Vec::new());
    for (at, name) in names {
        match *name {
            "call" => call = CallId(invocation.argument(at)),
            _ => args.push(invocation.argument(at)),
        }
    }
    if callback == Callback::HttpCallResponse && args.first() == Some(&0) {
        args.extend([0, CallFailure::Reset.number()]);
    }
    (call, args)
}

/// The numbers of a hostcall, as its row says.
fn hostcall_arguments(made: &Made, hostcall: Hostcall) -> (CallId, Vec<u32>) {
    let (mut call, mut args) = (made.call, Vec::new());
    let mut at = 0;
    for param in hostcall.row().params {
        if let Some(number) = param.number_at() {
            args.push(made.argument(at + number));
        }
        match (param.role, param.kind) {
            (Role::CallId, ParamKind::Int) => call = CallId(made.argument(at)),
            // The log shows no header. Nothing is missing as far as it can tell.
            (Role::Headers, _) => args.push(pseudo::ALL),
            _ => {}
        }
        at += param.kind.width();
    }
    (call, args)
}

fn number(returned: Returned) -> u32 {
    match returned {
        Returned::Value(value) => crate::invocation::word(Some(&value)),
        Returned::Nothing | Returned::Never => 0,
    }
}
