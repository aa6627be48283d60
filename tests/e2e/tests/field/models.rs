//! Plugins that take the model from a message, or change messages: in C++, Go and Rust.

use e2e::Request;
use e2e::field::{Case, Exchange};
use serde_json::json;

use super::json;

const MODEL_ROUTER: &str = "0.2.0_model-router_2.0.0";
const MODEL_MAPPER: &str = "0.2.0_model-mapper_2.0.0";
const PROXY_ROUTER: &str = "0.5.1_gpustack-generic-proxy-router_1.0.1";
const SET_HEADER: [&str; 2] =
    ["0.2.0_gpustack-set-header-pre-route_1.0.0", "0.5.1_gpustack-set-header-pre-route_1.0.1"];
const MASKING: &str = "0.5.1_ai-data-masking_2.0.3";
const TRANSFORMER: &str = "0.2.0_transformer_2.0.0";

const CHAT: &str = "/v1/chat/completions";

pub fn cases() -> Vec<Case> {
    let mut cases = vec![model_router(), model_mapper(), proxy_router(), masking()];
    cases.extend([transformer(), transformer_of_answers()]);
    cases.extend(SET_HEADER.map(set_header));
    cases
}

fn chat(model: &str, content: &str) -> Request {
    let messages = json!([{ "role": "user", "content": content }]);
    json(CHAT, &json!({ "model": model, "messages": messages }).to_string())
}

/// C++: the model into one header, its provider into another.
pub fn model_router() -> Case {
    let configuration = json!({
        "modelToHeader": "x-higress-llm-model",
        "addProviderHeader": "x-higress-llm-provider",
    });
    let routed = format!("model: POST {CHAT}");
    Case::new("model-router takes the model from the body")
        .plugin(MODEL_ROUTER, configuration)
        .exchange(
            Exchange::new("a provider and a model", 200, chat("dashscope/qwen-long", "hello"))
                .reaches(&routed)
                .shows("model: x-higress-llm-provider: dashscope")
                .shows(r#"model: body …"model":"qwen-long""#),
        )
        .exchange(
            Exchange::new("another path", 200, json("/v1/other", "{}"))
                .reaches("model: POST /v1/other"),
        )
}

/// C++: one model's name for another's.
fn model_mapper() -> Case {
    let mapping = json!({ "gpt-4-*": "qwen-max", "gpt-4o": "qwen-vl-plus", "*": "qwen-turbo" });
    let named = |what, model, becomes: &str| {
        Exchange::new(what, 200, chat(model, "hello"))
            .reaches(&format!("model: POST {CHAT}"))
            .shows(&format!(r#"model: body …"model":"{becomes}""#))
    };
    Case::new("model-mapper renames the model")
        .plugin(MODEL_MAPPER, json!({ "modelMapping": mapping }))
        .exchange(named("by its beginning", "gpt-4-mini", "qwen-max"))
        .exchange(named("by its name", "gpt-4o", "qwen-vl-plus"))
        .exchange(named("any other", "llama", "qwen-turbo"))
}

fn proxy_router() -> Case {
    let rules = json!([{ "pattern": "(?i)\\bcode\\b", "model": "coder" }]);
    let configuration = json!({
        "prefix": "/model/proxy/",
        "addProviderHeader": "x-higress-llm-provider",
        "modelToHeader": "x-higress-llm-model-final",
        "aliasNameMapping": { "open": "openai/gpt-4" },
        "autoRouting": { "enable": true, "defaultModel": "small", "rules": rules },
    });
    let chatted = format!("model: POST {CHAT}");
    Case::new("gpustack-generic-proxy-router")
        .plugin(PROXY_ROUTER, configuration)
        .exchange(
            Exchange::new("an alias in the path", 200, json("/model/proxy/open/v1/chat", "{}"))
                .reaches("model: POST /model/proxy/open/v1/chat")
                .shows("model: x-higress-llm-model: openai/gpt-4")
                .shows("model: x-higress-llm-model-final: gpt-4"),
        )
        .exchange(
            Exchange::new("a model in the body", 200, chat("openai/gpt-4o", "hello"))
                .reaches(&chatted)
                .shows("model: x-higress-llm-provider: openai")
                .shows(r#"model: body …"model":"gpt-4o""#),
        )
        .exchange(
            Exchange::new("a model by what is asked", 200, chat("higress/auto", "write code"))
                .reaches(&chatted)
                .shows("model: x-higress-llm-model: coder"),
        )
}

/// Route and cluster into headers, before the route is chosen.
fn set_header(file: &str) -> Case {
    let configuration = json!({
        "routeNameHeader": "x-route-name",
        "clusterNameHeader": "x-cluster-name",
    });
    Case::new(&format!("{file} names the route"))
        .plugin(file, configuration)
        .exchange(
            Exchange::new("a chat", 200, chat("qwen", "hello"))
                .reaches(&format!("model: POST {CHAT}"))
                .shows("model: x-route-name: ai-route-route-7.internal"),
        )
        .exchange(
            Exchange::new("another path", 200, Request::get("/other")).reaches("model: GET /other"),
        )
}

/// Rust: words that must not pass, and secrets that are hidden from the model and given back.
pub fn masking() -> Case {
    let mail = json!({
        "regex": "%{EMAILLOCALPART}@%{HOSTNAME:domain}",
        "type": "replace", "restore": true, "value": "****@$domain",
    });
    let configuration = json!({
        "deny_openai": true,
        "deny_words": ["forbidden"],
        "deny_code": 200,
        "deny_message": "not that",
        "replace_roles": [mail],
    });
    Case::new("ai-data-masking hides secrets")
        .plugin(MASKING, configuration)
        .exchange(
            Exchange::new("a mail address", 200, chat("qwen", "ask admin@gmail.com"))
                .reaches(&format!("model: POST {CHAT}"))
                .shows("model: body …****@gmail.com")
                .shows("client: body …ask admin@gmail.com"),
        )
        .exchange(
            Exchange::new("a forbidden word", 200, chat("qwen", "a forbidden thing"))
                .shows("client: body …not that"),
        )
}

/// Headers, query and body of requests, headers and body of answers.
pub fn transformer() -> Case {
    let requests = json!([
        { "operate": "remove", "headers": [{ "key": "x-remove" }], "querys": [{ "key": "k1" }],
          "body": [{ "key": "a1" }] },
        { "operate": "rename", "headers": [{ "oldKey": "x-old", "newKey": "x-new" }],
          "querys": [{ "oldKey": "k2", "newKey": "k2-new" }],
          "body": [{ "oldKey": "a2", "newKey": "a2-new" }] },
        { "operate": "add", "headers": [{ "key": "x-add", "value": "added" }],
          "querys": [{ "key": "k3", "value": "v3" }] },
        { "operate": "map", "headers": [{ "fromKey": "a3", "toKey": "x-from-body" }],
          "mapSource": "body" },
    ]);
    let answers = json!([
        { "operate": "remove", "headers": [{ "key": "x-inside" }] },
        { "operate": "add", "headers": [{ "key": "x-seen", "value": "yes" }] },
    ]);
    let body = r#"{"a1":"t1","a2":"t2","a3":"t3"}"#;
    let post = json("/post?k1=v1&k2=v2", body).header("x-remove", "1").header("x-old", "o");
    Case::new("transformer changes requests and answers")
        .plugin(TRANSFORMER, json!({ "reqRules": requests, "respRules": answers }))
        .exchange(
            Exchange::new("a post", 200, post)
                .reaches("model: POST /post?k2-new=v2&k3=v3")
                .shows("model: x-new: o")
                .shows("model: x-add: added")
                .shows("model: x-from-body: t3")
                .shows("model: body …a2-new")
                .shows("client: x-seen: yes"),
        )
        .exchange(
            Exchange::new("a get", 200, Request::get("/get?k2=v2").header("x-old", "o"))
                .reaches("model: GET /get?k2-new=v2&k3=v3")
                .shows("model: x-new: o"),
        )
}

/// The body of answers.
fn transformer_of_answers() -> Case {
    let answers = json!([
        { "operate": "remove", "body": [{ "key": "secret" }] },
        { "operate": "add", "body": [{ "key": "seen", "value": "yes" }] },
    ]);
    Case::new("transformer changes the body of answers")
        .plugin(TRANSFORMER, json!({ "respRules": answers }))
        .exchange(
            Exchange::new("a get", 200, Request::get("/get"))
                .reaches("model: GET /get")
                .shows("client: body …seen"),
        )
}
