//! The rows of `examples/go/misuse`: what people do wrong with the Higress SDK, and what they meant. The
//! module has the marker of Higress, renamed for the stock host.

use super::rows::{
    LOST, NOTHING, RACE, REJECTED, STARVES, TIMEOUT, UNANSWERED, by_host, get, post, row,
};
use super::subjects::MISUSE_GO;
use super::{Expected, Row};
use crate::client::Request;

const RELEASED: Expected = &[("released-by-body-continue", "lost"), ("late-callback", "lost")];
const NO_CALL: Expected =
    &[("paused-without-pending-call", "hung"), ("dispatch-rejected", "failed")];
const NO_HOSTCALL: Expected = &[("host-dialect-mismatch", "failed")];
const NO_BODY: Expected = &[("waiting-for-body-that-cannot-come", "hung")];
const NO_RESUME: Expected = &[("callback-ran-no-resume", "hung")];
const PANIC: Expected = &[("recovered-panic-continue", "failed")];
const TWICE: Expected = &[("duplicate-completion", "failed")];
const ONCE_TOO_OFTEN: Expected = &[("duplicate-completion", "note")];
const REFUSED: Expected = &[("continue-with-call-outstanding", "failed")];
const UNASKED: Expected = &[("continue-with-call-outstanding", "race")];
const NOTED: Expected = &[("headers-forwarded-before-body-call", "note")];

/// Found on both kinds of host.
const fn go(label: &'static str, request: fn() -> Request, expected: Expected) -> Row {
    row(label, &MISUSE_GO, request, expected)
}

/// Found where the body phase is called while the headers are held, and where it is not.
const fn go_by_host(
    label: &'static str,
    request: fn() -> Request,
    calls_body: Expected,
    holds_all: Expected,
) -> Row {
    by_host(label, &MISUSE_GO, request, calls_body, holds_all)
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    // Without a body handler the wrapper answers Continue for it.
    go_by_host("go-no-body-handler", || post("/patient?misuse=no-body-handler&callee=after-1000"),
        RELEASED, NOTHING),
    go("go-no-body-handler-no-body", || get("/patient?misuse=no-body-handler&callee=after-1000"), NOTHING),
    go("go-holds-all", || post("/patient?misuse=hold-all&callee=after-1000"), NOTHING),
    go("go-holds-all-denies", || post("/patient?misuse=hold-all&callee=status-401"), NOTHING),
    // Errors of dispatches.
    go("go-ignores-error", || get("/patient?misuse=ignore-error"), NO_CALL),
    go("go-denies-on-error", || get("/patient?misuse=deny-on-error"), REJECTED),
    go("go-passes-on-error", || get("/patient?misuse=pass-on-error"), REJECTED),
    go("go-redis", || get("/patient?misuse=redis"), NO_CALL),
    go("go-redis-passes-on-error", || get("/patient?misuse=redis-pass-on-error"), REJECTED),
    // What a stock host has not.
    go("go-chooses-host", || get("/patient?misuse=choose-host"), NO_HOSTCALL),
    // Bodies that are waited for.
    go("go-awaits-no-body", || get("/patient?misuse=await-body"), NO_BODY),
    go_by_host("go-awaits-body", || post("/patient?misuse=await-body"), NOTHING, STARVES),
    go("go-awaits-body-if-any", || get("/patient?misuse=await-body-if-any"), NOTHING),
    // Timeouts.
    go("go-default-timeout", || get("/patient?misuse=default-timeout&callee=after-2000"), TIMEOUT),
    go("go-default-timeout-suffices", || get("/patient?misuse=default-timeout&callee=after-50"), NOTHING)
        .if_denied(TIMEOUT),
    go("go-no-timeout", || get("/patient?misuse=no-timeout&callee=after-4000"),
        &[("client-gone-while-waiting", "lost"), ("late-callback", "lost")]),
    go("go-no-timeout-needed", || get("/patient?misuse=no-timeout&callee=after-50"), NOTHING),
    // Calls that nobody waits for.
    go("go-denies-unasked", || get("/silent?misuse=deny-unasked&callee=status-500"), UNASKED),
    go("go-tells", || get("/patient?misuse=tell"), NOTHING),
    go("go-tells-slowly", || get("/patient?misuse=tell&callee=after-1000"), NOTHING),
    go("go-names-when-gone", || get("/silent?misuse=name-when-gone&callee=after-50"), REFUSED),
    go("go-fills-cache", || get("/patient?misuse=fill-cache&callee=after-1000"), NOTHING),
    go("go-panics", || get("/patient?misuse=panic"), PANIC),
    go("go-handles", || get("/patient?misuse=handled"), NOTHING),
    // Callbacks.
    go("go-returns-early", || get("/patient?misuse=return-early&callee=status-500"), NO_RESUME),
    go("go-returns-early-or-not", || get("/patient?misuse=return-early"), NOTHING),
    go("go-enforces", || get("/patient?misuse=enforce&callee=status-500"), NOTHING),
    go("go-denies-and-resumes", || get("/patient?misuse=deny-and-resume&callee=status-500"), ONCE_TOO_OFTEN),
    go("go-resumes-without-denial", || get("/patient?misuse=deny-and-resume"), NOTHING),
    go("go-resumes-and-denies", || get("/patient?misuse=resume-and-deny&callee=status-500"), TWICE),
    go("go-resumes-twice", || get("/patient?misuse=resume-twice"), ONCE_TOO_OFTEN),
    go("go-denies-twice", || get("/patient?misuse=deny-twice"), TWICE),
    go("go-first-answer", || get("/patient?misuse=first-answer"),
        &[("resumed-with-calls-outstanding", "lost"), ("late-callback", "lost")]),
    go("go-joins", || get("/patient?misuse=join"), NOTHING),
    go("go-chains-to-nowhere", || get("/patient?misuse=chain-ignore-error"),
        &[("callback-ran-no-resume", "hung"), ("dispatch-rejected", "failed")]),
    go("go-chains", || get("/patient?misuse=chain"), NOTHING),
    go("go-retries", || get("/patient?misuse=retry&callee=status-500"), NOTHING),
    // Request bodies.
    go("go-calls-in-body", || post("/patient?misuse=call-in-body&callee=after-50"), RACE),
    go("go-calls-in-body-early", || post("/early-200?misuse=call-in-body&callee=after-2000,status-403"), LOST),
    go_by_host("go-calls-in-body-held", || post("/early-200?misuse=call-in-body-held&callee=after-1000"),
        NOTHING, STARVES),
    go("go-gathers", || post("/patient?misuse=gather"), NOTHING),
    go_by_host("go-transforms", || post("/patient?misuse=transform"), NOTHING, STARVES),
    go_by_host("go-transforms-in-callback", || post("/patient?misuse=transform-in-callback&callee=after-50"),
        NOTHING, STARVES),
    go("go-transforms-when-gone", || post("/silent?misuse=transform-when-gone&callee=after-50"), REFUSED),
    go("go-calls-ahead", || post("/patient?misuse=call-ahead&callee=after-50"), UNASKED),
    go("go-calls-ahead-early", || post("/early-200?misuse=call-ahead&callee=after-1000,status-403"),
        &[("continue-with-call-outstanding", "lost"), ("late-callback", "lost"),
            ("response-while-request-held", "lost")]),
    go("go-stops-after-answer", || post("/patient?misuse=stop-after-answer&callee=after-50"), UNANSWERED),
    go("go-denies-body", || post("/patient?misuse=deny-body&callee=after-50"), NOTHING),
    go("go-stops-at-end", || post("/patient?misuse=stop-at-end"), UNANSWERED),
    go("go-streams", || post("/patient?misuse=stream"), NOTHING),
    go("go-streams-and-decides", || post("/silent?misuse=stream-and-decide&callee=status-500"), UNASKED),
    go("go-streams-and-tells", || post("/patient?misuse=stream-and-tell"), NOTHING),
    go_by_host("go-panics-in-body", || post("/patient?misuse=panic-in-body"), PANIC, STARVES),
    // The way back.
    go("go-calls-in-response", || get("/patient?misuse=call-in-response&callee=after-50"), NOTHING),
    go("go-resumes-other-way", || get("/patient?misuse=resume-other-way"), NO_RESUME),
    go("go-calls-in-response-body", || get("/patient?misuse=call-in-response-body"), NOTED),
    go_by_host("go-calls-in-response-body-held", || get("/patient?misuse=call-in-response-body-held"),
        NOTHING, STARVES),
    go("go-answers-late", || get("/patient?misuse=answer-late").may_break_off(),
        &[("local-reply-too-late", "failed")]),
    go("go-answers-in-time", || get("/patient?misuse=answer-in-time"), NOTHING),
    go("go-stops-own-answer", || get("/patient?misuse=stop-own-answer"), &[("own-local-reply-paused", "hung")]),
    go("go-own-answer", || get("/patient?misuse=own-answer"), NOTHING),
    go("go-tells-of-response", || get("/patient?misuse=tell-of-response&callee=after-50"), NOTHING),
    go("go-calls-at-end", || get("/patient?misuse=call-at-end"), NOTHING),
];
