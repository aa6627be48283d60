//! The services of `docker-compose.yml` run natively: the traffic goes through both gateways, the
//! collector finds the lost callbacks of each, and every panel and alert has something to show.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use deploy::dashboards::{self, Dashboard};
use deploy::{Topology, text};
use serde_json::Value;

const CAUSE: &str = "headers-forwarded-before-body-call";

static TOPOLOGY: LazyLock<Topology> =
    LazyLock::new(|| Topology::start().unwrap_or_else(|error| panic!("{error:#}")));

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[test]
fn traffic_through_both_gateways_loses_callbacks_and_the_collector_finds_them() {
    // As the image asks.
    let healthcheck = "CMD [\"/wasm-tracer\", \"health\"]\n";
    assert!(text("deploy/Dockerfile").contains(healthcheck));
    let url = format!("http://{}", TOPOLOGY.collector);
    let tracer = e2e::tracer().expect("the command");
    TOPOLOGY.until("the collector is well", 20, || {
        let mut health = std::process::Command::new(&tracer);
        Ok(deploy::try_output(health.arg("health").env("WASM_TRACER_URL", &url)).ok())
    });
    let found = TOPOLOGY.until("both gateways lost a callback", 300, || {
        let instances = TOPOLOGY.ask("/api/v1/instances")?;
        let lost = TOPOLOGY.ask(&format!("/api/v1/timelines?finding={CAUSE}&severity=lost"))?;
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
}

#[test]
fn every_panel_and_every_variable_has_something_to_show() {
    for Dashboard { file, json } in dashboards::all() {
        for variable in list(&json["templating"]["list"]) {
            let Some(question) = variable["query"]["query"].as_str() else { continue };
            let (series, label) = dashboards::label_values(question).expect("a known form");
            TOPOLOGY.until(&format!("{file}: values of {label}"), 120, || {
                let path = format!("/api/v1/label/{label}/values");
                let values = TOPOLOGY.ask_prometheus(&path, &[("match[]", &series)])?;
                Ok((!list(&values).is_empty()).then_some(()))
            });
        }
        for question in dashboards::questions(&json) {
            TOPOLOGY.until(&format!("{file}: an answer to {question}"), 120, || {
                let data = TOPOLOGY.ask_prometheus("/api/v1/query", &[("query", &question)])?;
                let is_number = |sample: &Value| sample["value"][1] != "NaN";
                let shown = list(&data["result"]);
                Ok((!shown.is_empty() && shown.iter().any(is_number)).then_some(()))
            });
        }
    }
}

#[test]
fn a_spike_leads_to_the_timeline_that_shows_it() {
    for metric in ["wasm_tracer_findings_total", "wasm_tracer_plugin_time_seconds_bucket"] {
        let trace = TOPOLOGY.until(&format!("an exemplar of {metric}"), 120, || {
            let all = [("query", metric), ("start", "0"), ("end", "4000000000")];
            let data = TOPOLOGY.ask_prometheus("/api/v1/query_exemplars", &all)?;
            let trace = list(&data).iter().find_map(|series| {
                series["exemplars"][0]["labels"]["trace_id"].as_str().map(str::to_owned)
            });
            Ok(trace)
        });
        let shown = TOPOLOGY.ask(&format!("/api/traces/{trace}")).expect("the timeline");
        assert_eq!(shown["data"][0]["traceID"], trace.as_str(), "{shown}");
        assert!(!list(&shown["data"][0]["spans"]).is_empty(), "{shown}");
    }
}

#[test]
fn the_lost_callback_raises_its_alarm_and_every_rule_is_well() {
    let rules = TOPOLOGY.until("all rules were evaluated", 120, || {
        let data = TOPOLOGY.ask_prometheus("/api/v1/rules", &[])?;
        let rules = list(&data["groups"][0]["rules"]);
        let is_evaluated = |rule: &Value| rule["health"] != "unknown";
        Ok((!rules.is_empty() && rules.iter().all(is_evaluated)).then_some(rules))
    });
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    TOPOLOGY.until("the alarm of the lost callback", 120, || {
        let data = TOPOLOGY.ask_prometheus("/api/v1/alerts", &[])?;
        let is_it = |alert: &Value| {
            let labels = &alert["labels"];
            labels["alertname"] == "WasmTracerLostCallback"
                && labels["code"] == CAUSE
                && alert["state"] == "firing"
        };
        Ok(list(&data["alerts"]).iter().any(is_it).then_some(()))
    });
}

#[test]
fn grafanas_own_search_for_timelines_with_a_finding_has_answers() {
    let services = TOPOLOGY.until("a service", 120, || {
        Ok(Some(list(&TOPOLOGY.ask("/api/services")?["data"])).filter(|all| !all.is_empty()))
    });
    assert!(services.contains(&Value::from("body-call")), "{services:?}");
    // As its Jaeger data source asks for the panel of one request.
    let search = "/api/traces?service=body-call&tags=%7B%22error%22%3A%22true%22%7D&limit=50";
    TOPOLOGY.until("a timeline with a finding", 120, || {
        let traces = list(&TOPOLOGY.ask(search)?["data"]);
        // Grafana ends its own plugin at a trace without spans.
        assert!(traces.iter().all(|trace| !list(&trace["spans"]).is_empty()));
        Ok((!traces.is_empty()).then_some(()))
    });
}
