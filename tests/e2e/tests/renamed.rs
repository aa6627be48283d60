//! The same findings whatever things are called: plugins, clusters, paths and request ids at random, so
//! that no code outside the scenarios can know a name of theirs.

use std::hash::{BuildHasher, Hasher, RandomState};

use e2e::{Finding, Mode, Plugin, Request, Sdk, Stack, soon};

/// A name that nobody has thought of: ten letters.
fn any_name() -> String {
    let mut number = RandomState::new().build_hasher().finish();
    let letters = std::iter::repeat_with(|| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + (number >> 59) as u8 % 26)
    });
    letters.take(10).collect()
}

/// What a case is called, and what must be found.
struct Case {
    mode: Mode,
    upstream: &'static str,
    callee: &'static str,
    findings: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        mode: Mode::Body,
        upstream: "early-400",
        callee: "after-300,status-403",
        findings: &[
            ("headers-forwarded-before-body-call", "lost"),
            ("late-callback", "lost"),
            ("response-while-request-held", "lost"),
        ],
    },
    Case {
        mode: Mode::Body,
        upstream: "patient",
        callee: "after-100",
        findings: &[("headers-forwarded-before-body-call", "race")],
    },
    Case { mode: Mode::Fixed, upstream: "early-200", callee: "after-100", findings: &[] },
    Case {
        mode: Mode::Forget,
        upstream: "patient",
        callee: "after-10",
        findings: &[
            ("callback-ran-no-resume", "hung"),
            ("headers-forwarded-before-body-call", "race"),
        ],
    },
];

#[test]
fn findings_do_not_depend_on_names() {
    let (callee, tracer) = (any_name(), any_name());
    let plugins: Vec<String> = CASES.iter().map(|_| any_name()).collect();
    println!("callee {callee:?}, collector {tracer:?}, plugins {plugins:?}");
    let mut builder = Stack::builder().discovers(&callee, None).discovers(&tracer, None);
    for (case, name) in CASES.iter().zip(&plugins) {
        let plugin = Plugin::new(Sdk::Rust, case.mode).traced().calls(&callee);
        builder = builder.plugin(name, plugin.variable("WASM_TRACER_CLUSTER", &tracer));
    }
    let stack = builder.start().unwrap_or_else(|error| panic!("{error:#}"));
    let collector = stack.collector().address();
    let clusters = [(callee.clone(), Some(stack.callee_address())), (tracer, Some(collector))];
    stack.discover(&clusters).expect("clusters of other names");
    // Until Envoy knows them, calls are refused; so the first request waits for that.
    soon("Envoy knows the clusters", || {
        let stat = format!("cluster.{callee}.membership_total");
        stack.envoy_stat(&stat).ok().filter(|members| *members == 1)
    });
    for (case, plugin) in CASES.iter().zip(&plugins) {
        let path = format!("/{}?callee={}", any_name(), case.callee);
        let request = Request::post(path, any_name()).header("x-manner", case.upstream);
        let request = request.patience(std::time::Duration::from_secs(2));
        let answer = stack.send(plugin, &request);
        let timeline = stack.collector().closed_timeline(&answer.request_id);
        let mut found = Finding::told(&timeline);
        found.sort_unstable();
        assert_eq!(found, case.findings, "{plugin}: {timeline:#}");
        assert_eq!(timeline["plugin"], plugin.as_str());
    }
}
