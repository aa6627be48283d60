//! The Helm chart of the collector: linted, rendered with nothing and with everything, checked strictly
//! against schemas, and its settings judged by the collector itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use deploy::schemas::{check, check_file};
use deploy::{output, repository, text, texts, tool, try_output, yaml};
use serde_json::Value;

const CHART: &str = "deploy/helm/wasm-tracer-collector";
const EVERYTHING: &str = "envoyFilter.enabled=true,serviceMonitor.enabled=true,podMonitor.enabled=true,\
    prometheusRule.enabled=true,dashboards.enabled=true,storage.className=fast,\
    serviceMonitor.labels.release=monitoring";

/// What of `dashboards` lies in the chart: Helm packs only what is below the chart.
fn copies() -> Vec<(PathBuf, PathBuf)> {
    let (from, to) = (repository().join("dashboards"), repository().join(CHART).join("dashboards"));
    let files =
        std::fs::read_dir(&from).expect("the folder").map(|file| file.expect("a file").path());
    let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let pair = |path: PathBuf| (path.clone(), to.join(path.file_name().expect("a name")));
    let mut pairs: Vec<_> = json.map(pair).collect();
    pairs.push((from.join("rules/wasm-tracer.yaml"), to.join("rules.yaml")));
    pairs
}

fn rendered(values: &str) -> String {
    let mut helm = tool("HELM");
    helm.args(["template", "tracer", CHART, "--namespace", "tracing"]);
    output(if values.is_empty() { &mut helm } else { helm.args(["--set", values]) })
}

fn of_kind(resources: &str, kind: &str) -> Vec<Value> {
    yaml(resources).into_iter().filter(|resource| resource["kind"] == kind).collect()
}

#[test]
fn the_chart_holds_the_dashboards_and_rules_as_they_are() {
    let pairs = copies();
    let held = repository().join(CHART).join("dashboards");
    if std::env::var_os("BLESS").is_some() {
        let _ = std::fs::remove_dir_all(&held);
        std::fs::create_dir_all(&held).expect("a folder");
        for (from, to) in &pairs {
            std::fs::copy(from, to).expect("copied");
        }
    }
    for (from, to) in &pairs {
        let same = std::fs::read(from).ok() == std::fs::read(to).ok();
        assert!(same, "{} is not as in dashboards: run `cargo xtask gen chart`", to.display());
    }
    assert_eq!(std::fs::read_dir(held).expect("the folder").count(), pairs.len());
}

#[test]
fn helm_has_nothing_to_say_of_it() {
    for values in ["envoyFilter.enabled=false", EVERYTHING] {
        output(tool("HELM").args(["lint", "--strict", CHART, "--set", values]));
    }
}

#[test]
fn what_it_renders_is_as_its_schemas_want_it() {
    let nothing = rendered("");
    let kinds: Vec<_> = yaml(&nothing).iter().map(|one| one["kind"].to_string()).collect();
    assert_eq!(kinds, ["\"Service\"", "\"StatefulSet\""]);
    let everything = rendered(EVERYTHING);
    for resources in [&nothing, &everything] {
        assert_eq!(check(resources), Ok(()));
    }
    for kind in ["EnvoyFilter", "ServiceMonitor", "PodMonitor", "PrometheusRule"] {
        assert_eq!(of_kind(&everything, kind).len(), 1, "{kind}");
    }
    let wrong = everything.replacen("podMetricsEndpoints:", "endpoints:", 1);
    assert!(check(&wrong).expect_err("refused").contains("Invalid: 1, Errors: 0"));
    check_file("deploy/higress/sidecar/podmonitor.yaml");
}

#[test]
fn the_collector_finds_its_settings_fine() {
    let set = of_kind(&rendered(""), "StatefulSet").remove(0);
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let mut collector = Command::new(e2e::tracer().expect("the command"));
    collector.env_clear().args(texts(&container["args"])).arg("--check-config");
    for variable in container["env"].as_array().expect("an environment") {
        // A value from a Secret is some word.
        let value = variable["value"].as_str().unwrap_or("secret");
        collector.env(variable["name"].as_str().expect("a name"), value);
    }
    assert_eq!(try_output(&mut collector).as_deref(), Ok("the settings are fine\n"));
}

#[test]
fn its_cluster_is_that_of_the_other_deployments_and_leads_to_its_service() {
    let everything = rendered(EVERYTHING);
    let cluster = |filter: &Value| filter["spec"]["configPatches"][0]["patch"]["value"].clone();
    let mut own = cluster(&of_kind(&everything, "EnvoyFilter")[0]);
    let other = of_kind(&text("deploy/higress/service/envoyfilter.yaml"), "EnvoyFilter").remove(0);
    let at = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address";
    let service = &of_kind(&everything, "Service")[0]["metadata"]["name"];
    let host = format!("{}.tracing.svc.cluster.local", service.as_str().expect("a name"));
    let address = own.pointer_mut(at).expect("an address");
    assert_eq!(*address, host.as_str());
    *address = cluster(&other).pointer(at).expect("an address").clone();
    assert_eq!(own, cluster(&other));
}

#[test]
fn grafana_and_prometheus_get_the_files_unchanged() {
    let everything = rendered(EVERYTHING);
    let mut dashboards = BTreeMap::new();
    for map in of_kind(&everything, "ConfigMap") {
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        for (file, text) in map["data"].as_object().expect("files") {
            let text = text.as_str().expect("text");
            let dashboard: Value = serde_json::from_str(text).expect("JSON");
            dashboards.insert(file.clone(), dashboard);
        }
    }
    let mut originals = BTreeMap::new();
    for (from, _) in copies() {
        if from.extension().is_some_and(|end| end == "json") {
            let text = std::fs::read_to_string(&from).expect("text");
            let name = from.file_name().expect("a name").to_string_lossy().into_owned();
            originals.insert(name, serde_json::from_str(&text).expect("JSON"));
        }
    }
    assert_eq!(dashboards, originals);
    let rules = yaml(&text("dashboards/rules/wasm-tracer.yaml")).remove(0);
    assert_eq!(of_kind(&everything, "PrometheusRule")[0]["spec"], rules);
}

#[test]
fn every_deployment_names_the_version_of_this_repository() {
    let version = env!("CARGO_PKG_VERSION");
    let places = [
        (format!("{CHART}/Chart.yaml"), format!("\nversion: {version}\nappVersion: {version}\n")),
        ("deploy/kubernetes/kustomization.yaml".to_owned(), format!("newTag: {version}\n")),
        (
            "deploy/higress/sidecar/gateway.yaml".to_owned(),
            format!("image: wasm-tracer:{version}\n"),
        ),
        ("deploy/higress/sidecar/post-render.sh".to_owned(), format!("-wasm-tracer:{version}}}")),
        ("deploy/higress/sidecar/plugin.yaml".to_owned(), format!("\nversion: {version}\n")),
    ];
    for (file, words) in places {
        assert!(text(&file).contains(&words), "{file} does not say {words:?}");
    }
}
