//! Plugins that speak to models in the models' own protocols, and those that count what is used.

use e2e::Request;
use e2e::field::{Case, Exchange};
use serde_json::{Value, json};

use super::json;

const AI_PROXY: &str = "0.2.0_ai-proxy_2.0.0";
const GPUSTACK_AI_PROXY: &str = "0.5.1_gpustack-ai-proxy_2.0.3-patched";
const STATISTICS: &str = "0.2.0_ai-statistics_2.0.0";
const RATE_LIMIT: &str = "0.5.1_gpustack-rate-limit_1.0.1";
const TOKEN_USAGE: &str = "0.2.0_gpustack-token-usage_1.0.0";
const TOKEN_USAGE_REPORTING: &str = "0.5.1_gpustack-token-usage_1.2.2";

const CHAT: &str = "/v1/chat/completions";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for file in [AI_PROXY, GPUSTACK_AI_PROXY] {
        cases.extend([openai(file), claude(file)]);
    }
    cases.extend([statistics(), tokens_per_second(), usage_report()]);
    cases
}

fn chat(stream: bool) -> Request {
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let body = json!({ "model": "gpt-3", "messages": messages, "stream": stream });
    json(CHAT, &body.to_string())
}

/// OpenAI in, OpenAI out, with another model and a token.
pub fn openai(file: &str) -> Case {
    let provider = json!({
        "id": "p", "type": "openai", "apiTokens": ["sk-1"],
        "modelMapping": { "gpt-3": "qwen-max" },
    });
    let configuration = json!({ "providers": [provider], "activeProviderId": "p" });
    let asks = |what, stream| {
        Exchange::new(what, 200, chat(stream))
            .reaches(&format!("model: POST {CHAT}"))
            .shows("model: host: api.openai.com")
            .shows("model: authorization: Bearer sk-1")
            .shows(r#"model: body …"model":"qwen-max""#)
    };
    Case::new(&format!("{file} to OpenAI"))
        .plugin(file, configuration)
        .exchange(asks("a chat", false).shows("client: body …you said: hello"))
        .exchange(asks("a streamed chat", true).shows("client: body …data: [DONE]"))
}

/// OpenAI in, Anthropic's messages out, and back again.
fn claude(file: &str) -> Case {
    let provider = json!({
        "id": "c", "type": "claude", "apiTokens": ["sk-2"],
        "modelMapping": { "*": "claude-big" },
    });
    let configuration: Value = json!({ "providers": [provider], "activeProviderId": "c" });
    Case::new(&format!("{file} to Claude")).plugin(file, configuration).varies("created").exchange(
        Exchange::new("a chat", 200, chat(false))
            .reaches("model: POST /v1/messages")
            .shows("model: x-api-key: sk-2")
            .shows(r#"model: body …"model":"claude-big""#)
            .shows(r#"client: body …"object":"chat.completion""#),
    )
}

/// It tells the tokens of an answer to the others: here to one that limits them.
fn statistics() -> Case {
    let combination = json!({
        "name": "tokens",
        "match": [{ "source": "header", "name": "x-caller", "value": "*" }],
        "token_limits": { "per_hour": 10 },
    });
    let limit = json!({
        "rule_name": "tokens", "limit_combinations": [combination],
        "enable_on_path_suffix": ["*"],
    });
    let asks =
        |status| Exchange::new("a chat of 12 tokens", status, chat(false).header("x-caller", "a"));
    Case::new("ai-statistics counts tokens")
        .plugin(RATE_LIMIT, limit)
        .plugin(STATISTICS, json!({}))
        .exchange(asks(200).reaches(&format!("model: POST {CHAT}")))
        .exchange(asks(429))
}

/// Tells the client how fast the model was.
fn tokens_per_second() -> Case {
    let asks = |what, stream, told: &str| {
        Exchange::new(what, 200, chat(stream))
            .reaches(&format!("model: POST {CHAT}"))
            .shows(&format!("client: body …#{told}"))
    };
    timed(Case::new("gpustack-token-usage tells the client"))
        .plugin(TOKEN_USAGE, json!({}))
        .exchange(asks("a chat", false, "tokens_per_second"))
        .exchange(asks("a streamed chat", true, "time_to_first_token_ms"))
}

/// Tells an accounting service what was used, and the model's server who asked.
fn usage_report() -> Case {
    let endpoint = json!({
        "service_name": "gpustack.static", "service_port": 80, "path": "/usage",
    });
    let configuration = json!({
        "endpoint": endpoint,
        "realIPHeader": "x-gpustack-real-ip",
        "header_add": { "x-gpustack-internal-token": "shared" },
    });
    let asks = |what, stream| {
        Exchange::new(what, 200, chat(stream).header("x-mse-consumer", "key.gpustack-42"))
            .reaches(&format!("model: POST {CHAT}"))
            .reaches("accounting: POST /usage")
            .shows("model: x-gpustack-internal-token: shared")
            .shows("model: x-gpustack-real-ip: 127.0.0.1")
            .shows(r#"accounting: body …"total_token":12"#)
            .shows(r#"accounting: body …"user_id":42"#)
            .shows(r#"accounting: body …"model_route_id":7"#)
    };
    timed(Case::new("gpustack-token-usage reports what was used"))
        .plugin(TOKEN_USAGE_REPORTING, configuration)
        .varies("ttft_ms")
        .varies("started_at")
        .varies("completed_at")
        .varies("request_id")
        .varies("x-gpustack-request-id")
        .exchange(asks("a chat", false))
        .exchange(asks("a streamed chat", true))
}

/// Times are told in the answers, of as many digits as they have.
fn timed(case: Case) -> Case {
    let told = ["tokens_per_second", "time_to_first_token_ms", "time_per_output_token_ms"];
    told.into_iter().fold(case, Case::varies).varies("content-length")
}
