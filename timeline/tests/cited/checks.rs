//! For each diagnosis, its claim computed again from what it cites.

use abi::{Callback, Direction, Hostcall, Kind};
use timeline::event::{Event, Marks};
use timeline::finding::{Finding, Severity, Subject};

use super::Cited;
use super::forwarded::forwarded;

/// Does the claim of a finding follow from what it cites?
pub fn follows(finding: &Finding, cited: &Cited) -> bool {
    let holds = match finding.code.as_str() {
        "headers-forwarded-before-body-call" => forwarded(finding, cited),
        "late-callback" => late(finding, cited),
        "response-while-request-held" => response_while_held(finding, cited),
        "waiting-on-call" => (|| {
            let (_, dispatch) = cited.dispatch(finding)?;
            Some(cited.no_answer(finding, dispatch, None) && cited.held_until(finding, None))
        })(),
        "callback-ran-no-resume" => stuck(finding, cited),
        "dispatch-rejected" => {
            cited.one(|e| e.is_dispatch() && matches!(e.result, 2 | 4 | 12)).map(|_| true)
        }
        "dispatch-failed-inline" => cited.one(|e| e.is_dispatch() && e.result == 10).map(|_| true),
        "call-timeout" => failed(finding, cited, |answer| match answer.kind {
            Kind::Callback(Callback::HttpCallResponse) => answer.arg(4) == 1,
            _ => matches!(answer.arg(0), 4 | 14),
        }),
        "call-connect-failure" => failed(finding, cited, |answer| match answer.kind {
            Kind::Callback(Callback::HttpCallResponse) => matches!(answer.arg(4), 2..=4),
            _ => answer.arg(0) != 0,
        }),
        "callback-failure-unhandled" => unhandled(finding, cited),
        "watermark-deadlock" => (|| {
            let body = [Callback::RequestBody, Callback::ResponseBody];
            let is_body = |e: &Event| body.iter().any(|c| e.kind == Kind::Callback(*c));
            let parts = || cited.0.iter().filter(|e| is_body(e));
            let waits = parts().next_back()?.result == 2 && parts().all(|e| e.arg(1) == 0);
            let held: u32 = parts().map(|e| e.arg(0)).sum();
            let to = cited.ended_by(finding);
            let dispatch = Kind::Hostcall(Hostcall::HttpCall);
            let no_call = cited.none(finding, cited.0.first()?, cited.at(to), dispatch);
            let severity = match (to, held) {
                (Some(_), 0x10_0000..) => Severity::Hung,
                (Some(_), 0x8000..) | (None, 0x10_0000..) => Severity::Note,
                _ => return None,
            };
            Some(waits && no_call && cited.held_until(finding, to) && finding.severity == severity)
        })(),
        "body-released-by-other" => (|| {
            let is_body = |e: &&Event| e.kind == Kind::Callback(Callback::RequestBody);
            let bodies: Vec<&Event> = cited.0.iter().filter(is_body).collect();
            let [kept, next] = bodies[..] else { return None };
            let shrinks = next.arg(0) < kept.arg(0) && kept.result == 1;
            Some(shrinks && cited.held_until(finding, Some(next.sequence)))
        })(),
        "impossible-sequence" => (|| {
            let [first, second] = &cited.0[..] else { return None };
            let is_new = Kind::Callback(Callback::ContextCreate);
            let since = cited.none(finding, first, Some(second), is_new);
            let again = first.kind == second.kind && first.context == second.context;
            let deleted = first.kind == Kind::Callback(Callback::Delete);
            let within = second.marks.has(Marks::NESTED)
                && first.at.after(first.took) >= second.at.after(second.took);
            Some((since && (again || deleted)) || within)
        })(),
        "paused-without-pending-call" => stopped(finding, cited, |phase| phase.result != 0),
        "header-pause-starves-body" => stopped(finding, cited, |phase| phase.arg(1) == 0),
        "waiting-for-body-that-cannot-come" => stopped(finding, cited, |phase| phase.arg(1) != 0),
        "own-local-reply-paused" => (|| {
            let reply = Kind::Hostcall(Hostcall::SendLocalResponse);
            let (at, _) = cited.one(|e| e.kind == reply && e.result == 0)?;
            let phases = [Callback::ResponseHeaders, Callback::ResponseBody];
            let (stop, _) = cited.one(|e| phases.iter().any(|c| e.kind == Kind::Callback(*c)))?;
            let to = cited.ended_by(finding);
            Some(at < stop && cited.held_until(finding, to))
        })(),
        "wrong-context" if finding.subject == Subject::Timeline => (|| {
            let is_root = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.is_on_root());
            let (_, within) = cited.one(is_root)?;
            let (_, act) = cited.one(Event::decides)?;
            Some(act.entry == within.entry && act.result == 0 && cited.0.len() == 2)
        })(),
        "root-shutdown-cancelled" => (|| {
            let (_, dispatch) = cited.dispatch(finding)?;
            let (_, end) = cited.one(|e| match e.kind {
                Kind::Callback(Callback::Done) => e.result == 1,
                kind => kind == Kind::Callback(Callback::Delete),
            })?;
            Some(dispatch.order() < end.order() && cited.no_answer(finding, dispatch, Some(end)))
        })(),
        "dispatch-from-dead-context" => (|| {
            let (_, dispatch) = cited.dispatch(finding)?;
            let (_, within) =
                cited.one(|e| e.entry == dispatch.entry && matches!(e.kind, Kind::Callback(_)))?;
            if within.kind == Kind::Callback(Callback::VmStart) {
                return Some(within.marks.has(Marks::UNFINISHED));
            }
            let (_, deleted) = cited.callback(Callback::Delete)?;
            let is_first = |e: &Event| e.is_dispatch() && e.call == within.call;
            let (_, first) = cited.one(is_first)?;
            let waited =
                cited.awaited(first) || cited.answer(dispatch).is_some_and(|(_, a)| cited.touch(a));
            let severity = if waited { Severity::Lost } else { Severity::Note };
            Some(
                first.order() < deleted.order()
                    && deleted.order() < within.order()
                    && finding.severity == severity,
            )
        })(),
        "memory-growth" => (|| {
            let (first, last) = finding.memory.first().zip(finding.memory.last())?;
            let streams = finding.memory.windows(2).map(|pair| pair[1].streams - pair[0].streams);
            let windows = streams.clone().min()? * 2 > streams.max()?;
            let grows = finding.memory.windows(2).all(|pair| pair[0].pages < pair[1].pages);
            Some(windows && grows && finding.memory.len() == 5 && last.pages - first.pages >= 64)
        })(),
        "wrong-context" if matches!(finding.subject, Subject::Direction(_)) => (|| {
            let (_, act) = cited.one(|e| e.decides() && e.result == 0)?;
            let is_root = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.is_on_root());
            let (_, within) = cited.one(|e| is_root(e) && e.entry == act.entry)?;
            let is_stop = |e: &&Event| matches!(e.kind, Kind::Callback(c) if c.phase().is_some());
            let stop = cited.0.iter().filter(is_stop).max_by_key(|e| e.order())?;
            let after = stop.order() < within.order() && stop.context != act.context;
            Some(
                after
                    && act.context == within.context
                    && cited.held_until(finding, cited.ended_by(finding)),
            )
        })(),
        "wrong-context" => (|| {
            let (_, dispatch) = cited.dispatch(finding)?;
            let (at, answer) = cited.answer(dispatch)?;
            let decides = [Hostcall::ContinueStream, Hostcall::SendLocalResponse];
            let (_, act) = cited.one(|e| decides.iter().any(|h| e.kind == Kind::Hostcall(*h)))?;
            let switch = Kind::Hostcall(Hostcall::SetEffectiveContext);
            let away = |e: &Event| e.result == 0 && e.arg(0) != answer.context.0;
            let switched = cited.0[at..].iter().any(|e| e.kind == switch && away(e));
            Some(act.entry == answer.entry && act.result == 0 && !switched)
        })(),
        "local-reply-too-late" => (|| {
            let reply = Kind::Hostcall(Hostcall::SendLocalResponse);
            let (_, reply) = cited.one(|e| e.kind == reply && e.result == 0)?;
            let gone = |e: &Event| match e.kind {
                Kind::Callback(Callback::ResponseHeaders | Callback::ResponseBody) => e.result == 0,
                Kind::Hostcall(Hostcall::ContinueStream) => e.arg(0) == 1,
                _ => false,
            };
            let (_, gone) = cited.one(gone)?;
            Some(gone.order() < reply.order() && gone.entry != reply.entry)
        })(),
        "duplicate-completion" => {
            let replies = |e: &&Event| e.kind == Kind::Hostcall(Hostcall::SendLocalResponse);
            let accepted = cited.0.len() == 2 && cited.0.iter().all(|e| e.result == 0);
            let of_one = cited.0.windows(2).all(|pair| {
                let [first, second] = pair else { return false };
                first.entry == second.entry
                    && first.kind == second.kind
                    && first.arg(0) == second.arg(0)
            });
            let count = cited.0.iter().filter(replies).count();
            let severity = match cited.0.first().filter(replies) {
                Some(_) if count == 1 => Severity::Note,
                None if count == 0 && of_one => Severity::Note,
                None if count == 0 => return false,
                _ => Severity::Failed,
            };
            Some(accepted && finding.severity == severity)
        }
        "payload-too-large" => cited.one(|e| e.result != 0).map(|_| true),
        "recovered-panic-continue" => (|| {
            let said = |e: &Event| e.text_lossy().contains("recovered from panic");
            let (_, line) = cited.one(said)?;
            let (_, phase) = cited.one(|e| matches!(e.kind, Kind::Callback(_)) && e.result == 0)?;
            Some(line.entry == phase.entry)
        })(),
        "released-by-body-continue" => let_go(finding, cited, |dispatch| {
            let (_, phase) = cited.one(|e| {
                let is_phase = matches!(e.kind, Kind::Callback(c) if c.phase().is_some_and(|p| !p.is_headers()));
                is_phase && e.result == 0
            })?;
            Some(phase.entry > dispatch.entry && cited.awaited(dispatch)).filter(|so| *so)?;
            Some(phase)
        }),
        "resumed-with-calls-outstanding" => let_go(finding, cited, |dispatch| {
            let resume = Kind::Hostcall(Hostcall::ContinueStream);
            let is_other = |e: &Event| {
                let is_response = matches!(e.kind, Kind::Callback(c) if c.is_response());
                is_response && e.call != dispatch.call && e.entry > dispatch.entry
            };
            let (_, other) = cited.one(is_other)?;
            let (_, by) =
                cited.one(|e| e.kind == resume && e.result == 0 && e.entry == other.entry)?;
            cited.awaited(dispatch).then_some(by)
        }),
        "dispatch-at-end" => (|| {
            let (_, dispatch) = cited.dispatch(finding)?;
            cited.one(|e| e.entry == dispatch.entry && e.is_end())?;
            let (_, answer) = cited.answer(dispatch)?;
            Some(finding.severity == Severity::Lost && cited.touch(answer))
        })(),
        "client-gone-while-waiting" => (|| {
            let (_, dispatch) = cited.dispatch(finding)?;
            let to = cited.ended_by(finding);
            let ended = cited.at(to)?;
            let deleted = cited.callback(Callback::Delete).map(|(_, e)| e.order());
            let (late, out) = match cited.answer(dispatch) {
                Some((_, e)) => (deleted.is_some_and(|d| d < e.order()), ended.order() < e.order()),
                None => (false, cited.no_answer(finding, dispatch, Some(ended))),
            };
            // An upgraded connection is shown by the response that made it one.
            let upgraded = cited.callback(Callback::ResponseHeaders).filter(|(_, e)| e.result == 0);
            let severity = match (upgraded, late) {
                (Some((_, response)), _) if response.order() < ended.order() => Severity::Note,
                (_, true) => Severity::Lost,
                (_, false) => Severity::Failed,
            };
            Some(
                ended.is_end()
                    && out
                    && cited.held_until(finding, to)
                    && finding.severity == severity,
            )
        })(),
        "continue-with-call-outstanding" => let_go(finding, cited, |dispatch| {
            let is_phase = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.phase().is_some());
            let went = |e: &Event| is_phase(e) && e.result == 0 && e.entry == dispatch.entry;
            let (_, phase) = cited.one(went)?;
            let answer = cited.answer(dispatch).map(|(_, answer)| answer);
            let touched = answer.is_some_and(|answer| cited.touch(answer));
            // A later phase stopped while it was out.
            let waits = |e: &Event| is_phase(e) && e.result != 0 && e.entry > dispatch.entry;
            let awaited = cited
                .one(waits)
                .is_some_and(|(_, stop)| answer.is_none_or(|answer| stop.order() < answer.order()));
            (touched || awaited).then_some(phase)
        }),
        "vm-trap-collateral" => trapped(finding, cited),
        "filter-order-expectation" => (|| {
            let (ended, end) = cited.one(Event::is_end)?;
            let reply = Kind::Hostcall(Hostcall::SendLocalResponse);
            let kept = match cited.one(|e| e.kind == reply && e.result == 0) {
                Some((at, _)) => at < ended,
                None => cited.held_until(finding, Some(end.sequence)),
            };
            Some(kept && !finding.timelines.is_empty())
        })(),
        "host-dialect-mismatch" => {
            let is_root = cited.0.iter().any(|e| e.kind == Kind::Callback(Callback::ContextCreate));
            let unimplemented = |e: &Event| matches!(e.kind, Kind::Hostcall(_)) && e.result == 12;
            let unknown = |e: &Event| match e.kind {
                Kind::Callback(Callback::RequestHeaders | Callback::ResponseHeaders) => {
                    e.result > 4 || e.result == 2 && e.arg(1) == 0
                }
                Kind::Callback(Callback::RequestBody | Callback::ResponseBody) => e.result > 3,
                Kind::Callback(c) => c.phase().is_some() && e.result > 1,
                _ => false,
            };
            let severity = if is_root { Severity::Race } else { Severity::Failed };
            let holds = is_root || cited.one(|e| unimplemented(e) || unknown(e)).is_some();
            Some(holds && finding.severity == severity)
        }
        "slow-callback" => (|| {
            let slow = cited.0.iter().filter(|e| matches!(e.kind, Kind::Callback(_)));
            let (mut sum, mut most) = (0, 0);
            for event in slow.clone().filter(|e| e.took.0 >= 1_000) {
                (sum, most) = (sum + event.took.0, most.max(event.took.0));
            }
            let severity = if most >= 1_000_000 { Severity::Failed } else { Severity::Note };
            let of_its_life = || {
                let (_, delete) = cited.callback(Callback::Delete)?;
                let begun = cited.0.iter().map(|e| e.at.0).min()?;
                Some(sum >= 50_000 && 2 * sum >= delete.at.0 + delete.took.0 - begun)
            };
            let is_slow = most >= 50_000 || of_its_life()?;
            Some(is_slow && finding.severity == severity)
        })(),
        other => panic!("no independent check of {other}: add one"),
    };
    holds == Some(true)
}

/// A phase so stopped, was held to the end, and no call was out that could bring it on: there was none, or
/// each was refused or answered before.
fn stopped(finding: &Finding, cited: &Cited, so: impl Fn(&Event) -> bool) -> Option<bool> {
    let to = cited.ended_by(finding);
    let is_stop = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.phase().is_some()) && so(e);
    let stops = cited.0.iter().filter(|e| is_stop(e) && e.result != 0);
    let stop = stops.max_by_key(|e| e.order())?;
    let mut dispatches = cited.0.iter().filter(|e| e.is_dispatch()).peekable();
    let no_call = match dispatches.peek() {
        Some(_) => dispatches.all(|e| {
            let answered = || cited.answer(e).is_some_and(|(_, a)| a.order() < stop.order());
            e.result != 0 || answered()
        }),
        None => {
            cited.none(finding, cited.0.first()?, cited.at(to), Kind::Hostcall(Hostcall::HttpCall))
        }
    };
    Some(no_call && cited.held_until(finding, to))
}

/// The call was dispatched, and its response callback says that it failed so.
fn failed(finding: &Finding, cited: &Cited, so: impl Fn(&Event) -> bool) -> Option<bool> {
    let (_, dispatch) = cited.dispatch(finding)?;
    let (_, answer) = cited.answer(dispatch)?;
    Some(so(answer))
}

/// The call's response callback says of a failure, something was asked for in vain in it, and it came to
/// nothing or did not return; one that did not return may also have asked for what was gone.
fn unhandled(finding: &Finding, cited: &Cited) -> Option<bool> {
    let reads = [
        Hostcall::GetHeaderMapValue,
        Hostcall::GetHeaderMapPairs,
        Hostcall::GetHeaderMapSize,
        Hostcall::GetBufferBytes,
        Hostcall::GetBufferStatus,
    ];
    let is_failure = |e: &Event| match e.kind {
        Kind::Callback(Callback::HttpCallResponse) => e.arg(4) == 3 || e.arg(3) >= 500,
        _ => e.arg(0) != 0,
    };
    let asked = |within: &Event, refused: bool| {
        cited.one(|e| {
            let is_read = reads.iter().any(|h| e.kind == Kind::Hostcall(*h));
            is_read && e.entry == within.entry && (e.result != 0 || !refused)
        })
    };
    if let Some((_, trap)) = cited.one(|e| e.marks.has(Marks::UNFINISHED) && e.result == 0) {
        let told = is_failure(trap) || asked(trap, true).is_some();
        return Some(told && finding.severity == Severity::Lost);
    }
    let (_, dispatch) = cited.dispatch(finding)?;
    let (_, answer) = cited.answer(dispatch)?;
    let in_vain = is_failure(answer) && asked(answer, false).is_some();
    Some(in_vain && stuck(finding, cited)?)
}

/// A stop by number 1 in headers that do not end the direction may leave the body to come, unless the plugin's
/// other streams have shown what the host makes of it.
fn hangs(finding: &Finding, cited: &Cited) -> bool {
    let is_open = |e: &Event| {
        let is_headers =
            matches!(e.kind, Kind::Callback(c) if c.phase().is_some_and(|p| p.is_headers()));
        is_headers && e.result == 1 && e.arg(1) == 0
    };
    match finding.severity {
        Severity::Hung => true,
        severity => severity == Severity::Note && cited.one(is_open).is_some(),
    }
}

/// Something did not return; if that was not the stream's own, the stream was there until then, held
/// and waiting for a call as the severity says.
fn trapped(finding: &Finding, cited: &Cited) -> Option<bool> {
    let (at, trap) = cited.one(|e| e.marks.has(Marks::UNFINISHED) && e.result == 0)?;
    let before = &cited.0[..at];
    let Some(last) = before.iter().rfind(|e| matches!(e.kind, Kind::Callback(_))) else {
        return Some(finding.severity == Severity::Lost && finding.evidence.windows.is_empty());
    };
    let alive = [Callback::Log, Callback::Delete]
        .into_iter()
        .all(|c| cited.none(finding, last, Some(trap), Kind::Callback(c)));
    let mut dispatches = before.iter().filter(|e| e.is_dispatch());
    let waits = dispatches.any(|d| cited.no_answer(finding, d, Some(trap)));
    let expected = match (cited.held_until(finding, Some(trap.sequence)), waits) {
        (true, true) => Severity::Lost,
        (true, false) => Severity::Hung,
        (false, _) => Severity::Failed,
    };
    Some(alive && finding.severity == expected)
}

/// Something let the stream go while the call was out, and the severity says when its answer came.
fn let_go<'a>(
    finding: &Finding,
    cited: &'a Cited,
    by: impl Fn(&Event) -> Option<&'a Event>,
) -> Option<bool> {
    let (_, dispatch) = cited.dispatch(finding)?;
    let by = by(dispatch)?;
    let deleted = cited.callback(Callback::Delete).map(|(_, e)| e);
    let response = cited.callback(Callback::ResponseHeaders).map(|(_, e)| e);
    let Some((_, answer)) = cited.answer(dispatch) else {
        let lost = deleted.is_some_and(|d| cited.no_answer(finding, dispatch, Some(d)));
        let severity = if lost { Severity::Lost } else { Severity::Race };
        return Some(finding.severity == severity);
    };
    let first = |a: Option<&Event>| a.is_some_and(|a| a.order() < answer.order());
    let none = |from, kind| cited.none(finding, from, Some(answer), Kind::Callback(kind));
    let alive =
        |from| deleted.is_some_and(|d| d.order() > answer.order()) || none(from, Callback::Delete);
    let severity = match response {
        _ if first(deleted) && cited.idle(answer) => Severity::Note,
        _ if first(deleted) => Severity::Lost,
        Some(response) if first(Some(response)) && alive(response) => {
            if !cited.touch(answer) {
                return None;
            }
            Severity::Failed
        }
        None if !none(dispatch, Callback::Delete) => return None,
        _ if cited.refused(answer) => Severity::Failed,
        _ => Severity::Race,
    };
    Some(by.order() < answer.order() && finding.severity == severity)
}

fn late(finding: &Finding, cited: &Cited) -> Option<bool> {
    let (_, dispatch) = cited.dispatch(finding)?;
    let (answered, callback) = cited.answer(dispatch)?;
    let (deleted, _) = cited.callback(Callback::Delete)?;
    let reply = cited.one(|e| e.kind == Kind::Hostcall(Hostcall::SendLocalResponse));
    let replied = reply.is_some_and(|(at, e)| at < deleted && e.entry != callback.entry);
    // The response that made a tunnel of the stream, before what waits for the call.
    let is_before = |(_, e): (usize, &Event)| e.entry < dispatch.entry;
    let upgraded = cited.callback(Callback::ResponseHeaders).is_some_and(is_before);
    let is_resume = |e: &Event| e.kind == Kind::Hostcall(Hostcall::ContinueStream);
    let resumed = cited.one(|e| is_resume(e) && e.entry != callback.entry);
    let spare = resumed.is_some_and(|(at, _)| at < deleted) && cited.idle(callback);
    // A deadline of the plugin's own: the root resumed the stream.
    let of_root = |e: &Event| e.context == callback.context && e.entry != callback.entry;
    let given_up = resumed.is_some_and(|(at, resume)| at < deleted && of_root(resume));
    let is_note = replied || upgraded || spare || given_up;
    let severity = if is_note { Severity::Note } else { Severity::Lost };
    Some(deleted < answered && finding.severity == severity)
}

fn response_while_held(finding: &Finding, cited: &Cited) -> Option<bool> {
    let (at, response) = cited.callback(Callback::ResponseHeaders)?;
    let deleted = cited.callback(Callback::Delete);
    let dispatches: Vec<&Event> =
        cited.0[..at].iter().filter(|e| e.is_dispatch() && e.result == 0).collect();
    let mut severity = Severity::Note;
    for dispatch in dispatches {
        let (was_out, is_lost) = match (cited.answer(dispatch), deleted) {
            (Some((answered, _)), Some((deleted, _))) => (at < answered, deleted < answered),
            (Some((answered, _)), None) => (at < answered, false),
            (None, Some((_, deleted))) => (cited.no_answer(finding, dispatch, Some(deleted)), true),
            (None, None) => (cited.no_answer(finding, dispatch, Some(response)), false),
        };
        if !was_out {
            return Some(false);
        }
        severity = severity.max(if is_lost { Severity::Lost } else { Severity::Failed });
    }
    Some(cited.held_until(finding, Some(response.sequence)) && severity == finding.severity)
}

fn stuck(finding: &Finding, cited: &Cited) -> Option<bool> {
    let (_, dispatch) = cited.dispatch(finding)?;
    let (_, answer) = cited.answer(dispatch)?;
    let all_answered =
        cited.0.iter().all(|e| !e.is_dispatch() || e.result != 0 || cited.answer(e).is_some());
    let end = finding.evidence.windows.first()?.to;
    let to = end.and_then(|to| cited.one(|e| e.sequence == to)).map(|(_, e)| e);
    let is_request = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.phase().is_some_and(|p| p.direction() == Direction::Request));
    let held = u32::from(cited.one(|e| e.result != 0 && is_request(e)).is_none());
    let none = [Hostcall::ContinueStream, Hostcall::SendLocalResponse, Hostcall::HttpCall]
        .into_iter()
        .all(|h| {
            // What is cited of the kind was in vain: refused, or a resume of the other direction.
            let in_vain =
                |e: &Event| e.kind == Kind::Hostcall(h) && (e.result != 0 || e.arg(0) != held);
            cited.none(finding, answer, to, Kind::Hostcall(h)) || cited.one(in_vain).is_some()
        });
    let none = none && hangs(finding, cited);
    Some(all_answered && none && to.map(|e| e.sequence) == end && cited.held_until(finding, end))
}
