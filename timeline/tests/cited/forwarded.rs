//! The claim of `headers-forwarded-before-body-call`, computed again from what it cites.

use abi::{Callback, Hostcall, Kind};
use timeline::event::Event;
use timeline::finding::{Finding, Severity};

use super::Cited;

/// Had the headers gone before the call was dispatched, and does the severity say what became of it?
pub fn forwarded(finding: &Finding, cited: &Cited) -> Option<bool> {
    let (went, gone) = cited.one(|e| {
        let headers = [Callback::RequestHeaders, Callback::ResponseHeaders];
        let continued =
            matches!(e.kind, Kind::Callback(c) if headers.contains(&c)) && e.result == 0;
        continued || e.kind == Kind::Hostcall(Hostcall::ContinueStream)
    })?;
    let (out, dispatch) = cited.stopped_dispatch(finding)?;
    Some(went < out && severity_of_forwarded(finding, cited, gone, dispatch)? == finding.severity)
}

/// None: what is cited proves no severity.
fn severity_of_forwarded(
    finding: &Finding,
    cited: &Cited,
    gone: &Event,
    dispatch: &Event,
) -> Option<Severity> {
    let answer = cited.answer(dispatch);
    let deleted = cited.callback(Callback::Delete);
    let response = cited.callback(Callback::ResponseHeaders);
    if gone.kind == Kind::Callback(Callback::ResponseHeaders) {
        let reply = cited.one(|e| e.kind == Kind::Hostcall(Hostcall::SendLocalResponse));
        let late =
            deleted.zip(answer).is_some_and(|((deleted, _), (answered, _))| deleted < answered);
        return Some(match (reply.is_some(), late) {
            (true, _) => Severity::Failed,
            (false, true) => Severity::Lost,
            (false, false) => Severity::Note,
        });
    }
    let first = [Callback::ResponseHeaders, Callback::Log, Callback::Delete]
        .into_iter()
        .find_map(|c| cited.callback(c));
    let held = || first.is_some_and(|(_, e)| cited.held_until(finding, Some(e.sequence)));
    match (deleted, answer) {
        (Some((deleted, _)), Some((answered, _))) if deleted < answered && held() => {
            return Some(Severity::Lost);
        }
        (Some((_, deleted)), None)
            if cited.no_answer(finding, dispatch, Some(deleted)) && held() =>
        {
            return Some(Severity::Lost);
        }
        _ => {}
    }
    let kept = |response: &Event| match response.result {
        0 => Severity::Failed,
        _ => Severity::Note,
    };
    let none =
        |from: &Event, to: Option<&Event>, c| cited.none(finding, from, to, Kind::Callback(c));
    match (response, answer) {
        (Some((response_at, response)), Some((answered, callback))) if response_at < answered => {
            let alive = deleted.is_some_and(|(deleted, _)| answered < deleted)
                || none(response, Some(callback), Callback::Delete);
            (held() && alive).then(|| kept(response))
        }
        (Some((_, response)), None) => {
            (held() && cited.no_answer(finding, dispatch, None)).then(|| kept(response))
        }
        (Some(_), Some(_)) | (None, None) => Some(Severity::Race),
        (None, Some((_, callback))) => {
            none(dispatch, Some(callback), Callback::ResponseHeaders).then_some(Severity::Race)
        }
    }
}
