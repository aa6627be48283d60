//! The example plugins as they are, without the recorder: that they and Envoy behave as
//! host-semantics says. One Envoy for all scenarios of this file.

use std::sync::LazyLock;
use std::time::Duration;

use e2e::{Mode, Plugin, Request, Sdk, Stack, soon};

static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let mut stack = Stack::builder();
    for (sdk, name) in BOTH {
        stack = stack
            .plugin(name, Plugin::new(sdk, Mode::Body))
            .plugin(&format!("{name}-fixed"), Plugin::new(sdk, Mode::Fixed))
            .plugin(&format!("{name}-forgets"), Plugin::new(sdk, Mode::Forget))
            .plugin(&format!("{name}-to-nowhere"), Plugin::new(sdk, Mode::Body).calls("nowhere"));
    }
    stack.start().unwrap_or_else(|error| panic!("{error:#}"))
});

const BOTH: [(Sdk, &str); 2] = [(Sdk::Rust, "rust"), (Sdk::Go, "go")];

/// The callee denies, 500 ms after it was asked.
const DENY: &str = "callee=after-500,status-403";
const ALLOW: &str = "callee=after-500";

fn post(plugin: &str, path: &str) -> e2e::Answer {
    STACK.send(plugin, &Request::post(path, "some text"))
}

#[test]
fn an_early_upstream_wins_over_the_callees_denial() {
    for (_, plugin) in BOTH {
        for status in [400, 200] {
            let answer = post(plugin, &format!("/early-{status}?{DENY}"));
            assert_eq!(answer.status, status, "{plugin}");
            assert_eq!(answer.body, "answered on the headers\n", "{plugin}");
            assert!(answer.took < Duration::from_millis(450), "{plugin}: {:?}", answer.took);
        }
    }
}

#[test]
fn a_patient_upstream_waits_for_the_decision() {
    for (_, plugin) in BOTH {
        let allowed = post(plugin, &format!("/patient?{ALLOW}"));
        assert_eq!((allowed.status, &*allowed.body), (200, "read 9 bytes\n"), "{plugin}");
        assert!(allowed.took >= Duration::from_millis(500), "{plugin}: {:?}", allowed.took);
        let denied = post(plugin, &format!("/patient?{DENY}"));
        assert_eq!((denied.status, &*denied.body), (403, "denied by body-call\n"), "{plugin}");
    }
}

#[test]
fn an_upstream_that_closes_is_a_503_of_envoy() {
    for (_, plugin) in BOTH {
        let answer = post(plugin, &format!("/close?{ALLOW}"));
        assert_eq!(answer.status, 503, "{plugin}");
        assert!(answer.took < Duration::from_millis(450), "{plugin}: {:?}", answer.took);
    }
}

#[test]
fn the_fixed_plugin_decides_before_the_upstream_hears_of_the_request() {
    for (_, name) in BOTH {
        let plugin = format!("{name}-fixed");
        let denied = post(&plugin, &format!("/early-200?{DENY}"));
        assert_eq!(denied.status, 403, "{plugin}");
        let allowed = post(&plugin, &format!("/early-200?{ALLOW}"));
        assert_eq!(allowed.status, 200, "{plugin}");
        assert!(allowed.took >= Duration::from_millis(500), "{plugin}: {:?}", allowed.took);
    }
}

#[test]
fn without_a_body_there_is_no_call_and_no_hold() {
    for (_, name) in BOTH {
        for plugin in [name.to_owned(), format!("{name}-fixed")] {
            let answer = STACK.send(&plugin, &Request::get("/patient?callee=never"));
            assert_eq!(answer.status, 200, "{plugin}");
        }
    }
}

#[test]
fn a_call_to_an_unknown_cluster_is_rejected_and_the_request_passes() {
    for (_, name) in BOTH {
        let plugin = format!("{name}-to-nowhere");
        assert_eq!(post(&plugin, "/patient").status, 200, "{plugin}");
    }
    soon("both say so", || {
        let log = STACK.envoy_log();
        (log.matches("could not be dispatched").count() >= 2).then_some(())
    });
}

#[test]
fn a_callback_that_forgets_to_resume_hangs_the_request() {
    for (_, name) in BOTH {
        let plugin = format!("{name}-forgets");
        let request = Request::post("/patient?callee=after-10", "some text");
        let answer = STACK.send(&plugin, &request.patience(Duration::from_secs(2)));
        assert_eq!(answer.status, 0, "{plugin}: the client gave up");
    }
}

#[test]
fn a_callee_that_fails_is_a_denial() {
    for (_, plugin) in BOTH {
        for manner in ["refuse", "reset"] {
            let answer = post(plugin, &format!("/patient?callee={manner}"));
            assert_eq!(answer.status, 403, "{plugin}, {manner}");
        }
        let slow = post(plugin, "/patient?callee=drip");
        assert_eq!(slow.status, 200, "{plugin}");
    }
}
