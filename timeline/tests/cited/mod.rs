//! The events that a finding cites, looked at without the timeline they come from.

pub mod checks;
mod forwarded;

use std::collections::BTreeMap;

use abi::{Callback, Hostcall, Kind};
use timeline::event::Event;
use timeline::finding::{Finding, Subject};
use timeline::ids::Sequence;
use timeline::timeline::Timeline;

/// The cited events, in order, and nothing else.
pub struct Cited(pub Vec<Event>);

impl Cited {
    pub fn of(timeline: &Timeline, finding: &Finding) -> Cited {
        let by_number: BTreeMap<Sequence, &Event> =
            timeline.events.iter().map(|e| (e.sequence, e)).collect();
        let mut events: Vec<Event> = finding
            .evidence
            .events
            .iter()
            .map(|s| (*by_number.get(s).unwrap_or_else(|| panic!("#{s} does not exist"))).clone())
            .collect();
        events.sort_by_key(Event::order);
        Cited(events)
    }

    pub fn one(&self, wanted: impl Fn(&Event) -> bool) -> Option<(usize, &Event)> {
        self.0.iter().enumerate().find(|(_, e)| wanted(e))
    }

    pub fn callback(&self, callback: Callback) -> Option<(usize, &Event)> {
        self.one(|e| e.kind == Kind::Callback(callback))
    }

    /// The accepted dispatch of the call that a finding is about.
    pub fn dispatch(&self, finding: &Finding) -> Option<(usize, &Event)> {
        self.one(|e| e.is_dispatch() && e.result == 0 && finding.subject == Subject::Call(e.call))
    }

    /// The same with its phase, which stopped.
    pub fn stopped_dispatch(&self, finding: &Finding) -> Option<(usize, &Event)> {
        let (at, dispatch) = self.dispatch(finding)?;
        let phase = |e: &Event| {
            let is_phase = matches!(e.kind, Kind::Callback(c) if c.phase().is_some());
            e.entry == dispatch.entry && is_phase && e.result != 0
        };
        self.one(phase).is_some().then_some((at, dispatch))
    }

    /// The call was dispatched in a phase that stopped, or in a response callback while one had.
    pub fn awaited(&self, dispatch: &Event) -> bool {
        let invocation = self.one(|e| e.entry == dispatch.entry);
        let is_response =
            |e: &Event| matches!(e.kind, Kind::Callback(callback) if callback.is_response());
        invocation.is_some_and(|(_, e)| is_response(e) || e.result != 0)
    }

    /// Something was decided about the stream in an invocation, or its headers or body were changed.
    pub fn touch(&self, within: &Event) -> bool {
        let decides = |e: &Event| match e.kind {
            Kind::Hostcall(
                Hostcall::AddHeaderMapValue
                | Hostcall::ReplaceHeaderMapValue
                | Hostcall::RemoveHeaderMapValue
                | Hostcall::SetHeaderMapPairs,
            ) => e.arg(0) < 4,
            Kind::Hostcall(Hostcall::SetBufferBytes) => e.arg(0) < 2,
            Kind::Hostcall(hostcall) => hostcall.decides(),
            _ => false,
        };
        self.one(|e| e.entry == within.entry && decides(e)).is_some()
    }

    /// The handler of a response callback ran: something of it is cited, and nothing that touches the stream.
    pub fn idle(&self, within: &Event) -> bool {
        let ran = |e: &Event| e.entry == within.entry && matches!(e.kind, Kind::Hostcall(_));
        self.one(ran).is_some() && !self.touch(within)
    }

    /// Was a change of the stream in a callback refused, and nothing decided there?
    pub fn refused(&self, within: &Event) -> bool {
        let refused = |e: &Event| e.entry == within.entry && e.result == 2;
        let changed = |e: &Event| refused(e) && matches!(e.kind, Kind::Hostcall(h) if !h.decides());
        let decided = |e: &Event| e.entry == within.entry && e.result == 0 && e.decides();
        self.one(changed).is_some() && self.one(decided).is_none()
    }

    /// The phase from which a direction was held until `to`, as a window of the finding says.
    pub fn held_until(&self, finding: &Finding, to: Option<Sequence>) -> bool {
        let stopped = |s: Sequence| {
            let is_phase = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.phase().is_some());
            self.one(|e| e.sequence == s && is_phase(e) && e.result != 0).is_some()
        };
        // What is of a kind that could have let it go, and did not, is cited.
        let without_effect = |kind: Kind| self.one(|e| e.kind == kind).is_some();
        finding.evidence.windows.iter().any(|w| {
            let kinds = [
                Kind::Hostcall(Hostcall::ContinueStream),
                Kind::Hostcall(Hostcall::SendLocalResponse),
                Kind::Hostcall(Hostcall::CloseStream),
            ];
            let none = kinds.iter().all(|k| w.none_of.contains(k) || without_effect(*k));
            w.complete && w.to == to && stopped(w.from) && none
        })
    }

    /// A window of the finding in which none of some kinds happened.
    pub fn none(&self, finding: &Finding, from: &Event, to: Option<&Event>, kind: Kind) -> bool {
        finding.evidence.windows.iter().any(|w| {
            let whole = w.complete && w.from == from.sequence && w.to == to.map(|e| e.sequence);
            whole && w.none_of.contains(&kind)
        })
    }

    /// Where the windows of a finding end.
    pub fn ended_by(&self, finding: &Finding) -> Option<Sequence> {
        finding.evidence.windows.first().and_then(|window| window.to)
    }

    pub fn at(&self, sequence: Option<Sequence>) -> Option<&Event> {
        self.0.iter().find(|e| Some(e.sequence) == sequence)
    }

    /// No response callback between two events, as a window says.
    pub fn no_answer(&self, finding: &Finding, dispatch: &Event, to: Option<&Event>) -> bool {
        let kind = match dispatch.kind {
            Kind::Hostcall(Hostcall::HttpCall) => Callback::HttpCallResponse,
            Kind::Hostcall(Hostcall::RedisCall) => Callback::RedisCallResponse,
            _ => Callback::GrpcClose,
        };
        self.none(finding, dispatch, to, Kind::Callback(kind))
    }

    pub fn answer(&self, dispatch: &Event) -> Option<(usize, &Event)> {
        self.one(|e| {
            matches!(e.kind, Kind::Callback(c) if c.is_response()) && e.call == dispatch.call
        })
    }
}
