//! The rows: what is asked of which plugin, and what must be found.

use std::time::Duration;

use super::Finds::{Always, ByHost};
use super::subjects::{
    CPP, GO, GO_FIXED, GO_FORGETS, GO_NOWHERE, MISUSE, RUST, RUST_EMPTY, RUST_FIXED, RUST_FORGETS,
    RUST_IMPATIENT, RUST_NOWHERE,
};
use super::{Expected, PATIENCE, Row, Subject};
use crate::client::Request;

pub(super) const NOTHING: Expected = &[];

/// The stream ended before the response callback: the cause, and the two facts that support it.
pub(super) const LOST: Expected = &[
    ("headers-forwarded-before-body-call", "lost"),
    ("late-callback", "lost"),
    ("response-while-request-held", "lost"),
];
pub(super) const RACE: Expected = &[("headers-forwarded-before-body-call", "race")];
const FORGOTTEN: Expected =
    &[("callback-ran-no-resume", "hung"), ("headers-forwarded-before-body-call", "race")];
pub(super) const STARVES: Expected = &[("header-pause-starves-body", "hung")];
pub(super) const REJECTED: Expected = &[("dispatch-rejected", "failed")];
pub(super) const TIMEOUT: Expected = &[("call-timeout", "failed")];
const BROKEN: Expected = &[("call-connect-failure", "failed")];
pub(super) const UNANSWERED: Expected = &[("paused-without-pending-call", "hung")];

pub(super) fn get(path: &str) -> Request {
    Request::get(path).patience(PATIENCE)
}

pub(super) fn post(path: &str) -> Request {
    Request::post(path, "some text").patience(PATIENCE)
}

fn large(path: &str) -> Request {
    Request::post(path, vec![b'x'; 3 << 20]).patience(PATIENCE)
}

/// Its body comes when a call of a second has been answered.
fn slow(path: &str) -> Request {
    post(path).holds_back(9, Some(Duration::from_millis(2200)))
}

/// The second half of its body never comes.
fn endless(path: &str) -> Request {
    post(path).holds_back(5, None)
}

/// Found on both kinds of host.
pub(super) const fn row(
    label: &'static str,
    subject: &'static Subject,
    request: fn() -> Request,
    expected: Expected,
) -> Row {
    Row { label, subject, request, finds: Always(expected), if_denied: None }
}

/// Found where the body phase is called while the headers are held, and where it is not.
pub(super) const fn by_host(
    label: &'static str,
    subject: &'static Subject,
    request: fn() -> Request,
    calls_body: Expected,
    holds_all: Expected,
) -> Row {
    Row { label, subject, request, finds: ByHost { calls_body, holds_all }, if_denied: None }
}

/// Those of the older plugins. Beside each misuse stands what looks like it and is none.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row("nothing", &MISUSE, || get("/patient?misuse=nothing"), NOTHING),
    row("nothing-with-a-body", &MISUSE, || post("/patient?misuse=nothing"), NOTHING),
    // Headers held for a body that the host holds back, or that there is not.
    by_host("waits-for-body", &MISUSE, || post("/patient?misuse=wait-for-body"), NOTHING, STARVES),
    row("waits-for-no-body", &MISUSE, || get("/patient?misuse=wait-for-body"),
        &[("waiting-for-body-that-cannot-come", "hung")]),
    row("ignores-refusal", &MISUSE, || get("/patient?misuse=ignore-refusal"),
        &[("paused-without-pending-call", "hung"), ("dispatch-rejected", "failed")]),
    row("stops-at-end", &MISUSE, || post("/patient?misuse=stop-at-end"), UNANSWERED),
    // Without a body there is no such phase.
    row("stops-at-no-end", &MISUSE, || get("/patient?misuse=stop-at-end"), NOTHING),
    row("stops-own-answer", &MISUSE, || get("/patient?misuse=stop-own-answer"),
        &[("own-local-reply-paused", "hung")]),
    row("answers-late", &MISUSE, || get("/patient?misuse=answer-late").may_break_off(),
        &[("local-reply-too-late", "failed")]),
    row("resumes-and-denies", &MISUSE, || get("/patient?misuse=resume-and-deny"),
        &[("duplicate-completion", "failed")]),
    row("resumes-the-root", &MISUSE, || get("/patient?misuse=wrong-context"),
        &[("wrong-context", "hung")]),
    // A body that is gathered beyond the buffer, and the same body, not gathered.
    row("gathers-too-much", &MISUSE, || large("/patient?misuse=stop-at-end"),
        &[("payload-too-large", "failed"), ("response-while-request-held", "note")]),
    // The same with an answer under which the host stops reading: so is the end never read.
    row("waits-for-more-than-is-read", &CPP, || large("/patient?gather=watermark"),
        &[("watermark-deadlock", "hung")]),
    row("waits-for-what-is-read", &CPP, || post("/patient?gather=watermark"), NOTHING),
    row("passes-much-on", &MISUSE, || large("/patient"), NOTHING),
    // A number that a stock host takes for Continue, where there is something that it lets go on.
    row("ends-stream-in-vain", &CPP, || post("/patient?answer=2"),
        &[("host-dialect-mismatch", "failed")]),
    row("ends-stream-that-ends", &CPP, || get("/patient?answer=2"), NOTHING),
    // A call that the body phase does not wait for. Where everything is held it comes after the resume.
    by_host("body-goes-on", &MISUSE, || post("/patient?misuse=body-goes-on"),
        &[("released-by-body-continue", "lost"), ("late-callback", "lost")], NOTHING),
    row("no-body-goes-on", &MISUSE, || get("/patient?misuse=body-goes-on"), NOTHING),
    // Two calls, and the first or the second answer resumes.
    row("first-answer", &MISUSE, || get("/patient?misuse=first-answer"),
        &[("resumed-with-calls-outstanding", "lost"), ("late-callback", "lost")]),
    row("both-answers", &MISUSE, || get("/patient?misuse=both-answers"), NOTHING),
    // A call that nobody waited for: it denies, or only tells.
    row("denies-unasked", &MISUSE, || get("/silent?misuse=deny-unasked"),
        &[("continue-with-call-outstanding", "race")]),
    row("tells", &MISUSE, || get("/patient?misuse=tell"), NOTHING),
    // A client that does not wait so long.
    row("client-leaves", &MISUSE, || get("/patient?misuse=wait"),
        &[("client-gone-while-waiting", "lost"), ("late-callback", "lost")]),
    row("client-stays", &MISUSE, || get("/patient?misuse=wait").patience(PATIENCE * 4), NOTHING),
    // The same, and the response callback makes another call for it.
    row("chains-for-nobody", &CPP, || get("/patient?chain=after-4000"),
        &[("client-gone-while-waiting", "lost"), ("dispatch-from-dead-context", "lost"), ("late-callback", "lost")]),
    row("chains", &CPP, || get("/patient?chain=after-50"), NOTHING),
    // A client that is slow with its body, or never sends all of it, and an upstream that is away: the
    // plugin does not hang the request, unless its host keeps back from it what comes.
    row("client-is-slow", &MISUSE, || slow("/patient?misuse=body-goes-on"), NOTHING),
    row("client-is-slow-and-nobody-waits", &MISUSE, || slow("/patient?misuse=tell"), NOTHING),
    row("client-never-ends", &MISUSE, || endless("/patient?misuse=nothing"), NOTHING),
    by_host("client-never-ends-what-is-gathered", &RUST_FIXED, || endless("/patient"),
        NOTHING, STARVES),
    row("client-never-ends-what-is-called-for", &RUST, || endless("/patient"), NOTHING),
    row("go-client-never-ends-what-is-called-for", &GO, || endless("/patient"), NOTHING),
    row("upstream-is-silent", &MISUSE, || post("/silent?misuse=nothing"), NOTHING),
    row("upstream-closes", &MISUSE, || post("/close?misuse=nothing"), NOTHING),
    row("upstream-closes-after-the-call", &MISUSE, || get("/close?misuse=both-answers"), NOTHING),
    // A call when the stream has ended, which is to decide something, or only tells.
    row("denies-at-end", &CPP, || get("/patient?end=after-50"),
        &[("dispatch-at-end", "lost"), ("late-callback", "lost")]),
    row("calls-at-end", &MISUSE, || get("/patient?misuse=call-at-end"), NOTHING),
    // A plugin that holds its worker.
    row("computes", &MISUSE, || get("/patient?misuse=compute"), &[("slow-callback", "note")]),
    // A call that breaks off, and a callback that relies on its answer, or does not.
    row("reads-nothing", &MISUSE, || get("/patient?misuse=read-nothing"),
        &[("callback-failure-unhandled", "hung")]),
    row("checks-first", &MISUSE, || get("/patient?misuse=check-first"), BROKEN),
    // The case of the report.
    row("rust-upstream-answers-early", &RUST,
        || post("/early-400?callee=after-2000"), LOST),
    row("rust-upstream-lets-in", &RUST,
        || post("/early-200?callee=after-2000,status-403"), LOST),
    row("rust-upstream-closes", &RUST, || post("/close?callee=after-2000"), LOST),
    row("rust-upstream-is-patient", &RUST, || post("/patient?callee=after-50"), RACE),
    row("rust-has-no-body", &RUST, || get("/patient?callee=after-50"), NOTHING),
    row("go-upstream-answers-early", &GO, || post("/early-400?callee=after-2000"), LOST),
    row("go-upstream-lets-in", &GO, || post("/early-200?callee=after-2000,status-403"), LOST),
    row("go-upstream-closes", &GO, || post("/close?callee=after-2000"), LOST),
    row("go-upstream-is-patient", &GO, || post("/patient?callee=after-50"), RACE),
    row("go-has-no-body", &GO, || get("/patient?callee=after-50"), NOTHING),
    // Its fix, which needs a host that calls the body phase.
    by_host("rust-fixed-lets-through", &RUST_FIXED, || post("/early-200?callee=after-50"),
        NOTHING, STARVES),
    by_host("rust-fixed-denies", &RUST_FIXED, || post("/early-200?callee=status-403"),
        NOTHING, STARVES),
    row("rust-fixed-has-no-body", &RUST_FIXED, || get("/patient"), NOTHING),
    by_host("go-fixed-lets-through", &GO_FIXED, || post("/early-200?callee=after-50"),
        NOTHING, STARVES),
    by_host("go-fixed-denies", &GO_FIXED, || post("/early-200?callee=status-403"),
        NOTHING, STARVES),
    row("go-fixed-has-no-body", &GO_FIXED, || get("/patient"), NOTHING),
    // Nobody resumes.
    row("rust-forgets", &RUST_FORGETS, || post("/patient?callee=after-10"), FORGOTTEN),
    row("go-forgets", &GO_FORGETS, || post("/patient?callee=after-10"), FORGOTTEN),
    // Calls that are refused, or fail. An answer of the callee's own is no failure.
    row("rust-calls-nowhere", &RUST_NOWHERE, || post("/patient"), REJECTED),
    row("go-calls-nowhere", &GO_NOWHERE, || post("/patient"), REJECTED),
    by_host("callee-is-not-there", &RUST_EMPTY, || post("/patient"),
        &[("dispatch-failed-inline", "failed")], STARVES),
    by_host("callee-is-silent", &RUST_IMPATIENT, || post("/patient?callee=never"),
        TIMEOUT, STARVES),
    by_host("callee-closes", &RUST_IMPATIENT, || post("/patient?callee=refuse"), BROKEN, STARVES),
    by_host("callee-resets", &RUST_IMPATIENT, || post("/patient?callee=reset"), BROKEN, STARVES),
    by_host("callee-is-unwell", &RUST_IMPATIENT, || post("/patient?callee=status-503"),
        NOTHING, STARVES),
    by_host("callee-gave-up", &RUST_IMPATIENT, || post("/patient?callee=status-504"),
        NOTHING, STARVES),
];
