//! The diagnoses the project knows: one line each. The documents are written from them.

use crate::diagnose::{Diagnosis, Kinds};

/// Declares the files in `diagnoses/` and enters what they define.
macro_rules! registry {
    ($($file:ident,)*) => {
        #[path = "diagnoses"]
        mod diagnoses {
            mod failed_call;
            mod kinds;
            mod let_go;
            mod phrases;
            pub mod precedence;
            mod refused;
            pub mod stuck;
            $(pub mod $file;)*
        }

        /// All diagnoses, in the order of the documents: causes, then facts.
        pub static DIAGNOSES: &[Diagnosis] = &[$(diagnoses::$file::DIAGNOSIS),*];

        /// What each of them waits for, in the same order.
        pub(crate) static TRIGGERS: &[Kinds] = &[$(Kinds::of(diagnoses::$file::DIAGNOSIS.triggers)),*];
    };
}

registry! {
    headers_forwarded_before_body_call,
    released_by_body_continue,
    resumed_with_calls_outstanding,
    dispatch_at_end,
    client_gone_while_waiting,
    continue_with_call_outstanding,
    waiting_on_call,
    callback_ran_no_resume,
    callback_failure_unhandled,
    paused_without_pending_call,
    header_pause_starves_body,
    waiting_for_body_that_cannot_come,
    own_local_reply_paused,
    wrong_context,
    root_shutdown_cancelled,
    dispatch_from_dead_context,
    local_reply_too_late,
    duplicate_completion,
    watermark_deadlock,
    payload_too_large,
    body_released_by_other,
    recovered_panic_continue,
    dispatch_rejected,
    dispatch_failed_inline,
    call_timeout,
    call_connect_failure,
    vm_trap_collateral,
    memory_growth,
    impossible_sequence,
    host_dialect_mismatch,
    slow_callback,
    filter_order_expectation,
    late_callback,
    response_while_request_held,
}

pub(crate) use diagnoses::{precedence, stuck};

/// Headings of every explanation, in this order.
pub const HEADINGS: [&str; 5] =
    ["What you see", "Why it happens", "How to be sure", "What to do", "What this cannot see"];

/// The same headings on the Chinese pages.
pub const HEADINGS_ZH: [&str; 5] = ["现象", "原因", "如何确认", "怎么办", "看不到什么"];

/// Heading over the threads that a diagnosis is known from, and what stands there when none is known.
pub const KNOWN_FROM: [&str; 2] = ["Known from", "No public thread about it is known."];

/// The same on the Chinese pages.
pub const KNOWN_FROM_ZH: [&str; 2] = ["见于", "没有已知的公开讨论。"];

/// The diagnosis of a code.
pub fn find(code: &str) -> Option<&'static Diagnosis> {
    DIAGNOSES.iter().find(|d| d.code == code)
}

/// The page of all diagnoses, in Markdown: `docs/diagnoses.md`.
pub fn document() -> String {
    let mut page = String::from(
        "# Diagnoses\n\nWhat the collector knows to explain. This page is generated from the \
         registry; the examples are the tests. [中文](diagnoses.zh-CN.md)\n\nSeverities, worst first: \
         lost (a callback came when nothing could be done any more), hung (a request hangs or \
         hung), failed (something failed and the plugin was told), race (it worked this time), \
         note. A fact supports a cause, and is named first only where no cause explains it.\n\n\
         | code | what | at worst |\n|---|---|---|\n",
    );
    for d in DIAGNOSES {
        let kind = if d.is_fact { ", a fact" } else { "" };
        page += &row(d, d.title, &format!("{}{kind}", d.severity.name()));
    }
    for d in DIAGNOSES {
        page += &format!("\n## {}\n\n{}.\n\n", d.code, d.title);
        page += &section(d, d.explanation, KNOWN_FROM, "Example");
    }
    page
}

/// The same page in Chinese: `docs/diagnoses.zh-CN.md`.
pub fn document_zh() -> String {
    let mut page = String::from(
        "# 诊断\n\n收集器能够解释的问题。本页由注册表生成；其中的示例就是测试。[English](diagnoses.md)\n\n\
         严重程度，从重到轻：lost（回调到来时已无法挽回）、hung（请求挂起，或曾经挂起）、failed（失败了，\
         插件也得知了）、race（这一次碰巧成功）、note（提示）。“事实”用来支持原因，只有在没有原因能解释它时才\
         排在最前。\n\n| 代码 | 含义 | 最严重时 |\n|---|---|---|\n",
    );
    for d in DIAGNOSES {
        let kind = if d.is_fact { "，事实" } else { "" };
        page += &row(d, d.title_zh, &format!("{}{kind}", d.severity.name()));
    }
    for d in DIAGNOSES {
        page += &format!("\n## {}\n\n{}。\n\n", d.code, d.title_zh);
        page += &section(d, d.explanation_zh, KNOWN_FROM_ZH, "示例");
    }
    page
}

fn row(diagnosis: &Diagnosis, title: &str, severity: &str) -> String {
    format!("| [{0}](#{0}) | {title} | {severity} |\n", diagnosis.code)
}

/// An explanation one level down, with the threads and the example.
fn section(
    diagnosis: &Diagnosis,
    explanation: &str,
    [known_from, unknown]: [&str; 2],
    example: &str,
) -> String {
    let explanation = explanation.replace("\n## ", "\n### ").replacen("## ", "### ", 1);
    let threads = diagnosis.threads().map(|(thread, address)| format!("[{thread}]({address})"));
    let threads = match diagnosis.known_from {
        [] => unknown.to_owned(),
        _ => threads.collect::<Vec<_>>().join(" · "),
    };
    format!(
        "{}\n\n### {known_from}\n\n{threads}\n\n### {example}\n\n```text\n{}\n```\n",
        explanation.trim_end(),
        diagnosis.example.trim()
    )
}
