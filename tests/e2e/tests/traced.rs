//! The same requests through the original and the instrumented plugin, in Go and in Rust: the client
//! must not be able to tell them apart. One Envoy for all scenarios of this file.

use std::sync::LazyLock;

use e2e::{Mode, Plugin, Request, Sdk, Stack};

static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let mut stack = Stack::builder();
    for (sdk, name) in BOTH {
        let body = Plugin::new(sdk, Mode::Body);
        let fixed = Plugin::new(sdk, Mode::Fixed);
        stack = stack
            .plugin(name, body.clone())
            .plugin(&format!("{name}-traced"), body.traced())
            .plugin(&format!("{name}-fixed"), fixed.clone())
            .plugin(&format!("{name}-fixed-traced"), fixed.traced());
    }
    stack.start().unwrap_or_else(|error| panic!("{error:#}"))
});

const BOTH: [(Sdk, &str); 2] = [(Sdk::Rust, "rust"), (Sdk::Go, "go")];

/// Sends the request through the original and the traced plugin of both SDKs.
fn same_for_the_client(suffix: &str, request: &Request) {
    for (_, name) in BOTH {
        let original = STACK.send(&format!("{name}{suffix}"), request);
        let traced = STACK.send(&format!("{name}{suffix}-traced"), request);
        let said = STACK.envoy_said_last();
        assert_eq!(traced.comparable(), original.comparable(), "{name}{suffix}\n{said}");
        assert!(original.status != 0, "{name}{suffix}: no answer at all");
    }
}

fn post(path: &str) -> Request {
    Request::post(path, "some text")
}

#[test]
fn when_the_upstream_answers_early() {
    same_for_the_client("", &post("/early-400?callee=after-300"));
    same_for_the_client("", &post("/early-200?callee=after-300,status-403"));
}

#[test]
fn when_the_upstream_closes() {
    same_for_the_client("", &post("/close?callee=after-300"));
}

#[test]
fn when_the_upstream_is_patient_and_the_callee_allows_denies_or_fails() {
    for manner in ["after-100", "status-403", "refuse", "reset", "drip"] {
        same_for_the_client("", &post(&format!("/patient?callee={manner}")));
    }
}

#[test]
fn when_the_headers_are_held() {
    same_for_the_client("-fixed", &post("/early-200?callee=after-100"));
    same_for_the_client("-fixed", &post("/early-400?callee=after-100,status-403"));
    same_for_the_client("-fixed", &post("/close?callee=after-10"));
}

#[test]
fn when_there_is_no_body() {
    same_for_the_client("", &Request::get("/patient"));
    same_for_the_client("-fixed", &Request::get("/patient"));
}

#[test]
fn when_the_body_is_a_mebibyte_less_a_bit() {
    // Envoy buffers up to 1 MiB for a plugin that pauses; the callee gets all of it.
    let body = vec![b'x'; 1_000_000];
    same_for_the_client("", &Request::post("/patient?callee=after-10", body.clone()));
    same_for_the_client("-fixed", &Request::post("/patient?callee=after-10", body));
}
