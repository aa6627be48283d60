//! The diagnoses the project knows: one line each.

use crate::diagnose::Diagnosis;
use crate::diagnoses::{
    callback_ran_no_resume::CallbackRanNoResume, dispatch_rejected::DispatchRejected,
    headers_forwarded_before_body_call::HeadersForwardedBeforeBodyCall,
    late_callback::LateCallback, response_while_request_held::ResponseWhileRequestHeld,
    waiting_on_call::WaitingOnCall,
};

/// All diagnoses, in the order of the documents: causes, then facts.
pub static DIAGNOSES: &[&dyn Diagnosis] = &[
    &HeadersForwardedBeforeBodyCall,
    &WaitingOnCall,
    &CallbackRanNoResume,
    &DispatchRejected,
    &LateCallback,
    &ResponseWhileRequestHeld,
];

/// Headings of every explanation, in this order.
pub const HEADINGS: [&str; 5] =
    ["What you see", "Why it happens", "How to be sure", "What to do", "What this cannot see"];

/// The same headings on the Chinese pages.
pub const HEADINGS_ZH: [&str; 5] = ["现象", "原因", "如何确认", "怎么办", "看不到什么"];

/// The diagnosis of a code.
pub fn find(code: &str) -> Option<&'static dyn Diagnosis> {
    DIAGNOSES.iter().copied().find(|d| d.code() == code)
}

/// The page of all diagnoses, in Markdown: `docs/diagnoses.md`.
pub fn document() -> String {
    let mut page = String::from(
        "# Diagnoses\n\nWhat the collector knows to explain. This page is generated from the \
         registry; the examples are the tests.\n\nSeverities, worst first: lost (a callback came \
         when nothing could be done any more), hung (a request hangs or hung), failed (something \
         failed and the plugin was told), race (it worked this time), note.\n\n| code | what | at \
         worst |\n|---|---|---|\n",
    );
    for d in DIAGNOSES {
        let kind = if d.is_fact() { ", a fact" } else { "" };
        page += &format!(
            "| [{0}](#{0}) | {1} | {2}{kind} |\n",
            d.code(),
            d.title(),
            d.severity().name()
        );
    }
    for d in DIAGNOSES {
        page += &format!("\n## {}\n\n{}.\n\n", d.code(), d.title());
        page += &d.explanation().replace("\n## ", "\n### ").replacen("## ", "### ", 1);
        page += &format!("\n### Example\n\n```text\n{}\n```\n", d.example().trim());
    }
    page
}
