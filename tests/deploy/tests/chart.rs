//! The Helm chart of the collector: linted, rendered with nothing and with everything, checked strictly
//! against schemas, and its settings judged by the collector itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deploy::resources::{all_of_kind, cluster, judged, of_kind, socket_address};
use deploy::schemas::{check, check_file};
use deploy::{dashboards, output, repository, text, tool, yaml};
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
        assert_eq!(all_of_kind(&everything, kind).len(), 1, "{kind}");
    }
    let wrong = everything.replacen("podMetricsEndpoints:", "endpoints:", 1);
    assert!(check(&wrong).expect_err("refused").contains("Invalid: 1, Errors: 0"));
    check_file("deploy/higress/sidecar/podmonitor.yaml");
}

#[test]
fn the_collector_finds_its_settings_fine() {
    let set = of_kind(&rendered(""), "StatefulSet");
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(judged(container).as_deref(), Ok("the settings are fine\n"));
}

#[test]
fn its_cluster_is_that_of_the_other_deployments_and_leads_to_its_service() {
    let everything = rendered(EVERYTHING);
    let mut own = cluster(&mut of_kind(&everything, "EnvoyFilter")).take();
    let filter = text("deploy/higress/service/envoyfilter.yaml");
    let mut other = cluster(&mut of_kind(&filter, "EnvoyFilter")).take();
    let service = &of_kind(&everything, "Service")["metadata"]["name"];
    let host = format!("{}.tracing.svc.cluster.local", service.as_str().expect("a name"));
    let address = socket_address(&mut own);
    assert_eq!(address["address"], host.as_str());
    address["address"] = socket_address(&mut other)["address"].clone();
    assert_eq!(own, other);
}

#[test]
fn grafana_and_prometheus_get_the_files_unchanged() {
    let everything = rendered(EVERYTHING);
    let mut held = BTreeMap::new();
    for map in all_of_kind(&everything, "ConfigMap") {
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        for (file, text) in map["data"].as_object().expect("files") {
            let text = text.as_str().expect("text");
            let dashboard: Value = serde_json::from_str(text).expect("JSON");
            held.insert(file.clone(), dashboard);
        }
    }
    let name = |file: &str| Path::new(file).file_name().expect("a name").display().to_string();
    let originals: BTreeMap<_, _> =
        dashboards::all().into_iter().map(|one| (name(&one.file), one.json)).collect();
    assert_eq!(held, originals);
    let rules = yaml(&text("dashboards/rules/wasm-tracer.yaml")).remove(0);
    assert_eq!(of_kind(&everything, "PrometheusRule")["spec"], rules);
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
