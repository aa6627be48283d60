//! The filter chain around one plugin: client – plugin – upstream (host-semantics §1.4; names of the
//! steps are those of Envoy's `source/common/http/filter_manager.cc`).

use abi::{Callback, Direction, EffectiveAction, effective_action};

use crate::clock::Due;
use crate::script::UpstreamStep;
use crate::stream::{Half, Hold, Stream, View};
use crate::{Headers, StreamId, Vm};

/// Resumes inside each other that are followed.
const MOST_NESTED_RESUMES: u32 = 8;

/// Which of the three phases of a direction.
#[derive(Clone, Copy, Debug)]
enum Part {
    Headers,
    Body,
    Trailers,
}

fn callback(direction: Direction, part: Part) -> Callback {
    match (direction, part) {
        (Direction::Request, Part::Headers) => Callback::RequestHeaders,
        (Direction::Request, Part::Body) => Callback::RequestBody,
        (Direction::Request, Part::Trailers) => Callback::RequestTrailers,
        (Direction::Response, Part::Headers) => Callback::ResponseHeaders,
        (Direction::Response, Part::Body) => Callback::ResponseBody,
        (Direction::Response, Part::Trailers) => Callback::ResponseTrailers,
    }
}

impl Vm {
    fn stream_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.state().streams.get_mut(&id)
    }

    /// A stream that has not come to its end.
    fn live(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.stream_mut(id).filter(|stream| !stream.ended)
    }

    fn half(&mut self, id: StreamId, direction: Direction) -> Option<&mut Half> {
        self.stream_mut(id).map(|stream| stream.half_mut(direction))
    }

    /// May this direction still call the plugin?
    fn runs(&mut self, id: StreamId, direction: Direction) -> bool {
        let runs = |s: &mut Stream| direction == Direction::Response || !s.request_dead;
        self.live(id).is_some_and(runs)
    }

    /// Runs one phase with what it deferred. `None`: the stream is gone or dead in this direction.
    fn phase(
        &mut self,
        id: StreamId,
        direction: Direction,
        part: Part,
        number: u32,
        end: bool,
    ) -> Option<EffectiveAction> {
        let callback = callback(direction, part);
        let phase = callback.phase()?;
        if self.dead {
            self.fail_stream(id);
            return None;
        }
        let raw = self.enter(callback, &[id, number, u32::from(end)], false);
        if self.dead {
            self.fail_stream(id);
            return None;
        }
        let (replied, dialect, version) =
            (self.state().replied, self.state().dialect, self.state().version);
        let action = effective_action(phase, raw.unwrap_or(0), replied, dialect.rules(version));
        if let Some(half) = self.half(id, direction) {
            match (part, action.is_continue()) {
                (Part::Headers, true) => half.map_open = false,
                (Part::Trailers, true) => half.trailers_open = false,
                (Part::Body, true) => {
                    half.buffering = false;
                    // The piece itself stays until it is passed on.
                }
                (Part::Body, false) => {
                    half.buffering = action == EffectiveAction::StopIterationAndBuffer;
                }
                _ => {}
            }
        }
        self.after_call();
        self.runs(id, direction).then_some(action)
    }

    /// Headers come in.
    pub(crate) fn headers_come(
        &mut self,
        id: StreamId,
        direction: Direction,
        headers: Headers,
        end: bool,
    ) {
        if !self.runs(id, direction) {
            return;
        }
        let Some(half) = self.half(id, direction) else { return };
        let count = headers.0.len() as u32;
        *half = Half {
            headers,
            begun: true,
            map_open: true,
            end_seen: end,
            end_told: end,
            ..Default::default()
        };
        let Some(action) = self.phase(id, direction, Part::Headers, count, end) else { return };
        let Some(half) = self.half(id, direction) else { return };
        match action {
            EffectiveAction::Continue => {
                // A resume asked for in the same invocation has forwarded them already.
                if !half.headers_forwarded {
                    half.headers_forwarded = true;
                    half.hold = Hold::Open;
                    self.forward_headers(id, direction, end);
                }
            }
            EffectiveAction::StopIteration => half.hold = Hold::Single,
            _ => {
                half.hold = Hold::All;
                half.from_current = true;
            }
        }
    }

    /// A piece of body comes in.
    pub(crate) fn body_comes(
        &mut self,
        id: StreamId,
        direction: Direction,
        piece: Vec<u8>,
        end: bool,
    ) {
        if !self.runs(id, direction) {
            return;
        }
        let Some(half) = self.half(id, direction) else { return };
        half.end_seen |= end;
        if half.hold == Hold::All {
            half.keep(piece);
        } else if !half.end_told {
            half.end_told = end;
            if half.buffering {
                half.keep(piece);
                half.piece = Vec::new();
                half.view = View::Kept;
            } else {
                half.piece = piece;
                half.view = View::Piece;
            }
            self.body_phase(id, direction, end);
        }
    }

    /// The body phase on what can be read, then `commonHandleAfterDataCallback`.
    fn body_phase(&mut self, id: StreamId, direction: Direction, end: bool) {
        let Some(half) = self.half(id, direction) else { return };
        let size = half.body().map_or(0, Vec::len) as u32;
        let Some(action) = self.phase(id, direction, Part::Body, size, end) else { return };
        let Some(half) = self.half(id, direction) else { return };
        let piece = std::mem::take(&mut half.piece);
        let of_kept = half.view == View::Kept;
        half.view = if action == EffectiveAction::StopIterationAndBuffer {
            View::Kept
        } else {
            View::Nothing
        };
        match action {
            EffectiveAction::Continue if half.hold == Hold::Single => {
                if !of_kept {
                    half.keep(piece);
                }
                self.common_continue(id, direction);
            }
            EffectiveAction::Continue => {
                let piece = if of_kept { half.kept.take().unwrap_or_default() } else { piece };
                self.forward_body(id, direction, piece, end);
            }
            EffectiveAction::StopIterationNoBuffer => {
                half.hold = Hold::Single;
                if half.end_seen && !half.has_trailers {
                    half.kept.get_or_insert_default();
                }
            }
            _ => {
                half.hold = Hold::Single;
                if !of_kept {
                    half.keep(piece);
                }
            }
        }
    }

    /// Trailers come in, and with them the end.
    pub(crate) fn trailers_come(&mut self, id: StreamId, direction: Direction, trailers: Headers) {
        if !self.runs(id, direction) {
            return;
        }
        let Some(half) = self.half(id, direction) else { return };
        half.trailers = trailers;
        half.has_trailers = true;
        half.trailers_open = true;
        half.end_seen = true;
        if half.hold != Hold::All {
            self.trailers_phase(id, direction);
        }
    }

    fn trailers_phase(&mut self, id: StreamId, direction: Direction) {
        let Some(half) = self.half(id, direction) else { return };
        let count = half.trailers.0.len() as u32;
        let Some(action) = self.phase(id, direction, Part::Trailers, count, false) else { return };
        let Some(half) = self.half(id, direction) else { return };
        if !action.is_continue() {
            half.hold = Hold::Single;
        } else if half.hold == Hold::Single {
            self.common_continue(id, direction);
        } else {
            self.forward_trailers(id, direction);
        }
    }

    /// `continueDecoding`, `continueEncoding`: nothing happens when the stream is gone or dead.
    pub(crate) fn resume(&mut self, id: StreamId, direction: Direction) {
        let begun = self.runs(id, direction) && self.half(id, direction).is_some_and(|h| h.begun);
        // A plugin that resumes in the phase that the resume brings would do so for ever.
        if begun && self.nested_resumes < MOST_NESTED_RESUMES {
            self.nested_resumes += 1;
            self.common_continue(id, direction);
            self.nested_resumes -= 1;
        }
    }

    fn common_continue(&mut self, id: StreamId, direction: Direction) {
        let Some(half) = self.half(id, direction) else { return };
        half.hold = Hold::Open;
        half.buffering = false;
        let from_current = half.from_current;
        if !half.headers_forwarded {
            half.headers_forwarded = true;
            let end = half.end_seen && half.kept.is_none() && !half.has_trailers;
            self.forward_headers(id, direction, end);
        }
        let Some(half) = self.half(id, direction) else { return };
        let had_trailers = half.has_trailers;
        if half.kept.is_some() {
            let end = half.end_seen && !had_trailers;
            if from_current {
                half.view = View::Kept;
                half.end_told = end;
                self.body_phase(id, direction, end);
            } else if let Some(kept) = half.kept.take() {
                self.forward_body(id, direction, kept, end);
            }
        }
        let Some(half) = self.half(id, direction) else { return };
        if had_trailers && !half.trailers_forwarded {
            if from_current {
                self.trailers_phase(id, direction);
            } else {
                self.forward_trailers(id, direction);
            }
        }
        if let Some(half) = self.half(id, direction) {
            half.from_current = false;
        }
    }

    fn forward_headers(&mut self, id: StreamId, direction: Direction, end: bool) {
        let Some(stream) = self.stream_mut(id) else { return };
        if direction == Direction::Response {
            stream.answer.headers = stream.response.headers.clone();
            if end {
                self.response_complete(id);
            }
            return;
        }
        stream.request.forwarded_end |= end;
        let on_headers = stream.upstream.on_headers();
        self.wake_upstream(id, on_headers, end);
    }

    pub(crate) fn forward_body(
        &mut self,
        id: StreamId,
        direction: Direction,
        piece: Vec<u8>,
        end: bool,
    ) {
        let Some(stream) = self.live(id) else { return };
        let half = stream.half_mut(direction);
        half.forwarded_body.extend(&piece);
        half.forwarded_end |= end;
        match direction {
            Direction::Request => self.wake_upstream(id, false, end),
            Direction::Response => {
                stream.answer.body.extend(piece);
                if end {
                    self.response_complete(id);
                }
            }
        }
    }

    fn forward_trailers(&mut self, id: StreamId, direction: Direction) {
        let Some(stream) = self.stream_mut(id) else { return };
        let half = stream.half_mut(direction);
        half.trailers_forwarded = true;
        half.trailers_open = false;
        half.forwarded_end = true;
        match direction {
            Direction::Request => self.wake_upstream(id, false, true),
            Direction::Response => {
                stream.answer.trailers = stream.response.trailers.clone();
                self.response_complete(id);
            }
        }
    }

    /// The upstream answers on headers alone, or when it has read the whole request.
    fn wake_upstream(&mut self, id: StreamId, now: bool, end: bool) {
        let Some(stream) = self.stream_mut(id) else { return };
        let after = stream.upstream.after_millis();
        if let (true, Some(after)) = ((now || end) && !stream.upstream_pending, after) {
            stream.upstream_pending = true;
            self.state().clock.arm_in_millis(after, Due::Upstream(id));
        }
    }

    /// The upstream's answer arrives.
    pub(crate) fn upstream_answers(&mut self, id: StreamId) {
        let Some(stream) = self.stream_mut(id) else { return };
        if stream.response.begun {
            return;
        }
        match stream.upstream.step() {
            UpstreamStep::Close => {
                stream.flags = 1 << 6;
                let details = "upstream_reset_before_response_started{connection_termination}";
                let body = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination".to_vec();
                self.local_response(id, 503, Headers::default(), body, details);
            }
            UpstreamStep::Answer { headers, body, trailers } => {
                stream.details = Some("via_upstream".into());
                let bare = body.is_empty() && trailers.0.is_empty();
                self.headers_come(id, Direction::Response, headers, bare);
                if !body.is_empty() {
                    self.body_comes(id, Direction::Response, body, false);
                }
                if !trailers.0.is_empty() {
                    self.trailers_come(id, Direction::Response, trailers);
                } else if !bare {
                    self.body_comes(id, Direction::Response, Vec::new(), true);
                }
            }
        }
    }

    /// `sendLocalReply`: through the plugin's response phases if the response has not begun, directly
    /// if it is held, else the stream is reset.
    pub(crate) fn local_response(
        &mut self,
        id: StreamId,
        status: u32,
        headers: Headers,
        body: Vec<u8>,
        details: &str,
    ) {
        let Some(stream) = self.live(id) else { return };
        stream.request_dead = true;
        stream.local_response_sent = true;
        stream.details = Some(details.to_string());
        let mut all = Headers::of(&[(":status", &status.to_string())]);
        if !body.is_empty() {
            all.add("content-length", body.len().to_string().as_bytes());
            all.add("content-type", b"text/plain");
        }
        for (name, value) in headers.0 {
            all.replace(&name, &value);
        }
        if !stream.response.begun {
            let bare = body.is_empty();
            self.headers_come(id, Direction::Response, all, bare);
            if !bare {
                self.body_comes(id, Direction::Response, body, true);
            }
        } else if !stream.response.headers_forwarded {
            stream.response.headers = all.clone();
            stream.answer.headers = all;
            stream.answer.body = body;
            self.response_complete(id);
        } else {
            self.reset_stream(id, details);
        }
    }

    /// A dead VM fails closed: 503 without any phase.
    fn fail_stream(&mut self, id: StreamId) {
        let Some(stream) = self.live(id) else { return };
        stream.details = Some("wasm_fail_stream".into());
        if stream.answer.headers.0.is_empty() {
            stream.answer.headers = Headers::of(&[(":status", "503")]);
            self.response_complete(id);
        } else {
            self.reset_stream(id, "wasm_fail_stream");
        }
    }

    /// The host or the client breaks the stream off.
    pub(crate) fn reset_stream(&mut self, id: StreamId, details: &str) {
        let Some(stream) = self.live(id) else { return };
        stream.answer.reset = true;
        stream.details = Some(details.to_string());
        self.destroy(id);
    }

    /// The client goes away.
    pub(crate) fn client_leaves(&mut self, id: StreamId) {
        let Some(stream) = self.live(id) else { return };
        stream.answer.client_left = true;
        stream.flags = 1 << 26;
        stream.details = Some("downstream_remote_disconnect".into());
        self.destroy(id);
    }

    fn response_complete(&mut self, id: StreamId) {
        let Some(stream) = self.live(id) else { return };
        stream.answer.complete = true;
        self.destroy(id);
    }

    /// on_log, on_done, on_delete; calls stay.
    fn destroy(&mut self, id: StreamId) {
        let Some(stream) = self.live(id) else { return };
        stream.ended = true;
        stream.request_dead = true;
        stream.logging = true;
        for half in [&mut stream.request, &mut stream.response] {
            half.view = View::Nothing;
        }
        self.callback(Callback::Log, &[id]);
        if let Some(stream) = self.stream_mut(id) {
            stream.logging = false;
            stream.request.map_open = false;
            stream.response.map_open = false;
        }
        self.callback(Callback::Done, &[id]);
        self.callback(Callback::Delete, &[id]);
        if let Some(stream) = self.state().streams.remove(&id) {
            self.answers.insert(id, stream.answer);
        }
    }
}
