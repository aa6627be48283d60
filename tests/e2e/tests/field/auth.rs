//! Plugins that let callers in or turn them away: by a call, by a key, by address, by rate.

use e2e::Request;
use e2e::field::{Case, Exchange};
use serde_json::json;

use super::json;

const EXT_AUTH: &str = "0.2.0_ext-auth_2.0.0";
const GPUSTACK_EXT_AUTH: &str = "0.5.1_gpustack-ext-auth_0.1.3";
const IP_ACL: &str = "0.5.1_gpustack-ip-acl_0.1.0";
const RATE_LIMIT: &str = "0.5.1_gpustack-rate-limit_1.0.1";

pub fn cases() -> Vec<Case> {
    vec![ext_auth(), ext_auth_with_body(), gpustack_ext_auth(), ip_acl(), rate_limit()]
}

fn caller(token: &str) -> Request {
    Request::get("/orders?x=1").header("authorization", token)
}

/// Asks the authorization service in the headers phase.
pub fn ext_auth() -> Case {
    let endpoint =
        json!({ "service_name": "auth.static", "service_port": 80, "path_prefix": "/auth" });
    let configuration = json!({ "http_service": {
        "endpoint_mode": "envoy",
        "endpoint": endpoint,
        "timeout": 1000,
        "authorization_response": { "allowed_upstream_headers": [{ "exact": "x-user-id" }] },
    } });
    Case::new("ext-auth asks with the headers")
        .plugin(EXT_AUTH, configuration)
        .exchange(
            Exchange::new("a caller the service knows", 200, caller("Bearer good"))
                .reaches("auth: GET /auth/orders?x=1")
                .reaches("model: GET /orders?x=1")
                .shows("model: x-user-id: 7"),
        )
        .exchange(
            Exchange::new("a caller it does not know", 401, caller("Bearer bad"))
                .reaches("auth: GET /auth/orders?x=1")
                .shows("client: x-auth-failed: true")
                .shows("client: body …who are you?"),
        )
}

/// Holds the headers, waits for the body and asks with it.
fn ext_auth_with_body() -> Case {
    let endpoint = json!({
        "service_name": "auth.static", "service_port": 80,
        "request_method": "POST", "path": "/check",
    });
    let configuration = json!({ "http_service": {
        "endpoint_mode": "forward_auth",
        "endpoint": endpoint,
        "timeout": 1000,
        "authorization_request": { "with_request_body": true },
    } });
    let post = |token: &str| json("/orders", r#"{"count":2}"#).header("authorization", token);
    Case::new("ext-auth asks with the body")
        .plugin(EXT_AUTH, configuration)
        .exchange(
            Exchange::new("a caller the service knows", 200, post("Bearer good"))
                .reaches("auth: POST /check")
                .reaches("model: POST /orders")
                .shows(r#"auth: body {"count":2}"#)
                .shows("auth: x-forwarded-uri: /orders")
                .shows(r#"model: body {"count":2}"#),
        )
        .exchange(
            Exchange::new("a caller it does not know", 401, post("Bearer bad"))
                .reaches("auth: POST /check"),
        )
}

fn gpustack_ext_auth() -> Case {
    let endpoint = json!({
        "path": "/token-auth", "request_method": "GET",
        "service_name": "auth.static", "service_port": 80,
    });
    let configuration = json!({
        "route_match_regexes": ["^ai-route-route-"],
        "local_auth": { "enabled": false },
        "authz": {
            "endpoint": endpoint,
            "timeout": 1000,
            "authorization_request": { "headers_to_add": { "x-gpustack-auth-token": "t" } },
        },
        "upstream_request": { "headers_to_remove": ["cookie"] },
        "status_on_error": 403,
    });
    Case::new("gpustack-ext-auth asks the server")
        .plugin(GPUSTACK_EXT_AUTH, configuration)
        .varies("x-gpustack-downstream-conn")
        .exchange(
            Exchange::new(
                "a key the server knows",
                200,
                caller("Bearer good").header("cookie", "a=b"),
            )
            .reaches("auth: GET /token-auth")
            .reaches("model: GET /orders?x=1")
            .shows("auth: x-gpustack-auth-token: t")
            .shows("model: x-mse-consumer: alice.gpustack-7"),
        )
        .exchange(
            Exchange::new("a key it does not know", 401, caller("Bearer bad"))
                .reaches("auth: GET /token-auth"),
        )
}

fn ip_acl() -> Case {
    let configuration = json!({
        "realIPHeader": "x-real-ip",
        "consumers": {
            "alice": { "allowedCidrs": ["192.168.1.0/24"], "deniedCidrs": ["192.168.1.66"] },
        },
    });
    let from = |address: &str| {
        Request::get("/orders").header("x-mse-consumer", "alice").header("x-real-ip", address)
    };
    Case::new("gpustack-ip-acl looks at the address")
        .plugin(IP_ACL, configuration)
        .exchange(
            Exchange::new("an address in the range", 200, from("192.168.1.7"))
                .reaches("model: GET /orders"),
        )
        .exchange(Exchange::new("an address denied", 403, from("192.168.1.66")))
        .exchange(Exchange::new("an address outside", 403, from("10.0.0.1")))
}

/// Without Redis it counts in shared data.
fn rate_limit() -> Case {
    let combination = json!({
        "name": "callers",
        "match": [{ "source": "header", "name": "x-caller", "value": "*" }],
        "query_limits": { "per_hour": 2 },
    });
    let configuration = json!({
        "rule_name": "field",
        "limit_combinations": [combination],
        "enable_on_path_suffix": ["*"],
        "rejected_msg": "slow down",
    });
    let request = |caller: &str| Request::get("/orders").header("x-caller", caller);
    let passes = |what| Exchange::new(what, 200, request("a")).reaches("model: GET /orders");
    Case::new("gpustack-rate-limit counts requests")
        .plugin(RATE_LIMIT, configuration)
        .exchange(passes("the first"))
        .exchange(passes("the second"))
        .exchange(Exchange::new("the third", 429, request("a")).shows("client: body …slow down"))
        .exchange(Exchange::new("another's first", 200, request("b")).reaches("model: GET /orders"))
}
