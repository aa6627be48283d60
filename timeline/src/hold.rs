//! The hold-state machine per direction (host-semantics §1.4): what the host holds of a stream, told
//! from the actions that the plugin returned and the resumes it made.
//!
//! The machine steps over whole invocations: resumes and local responses made inside one take effect
//! after it has returned, as the host defers them (proxy-wasm-cpp-host `DeferAfterCallActions`).

use abi::{
    Callback, Dialect, Direction, EffectiveAction, Hostcall, Kind, Phase, StreamSide,
    effective_action,
};

use crate::event::{Event, Marks};
use crate::ids::{ContextId, Sequence};

/// What is held of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    #[default]
    Open,
    /// What the last phase got; the next phases are called and can release it.
    Single,
    /// Everything; no further phase until a resume.
    All,
    /// One of the two above: the dialect is not known.
    SingleOrAll,
    /// Nothing can be resumed any more: a local response, a close, or the end.
    Dead,
}

impl Hold {
    /// Is something held that a resume would release?
    pub fn is_held(self) -> bool {
        matches!(self, Hold::Single | Hold::All | Hold::SingleOrAll)
    }
}

/// One direction of a stream at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half {
    /// What is held.
    pub hold: Hold,
    /// The event since which it is held: the phase that stopped.
    pub held_by: Option<Sequence>,
    /// The event that let the headers go: their phase, or a resume.
    pub forwarded_by: Option<Sequence>,
    /// The end of the stream was seen in this direction.
    pub ended: bool,
}

/// Both directions of a stream at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Halves {
    /// Towards the upstream.
    pub request: Half,
    /// Towards the client.
    pub response: Half,
    /// The local response that the host accepted.
    pub replied: Option<Sequence>,
}

impl Halves {
    /// One direction.
    pub fn of(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    fn of_mut(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// After one invocation and the hostcalls made in it.
    pub fn step(
        &mut self,
        context: ContextId,
        dialect: Dialect,
        invocation: Option<&Event>,
        hostcalls: &[Event],
    ) {
        let replied = hostcalls_on(context, hostcalls).find(|e| e.is_reply());
        if let Some(event) = invocation
            && event.context == context
            && let Kind::Callback(callback) = event.kind
        {
            match callback.phase() {
                Some(phase) => self.phase(phase, event, replied.is_some(), dialect),
                None if is_ending(callback) => {
                    self.request.hold = Hold::Dead;
                    self.response.hold = Hold::Dead;
                }
                None => {}
            }
        }
        for event in hostcalls_on(context, hostcalls) {
            if let Some(direction) = resumes(event) {
                self.resume(direction, event.sequence);
            } else if event.kind == Kind::Hostcall(Hostcall::CloseStream) && event.result == 0 {
                self.request.hold = Hold::Dead;
                self.response.hold = Hold::Dead;
            }
        }
        if let Some(reply) = replied {
            self.replied.get_or_insert(reply.sequence);
            // The reply runs through the plugin's own response phases, so that half stays alive.
            self.request.hold = Hold::Dead;
        }
    }

    fn phase(&mut self, phase: Phase, event: &Event, replied: bool, dialect: Dialect) {
        if event.marks.has(Marks::UNFINISHED) {
            return;
        }
        let half = self.of_mut(phase.direction());
        if half.hold == Hold::Dead {
            return;
        }
        half.ended |= ends_stream(event);
        if matches!(phase, Phase::RequestMetadata | Phase::ResponseMetadata) {
            return;
        }
        match effective_action(phase, event.result, replied, dialect) {
            EffectiveAction::Continue => {
                half.hold = Hold::Open;
                half.held_by = None;
                half.forwarded_by.get_or_insert(event.sequence);
            }
            action => {
                half.held_by.get_or_insert(event.sequence);
                half.hold = match action {
                    EffectiveAction::StopAllIterationAndBuffer
                    | EffectiveAction::StopAllIterationAndWatermark => Hold::All,
                    EffectiveAction::StopUnknown => Hold::SingleOrAll,
                    // A body or trailers phase that is called at all proves that not all was held.
                    _ => Hold::Single,
                };
            }
        }
    }

    fn resume(&mut self, direction: Direction, by: Sequence) {
        let half = self.of_mut(direction);
        if half.hold.is_held() {
            half.hold = Hold::Open;
            half.held_by = None;
            half.forwarded_by.get_or_insert(by);
        }
    }
}

/// Does the callback say that the stream has ended?
pub(crate) fn is_ending(callback: Callback) -> bool {
    matches!(callback, Callback::Log | Callback::Done | Callback::Delete)
}

/// Did the host say in this phase that nothing follows in its direction?
pub fn ends_stream(event: &Event) -> bool {
    match event.kind {
        Kind::Callback(
            Callback::RequestHeaders
            | Callback::RequestBody
            | Callback::ResponseHeaders
            | Callback::ResponseBody
            | Callback::DownstreamData
            | Callback::UpstreamData,
        ) => event.arg(1) != 0,
        Kind::Callback(Callback::RequestTrailers | Callback::ResponseTrailers) => true,
        _ => false,
    }
}

/// The direction that a hostcall resumes, if it is a resume that the host accepted.
pub fn resumes(event: &Event) -> Option<Direction> {
    if event.result != 0 {
        return None;
    }
    match event.kind {
        Kind::Hostcall(Hostcall::ContinueRequest) => Some(Direction::Request),
        Kind::Hostcall(Hostcall::ContinueResponse) => Some(Direction::Response),
        Kind::Hostcall(Hostcall::ContinueStream) => match StreamSide::from_number(event.arg(0))? {
            StreamSide::Request | StreamSide::Downstream => Some(Direction::Request),
            StreamSide::Response | StreamSide::Upstream => Some(Direction::Response),
        },
        _ => None,
    }
}

/// May what decides about a stream let a direction of it go? A resume names one; an answer and a close end both.
pub fn may_release(event: &Event, direction: Direction) -> bool {
    event.decides() && resumes(event).is_none_or(|resumed| resumed == direction)
}

/// What can let a direction go: its phases, and what ends a pause.
pub fn releases(direction: Direction) -> &'static [Kind] {
    const REQUEST: &[Kind] = &[
        Kind::Callback(Callback::RequestHeaders),
        Kind::Callback(Callback::RequestBody),
        Kind::Callback(Callback::RequestTrailers),
        Kind::Hostcall(Hostcall::ContinueStream),
        Kind::Hostcall(Hostcall::ContinueRequest),
        Kind::Hostcall(Hostcall::SendLocalResponse),
        Kind::Hostcall(Hostcall::CloseStream),
    ];
    const RESPONSE: &[Kind] = &[
        Kind::Callback(Callback::ResponseHeaders),
        Kind::Callback(Callback::ResponseBody),
        Kind::Callback(Callback::ResponseTrailers),
        Kind::Hostcall(Hostcall::ContinueStream),
        Kind::Hostcall(Hostcall::ContinueResponse),
        Kind::Hostcall(Hostcall::SendLocalResponse),
        Kind::Hostcall(Hostcall::CloseStream),
    ];
    match direction {
        Direction::Request => REQUEST,
        Direction::Response => RESPONSE,
    }
}

/// The hostcalls of one invocation that the host applied to a context: that of the invocation until
/// set_effective_context names another.
pub fn hostcalls_on(context: ContextId, hostcalls: &[Event]) -> impl Iterator<Item = &Event> {
    let mut effective = None;
    hostcalls.iter().filter(move |event| {
        if event.is_switch() && event.result == 0 {
            effective = Some(ContextId(event.arg(0)));
        }
        effective.unwrap_or(event.context) == context
    })
}

/// Those of them that decided about the context: resumes, local responses and closes that the host accepted.
/// On a root they do nothing.
pub fn decisions_on(context: ContextId, hostcalls: &[Event]) -> impl Iterator<Item = &Event> {
    hostcalls_on(context, hostcalls).filter(|e| e.decides() && e.result == 0)
}

/// The same of an invocation of a root that named no stream. One that was named and is gone is another matter,
/// and so is one that was decided about as well.
pub fn decided_for_no_stream(root: ContextId, hostcalls: &[Event]) -> impl Iterator<Item = &Event> {
    let names_none = !hostcalls.iter().any(|e| e.is_switch() && e.arg(0) != root.0);
    decisions_on(root, hostcalls).filter(move |_| names_none)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script;
    use crate::story::Story;

    /// The holds of the request after each line of a script, for a dialect.
    fn holds(header: &str, lines: &str) -> Vec<Hold> {
        let timeline = script::parse(&format!("{header}\n{lines}")).expect("a script");
        let story = Story::of(&timeline, crate::Instant::at(timeline.known_until));
        story.steps.iter().map(|step| step.after.request.hold).collect()
    }

    #[test]
    fn what_decides_about_a_stream_releases_one_direction_or_both() {
        for hostcall in Hostcall::ALL {
            let released = [Direction::Request, Direction::Response]
                .into_iter()
                .any(|direction| releases(direction).contains(&Kind::Hostcall(*hostcall)));
            assert_eq!(released, hostcall.decides(), "{hostcall:?}");
        }
    }

    const HIGRESS: &str = "module abi 0.2.100 host higress";
    const OLD_ON_HIGRESS: &str = "module abi 0.2.1 host higress";
    const STOCK: &str = "module abi 0.2.1 host envoy";

    #[test]
    fn one_from_headers_holds_as_the_dialect_says() {
        let lines = "0.1 #1 request_headers 2 n=3 -> pause";
        assert_eq!(holds(HIGRESS, lines), [Hold::Single]);
        assert_eq!(holds(OLD_ON_HIGRESS, lines), [Hold::All]);
        assert_eq!(holds(STOCK, lines), [Hold::SingleOrAll]);
    }

    #[test]
    fn a_continue_from_the_body_releases_held_headers() {
        let lines =
            "0.1 #1 request_headers 2 n=3 -> pause\n0.2 #2 request_body 2 size=3 -> continue";
        assert_eq!(holds(HIGRESS, lines), [Hold::Single, Hold::Open]);
    }

    #[test]
    fn a_resume_counts_only_in_the_streams_own_context() {
        let lines = "0.1 #1 request_headers 2 n=3 -> 4
            0.2 #2 http_call_response root 1 call 4 headers=1
            0.2 #3   continue_stream request -> ok
            0.3 #4 tick root 1
            0.3 #5   set_effective_context context=2 -> ok
            0.3 #6   continue_stream request -> ok";
        assert_eq!(holds(STOCK, lines), [Hold::All, Hold::All, Hold::Open]);
    }

    #[test]
    fn a_local_response_leaves_nothing_to_resume() {
        let lines = "0.1 #1 request_headers 2 n=3 -> continue
            0.1 #2   send_local_response status=403 -> ok
            0.2 #3 log 2";
        assert_eq!(holds(STOCK, lines), [Hold::Dead, Hold::Dead]);
    }
}
