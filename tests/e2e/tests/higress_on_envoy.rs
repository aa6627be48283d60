//! A plugin of Higress's own ABI, with imports that stock Envoy does not offer, on a stock Envoy: it loads,
//! runs, and behaves otherwise exactly where `instrument --host envoy` says so.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use e2e::{Filter, Plugin, Request, Stack};
use serde_json::{Value, json};

/// Holds the headers with 1; in the body phase it asks redis, and answers 400 and what that answered.
const PLUGIN: &str = r#"(module
  (import "env" "proxy_redis_init"
    (func $redis_init (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_redis_call" (func $redis_call (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "redis")
  (func (export "proxy_abi_version_0_2_100"))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (i32.const 1))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (drop (call $redis_init (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 1000)))
    (drop (call $respond
      (i32.add (i32.const 400) (call $redis_call
        (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 5) (i32.const 16)))
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const -1)))
    (i32.const 1)))"#;

/// The plugin behind a listener of its own for each way in which a filter can be configured.
struct Scene {
    stack: Stack,
    report: String,
    _modules: tempfile::TempDir,
}

static SCENE: LazyLock<Scene> =
    LazyLock::new(|| start().unwrap_or_else(|error| panic!("{error:#}")));

fn start() -> anyhow::Result<Scene> {
    let modules = tempfile::tempdir()?;
    let (plugin, traced) = (modules.path().join("plugin.wasm"), modules.path().join("traced.wasm"));
    std::fs::write(&plugin, wat::parse_str(PLUGIN)?)?;
    let mut instrument = Command::new(e2e::tracer()?);
    instrument.arg("instrument").arg(&plugin).arg("-o").arg(&traced).args(["--host", "envoy"]);
    let done = instrument.output()?;
    anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let stack = Stack::builder()
        .chain("as-configured", vec![Filter::Native(filter(&traced, false))])
        .chain("as-on-higress", vec![Filter::Native(filter(&traced, true))])
        // With a plugin of the harness's own there is a collector.
        .plugin("probe", Plugin::probe().traced())
        .start()?;
    let report = String::from_utf8_lossy(&done.stdout).into_owned();
    Ok(Scene { stack, report, _modules: modules })
}

fn filter(wasm: &Path, stop_iteration: bool) -> Value {
    let name = format!("asks-redis-{stop_iteration}");
    json!({
        "name": "envoy.filters.http.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": name,
                "root_id": name,
                "allow_on_headers_stop_iteration": stop_iteration,
                "vm_config": {
                    "vm_id": name,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": wasm } },
                },
            },
        },
    })
}

/// Names of what was entered in a closed timeline, in order.
fn told(request_id: &str) -> String {
    let timeline = SCENE.stack.collector().closed_timeline(request_id);
    let id = timeline["id"].as_str().unwrap_or_default();
    SCENE.stack.collector().script(id).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn redis_answers_that_it_is_not_implemented_and_the_timeline_says_so() {
    let answer = SCENE.stack.send("as-on-higress", &Request::post("/patient", "some text"));
    assert_eq!(answer.status, 412, "{}", SCENE.stack.envoy_said_last());
    let told = told(&answer.request_id);
    let call = told.lines().find(|line| line.contains("redis") && line.contains("unimplemented"));
    assert!(call.is_some(), "{told}");
    for import in ["proxy_redis_init", "proxy_redis_call"] {
        let gone = format!("import {import} is gone: a stub answers 12, Unimplemented");
        assert!(SCENE.report.contains(&gone), "{}", SCENE.report);
    }
}

#[test]
fn headers_held_with_1_hold_everything_unless_the_filter_is_configured_otherwise() {
    let patience = Duration::from_millis(1500);
    let request = Request::post("/patient", "some text").patience(patience);
    let answer = SCENE.stack.send("as-configured", &request);
    assert_eq!(answer.status, 0, "the body phase was called");
    let told = told(&answer.request_id);
    assert!(told.contains("request_headers") && !told.contains("request_body"), "{told}");
    let said = "stock Envoy holds everything until continue_stream";
    let report = SCENE.report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains(said), "{report}");
}
