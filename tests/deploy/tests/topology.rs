//! The services of `docker-compose.yml` run natively, with its own configuration files: the traffic
//! goes through both gateways, and the collector finds the lost callbacks of each.
//!
//! Two things are not as in containers. Higress's Envoy cannot be had here, so that a stock one runs
//! in its place, with the plugin instrumented for it. And Prometheus and Grafana are not started.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use anyhow::bail;
use deploy::compose::Compose;
use deploy::native::Native;
use deploy::{output, text};
use e2e::Guarded;
use serde_json::Value;

const CAUSE: &str = "headers-forwarded-before-body-call";

/// Runs a command line to its end.
fn run(line: &[OsString]) -> String {
    let (program, arguments) = line.split_first().expect("a program");
    output(std::process::Command::new(program).args(arguments))
}

fn wait<T>(
    what: &str,
    seconds: u64,
    running: &mut [(&str, Guarded)],
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> T {
    let found = e2e::until(what, Duration::from_secs(seconds), || {
        for (name, process) in &mut *running {
            if process.has_ended() {
                bail!("{name} ended");
            }
        }
        condition()
    });
    found.unwrap_or_else(|error| {
        let said = |(name, process): &(&str, Guarded)| {
            let log = process.log();
            let lines: Vec<_> = log.lines().collect();
            format!("{name} said last:\n{}\n", lines[lines.len().saturating_sub(20)..].join("\n"))
        };
        panic!("{error:#}\n{}", running.iter().map(said).collect::<String>())
    })
}

#[test]
fn traffic_through_both_gateways_loses_callbacks_and_the_collector_finds_them() {
    let tracer = e2e::tracer().expect("the command");
    let plugin = e2e::artifact("body-call-go.wasm").expect("the plugin");
    let envoy = e2e::envoy().expect("Envoy");
    let data = tempfile::tempdir().expect("a folder");
    let mut native = Native::new(Compose::read()).expect("a folder");
    let collector_address = native.address("collector", 4000).expect("a port");
    let url = format!("http://{collector_address}");

    for name in ["instrument-higress", "instrument-envoy"] {
        let mut line =
            native.command(name, &tracer, &[("/plugin.wasm", plugin.clone())]).expect(name);
        // What Higress would load a stock Envoy refuses.
        for word in &mut line {
            if word == "higress" {
                *word = "envoy".into();
            }
        }
        assert!(run(&line).contains("written to"), "{name}");
    }

    let mut running = Vec::new();
    let mut start = |native: &mut Native, name: &'static str, program, extra: &[&str]| {
        let mut line = native.command(name, program, &[]).expect(name);
        line.extend(extra.iter().map(OsString::from));
        running.push((name, native.start(&line).expect(name)));
    };
    let programs = ["misbehave", "traffic"].map(|name| e2e::program(name).expect(name));
    start(&mut native, "misbehave", &programs[0], &[]);
    let folder = data.path().to_str().expect("a path");
    // The image says where its data is.
    start(&mut native, "collector", &tracer, &["--data", folder]);
    // Two of them on one machine would share what only a hot restart needs.
    start(&mut native, "higress", &envoy, &["--disable-hot-restart"]);
    start(&mut native, "envoy", &envoy, &["--disable-hot-restart"]);
    start(&mut native, "traffic", &programs[1], &[]);

    // As the image asks.
    let healthcheck = "CMD [\"/wasm-tracer\", \"health\"]\n";
    assert!(text("deploy/Dockerfile").contains(healthcheck));
    wait("the collector is well", 20, &mut running, || {
        let mut health = std::process::Command::new(&tracer);
        Ok(deploy::try_output(health.arg("health").env("WASM_TRACER_URL", &url)).ok())
    });

    let get = |path: &str| -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&e2e::get_text(collector_address, path)?)?)
    };
    let found = wait("both gateways lost a callback", 300, &mut running, || {
        let instances = get("/api/v1/instances")?;
        let lost = get(&format!("/api/v1/timelines?finding={CAUSE}&severity=lost"))?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let lost: BTreeSet<_> =
            list(&lost["timelines"]).iter().map(|line| line["instance"].to_string()).collect();
        let nodes: BTreeSet<_> = list(&instances["instances"])
            .iter()
            .filter(|instance| lost.contains(&instance["id"].to_string()))
            .filter_map(|instance| instance["node"].as_str().map(str::to_owned))
            .collect();
        Ok((nodes.len() == 2).then_some(nodes))
    });
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["envoy", "higress"]);

    // What Prometheus would scrape, at the place that its configuration names.
    let scrape = deploy::yaml(&text("deploy/compose/prometheus.yml"));
    let targets = &scrape[0]["scrape_configs"][0]["static_configs"][0]["targets"];
    assert_eq!(deploy::texts(targets), ["collector:4000"]);
    let metrics = e2e::get_text(collector_address, "/metrics").expect("metrics");
    let words = ["wasm_tracer_findings_total{", "plugin=\"body-call\"", CAUSE, "severity=\"lost\""];
    let is_counted = metrics.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(is_counted, "{metrics}");
}
