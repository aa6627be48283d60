//! GPUStack's plugins that balance load: one publishes candidates, others rank them, the last one
//! decides; they work only as a chain.

use e2e::Request;
use e2e::field::{Case, Exchange};
use serde_json::{Value, json};

use super::json;

const LB: &str = "0.5.1_gpustack-lb_0.1.2";
const AFFINITY: &str = "0.5.1_gpustack-lb-session-affinity_0.1.0";
const LEAST_LOAD: &str = "0.5.1_gpustack-lb-least-load_0.1.0";
const DECISION: &str = "0.5.1_gpustack-lb-decision-service_0.2.1";

pub fn cases() -> Vec<Case> {
    vec![decided(), by_session()]
}

fn candidates() -> Value {
    let candidate = |number: &str| {
        let cluster = format!("outbound|80||model-2-{number}.static");
        json!({ "cluster": cluster, "targetId": number, "kind": "instance" })
    };
    json!({
        "mode": "context",
        "candidates": [candidate("1"), candidate("2")],
        "modelMappers": { "1": { "*": "quick" }, "2": { "*": "strong" } },
    })
}

fn session() -> Value {
    json!({ "sessionKeys": [{ "header": "session_id" }] })
}

fn chat(session: &str) -> Request {
    let body = r#"{"model":"any","messages":[{"role":"user","content":"hello"}]}"#;
    json("/v1/chat/completions", body)
        .header("x-higress-llm-model", "any")
        .header("session_id", session)
}

/// A service is asked which model suits, and prefers the strong one.
fn decided() -> Case {
    let provider = json!({
        "endpoint": "http://decider.example", "cluster": "outbound|80||decider.static",
    });
    let criteria = json!({ "quick": "fast and cheap", "strong": "reasons well" });
    let decision = json!({ "provider": provider, "modelSelection": { "criteria": criteria } });
    Case::new("gpustack-lb asks which model suits")
        .routed_by_header()
        .plugin(LB, candidates())
        .plugin(AFFINITY, session())
        .plugin(LEAST_LOAD, json!({}))
        .plugin(DECISION, decision)
        .plugin(LB, json!({ "mode": "finisher" }))
        .exchange(
            Exchange::new("a task", 200, chat("a"))
                .reaches("decider: POST /v1/systemone")
                .reaches("blue: POST /v1/chat/completions")
                .shows("decider: body …hello")
                .shows(r#"blue: body …"model":"strong""#),
        )
}

/// Requests of a session go to one candidate.
fn by_session() -> Case {
    let to = |what, session, server: &str| {
        Exchange::new(what, 200, chat(session))
            .reaches(&format!("{server}: POST /v1/chat/completions"))
    };
    Case::new("gpustack-lb keeps sessions together")
        .routed_by_header()
        .plugin(LB, candidates())
        .plugin(AFFINITY, session())
        .plugin(LEAST_LOAD, json!({}))
        .plugin(LB, json!({ "mode": "finisher" }))
        .exchange(to("one session", "a", "blue"))
        .exchange(to("the same again", "a", "blue"))
        .exchange(to("another session", "b", "red"))
}
