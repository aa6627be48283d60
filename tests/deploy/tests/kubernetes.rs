//! `deploy/kubernetes`, `deploy/istio` and `deploy/higress` without a cluster: built by kustomize, checked
//! strictly against schemas; the cluster in the EnvoyFilter is run in a real Envoy; the gateway's pod gets
//! the collector and keeps all it had; the collector itself judges the settings that it is given.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use deploy::resources::{cluster, judged, of_kind, socket_address};
use deploy::schemas::{check, check_file};
use deploy::{output, repository, text, tool, try_output, yaml};
use serde_json::{Value, json};

const FOLDERS: [&str; 5] = [
    "deploy/kubernetes",
    "deploy/istio",
    "deploy/higress/service",
    "deploy/higress/sidecar",
    "deploy/higress/mcpbridge",
];

fn built(folder: &str) -> String {
    output(tool("KUSTOMIZE").args(["build", folder]))
}

/// What `post-render.sh` makes of manifests.
fn post_rendered(manifests: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in.yaml");
    std::fs::write(&file, manifests).expect("written");
    let mut script = Command::new(repository().join("deploy/higress/sidecar/post-render.sh"));
    script.stdin(std::fs::File::open(file).expect("a file")).stdout(Stdio::piped());
    for name in ["WASM_TRACER_IMAGE", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
        script.env_remove(name);
    }
    let done = script.envs(variables.iter().copied()).output().expect("it starts");
    let [out, err] = [done.stdout, done.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    if done.status.success() { Ok(out) } else { Err(err) }
}

/// The gateway as a Deployment and as a DaemonSet, without and with the container that ships logs.
fn gateways() -> Vec<String> {
    let deployment = text("tests/deploy/manifests/gateway.yaml");
    let kinds = [deployment.clone(), deployment.replace("kind: Deployment", "kind: DaemonSet")];
    let promtail =
        "      - { name: promtail, image: \"grafana/promtail:2.9.4\" }\n      volumes:\n";
    let with = kinds.iter().map(|gateway| gateway.replacen("      volumes:\n", promtail, 1));
    kinds.iter().cloned().chain(with).collect()
}

#[test]
fn what_kustomize_builds_is_as_its_schemas_want_it() {
    for folder in FOLDERS {
        let resources = built(folder);
        if let Err(said) = check(&resources) {
            panic!("{folder}: {said}\n{resources}");
        }
    }
    for file in ["image.yaml", "file.yaml"] {
        check_file(&format!("deploy/higress/wasmplugin/{file}"));
    }
}

#[test]
fn a_wrong_field_of_any_kind_is_noticed() {
    let service = built("deploy/higress/service");
    let plugin = text("deploy/higress/wasmplugin/image.yaml");
    let wrong = [
        (service.clone(), "replicas: 1", "replicas: one"),
        (service.clone(), "targetPort: http", "targetport: http"),
        (service, "operation: ADD", "operation: PUT"),
        (plugin.clone(), "failStrategy: FAIL_OPEN", "failStrategy: OPEN"),
        (plugin, "valueFrom: HOST", "valuefrom: HOST"),
    ];
    for (resources, right, other) in wrong {
        assert!(resources.contains(right), "{right}");
        let said = check(&resources.replacen(right, other, 1)).expect_err(other);
        assert!(said.contains("Invalid: 1, Errors: 0"), "{other}: {said}");
    }
}

#[test]
fn an_entry_is_added_to_the_users_mcpbridge_and_the_users_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = "{ name: nacos, type: nacos2, domain: 10.0.0.1, port: 8848 }";
    let bridge = format!(
        "apiVersion: networking.higress.io/v1\nkind: McpBridge\nmetadata: {{ name: default }}\n\
         spec:\n  registries:\n  - {own}\n"
    );
    std::fs::write(folder.path().join("bridge.yaml"), bridge).expect("written");
    let patch = text("deploy/higress/mcpbridge/registry.json");
    std::fs::write(folder.path().join("registry.json"), &patch).expect("written");
    let kustomization = "resources: [bridge.yaml]\npatches:\n- path: registry.json\n  target: { kind: McpBridge }\n";
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).expect("written");
    let patched = output(tool("KUSTOMIZE").arg("build").arg(folder.path()));
    assert_eq!(check(&patched), Ok(()));
    let registries = of_kind(&patched, "McpBridge")["spec"]["registries"].clone();
    assert_eq!(registries[0]["name"], "nacos");
    assert_eq!(registries[1]["name"], "wasm-tracer");
    // The route uses the entry by the name that Higress gives it.
    let route = of_kind(&built("deploy/higress/mcpbridge"), "Ingress");
    let name = format!("wasm-tracer.{}", registries[1]["type"].as_str().expect("a type"));
    assert_eq!(route["metadata"]["annotations"]["higress.io/destination"], name.as_str());
}

#[test]
fn the_gateway_gets_the_collector_and_keeps_all_it_had() {
    for gateway in gateways() {
        let before = yaml(&gateway).remove(0);
        let variables = [
            ("WASM_TRACER_IMAGE", "registry.example.com/wasm-tracer:1"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel.tracing:4318"),
        ];
        let rendered = post_rendered(&gateway, &variables).expect("patched");
        assert_eq!(check(&rendered), Ok(()));
        let mut after = yaml(&rendered).remove(0);
        let pod = &mut after["spec"]["template"]["spec"];
        let container = pod["containers"].as_array_mut().and_then(Vec::pop).expect("a container");
        let volume = pod["volumes"].as_array_mut().and_then(Vec::pop).expect("a volume");
        assert_eq!(container["name"], "wasm-tracer");
        assert_eq!(container["image"], "registry.example.com/wasm-tracer:1");
        assert_eq!(container["volumeMounts"][0]["name"], volume["name"]);
        let environment = container["env"].as_array().expect("an environment");
        let backend = environment.iter().find(|one| one["name"] == variables[1].0);
        assert_eq!(backend.map(|one| &one["value"]), Some(&Value::from(variables[1].1)));
        assert_eq!(after, before);
    }
    let elsewhere = gateways()[0].replace("name: higress-gateway", "name: gateway");
    let said = post_rendered(&elsewhere, &[]).expect_err("refused");
    assert!(said.contains("nothing was added"), "{said}");
}

/// A chart that renders a gateway.
fn chart_of(gateway: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let chart = "apiVersion: v2\nname: higress\nversion: 2.2.1\n";
    std::fs::write(folder.path().join("Chart.yaml"), chart).expect("written");
    std::fs::create_dir(folder.path().join("templates")).expect("a folder");
    std::fs::write(folder.path().join("templates/gateway.yaml"), gateway).expect("written");
    folder
}

#[test]
fn helm_3_takes_the_script_as_its_post_renderer() {
    for gateway in gateways() {
        let chart = chart_of(&gateway);
        let mut helm = tool("HELM");
        helm.arg("template").arg("higress").arg(chart.path());
        helm.args(["--post-renderer", "deploy/higress/sidecar/post-render.sh"]);
        let rendered = yaml(&output(&mut helm)).remove(0);
        assert_eq!(rendered, yaml(&post_rendered(&gateway, &[]).expect("patched")).remove(0));
    }
}

#[test]
fn helm_4_takes_it_as_a_plugin() {
    let home = tempfile::tempdir().expect("a folder");
    let helm = || {
        let mut helm = tool("HELM_4");
        for place in ["HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_CACHE_HOME"] {
            helm.env(place, home.path().join(place));
        }
        helm.env_remove("HELM_PLUGINS");
        helm
    };
    let rendered = |gateway: &str| {
        let chart = chart_of(gateway);
        let mut helm = helm();
        helm.arg("template").arg("higress").arg(chart.path());
        try_output(helm.args(["--post-renderer", "wasm-tracer-sidecar"]))
    };
    assert!(rendered(&gateways()[0]).is_err(), "it is not installed yet");
    output(helm().args(["plugin", "install", "deploy/higress/sidecar"]));
    for gateway in gateways() {
        let by_helm = yaml(&rendered(&gateway).unwrap_or_else(|said| panic!("{said}"))).remove(0);
        assert_eq!(by_helm, yaml(&post_rendered(&gateway, &[]).expect("patched")).remove(0));
    }
    // It keeps to itself what the script says.
    let elsewhere = gateways()[0].replace("name: higress-gateway", "name: gateway");
    let said = rendered(&elsewhere).expect_err("refused");
    assert!(said.contains("\"wasm-tracer-sidecar\" exited with error"), "{said}");
}

#[test]
fn the_collector_finds_the_settings_fine_that_its_containers_have() {
    let set = of_kind(&built("deploy/kubernetes"), "StatefulSet");
    let rendered = post_rendered(&gateways()[0], &[]).expect("patched");
    let gateway = of_kind(&rendered, "Deployment");
    let containers = [&set, &gateway].map(|resource| {
        let containers = resource["spec"]["template"]["spec"]["containers"].as_array();
        containers.and_then(|all| all.last()).expect("a container").clone()
    });
    for container in &containers {
        assert_eq!(judged(container).as_deref(), Ok("the settings are fine\n"));
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    }
    // A probe by exec is a command that exists: nobody listens here, and it says so.
    let probe = deploy::texts(&containers[1]["livenessProbe"]["exec"]["command"]);
    assert_eq!(probe[0], "/wasm-tracer");
    let mut health = Command::new(e2e::tracer().expect("the command"));
    health.args(&probe[1..]).env("WASM_TRACER_URL", "http://127.0.0.1:1");
    assert!(try_output(&mut health).expect_err("not well").contains("no collector answers"));
}

#[test]
fn one_cluster_in_three_places_differs_by_where_the_collector_is() {
    let filter_and_place = |file: &str| {
        let mut filter = of_kind(&text(file), "EnvoyFilter");
        let namespace = filter["metadata"]["namespace"].take();
        let cluster = cluster(&mut filter);
        let kind = cluster["type"].take();
        let address = socket_address(cluster)["address"].take();
        (filter, json!([namespace, kind, address]))
    };
    let (service, at) = filter_and_place("deploy/higress/service/envoyfilter.yaml");
    let host = "wasm-tracer.higress-system.svc.cluster.local";
    assert_eq!(at, json!(["higress-system", "STRICT_DNS", host]));
    let (sidecar, at) = filter_and_place("deploy/higress/sidecar/envoyfilter.yaml");
    assert_eq!(at, json!(["higress-system", "STATIC", "127.0.0.1"]));
    let (istio, at) = filter_and_place("deploy/istio/envoyfilter.yaml");
    let host = "wasm-tracer.istio-system.svc.cluster.local";
    assert_eq!(at, json!(["istio-system", "STRICT_DNS", host]));
    assert_eq!(service, sidecar);
    assert_eq!(service, istio);
}

/// A bootstrap with compose's listener, a traced plugin in it, and this cluster.
fn bootstrap(cluster: Value, plugin: &Path) -> Value {
    let mut bootstrap = yaml(&text("deploy/compose/envoy.yaml")).remove(0);
    let resources = &mut bootstrap["static_resources"];
    let listener = &mut resources["listeners"][0];
    listener["address"]["socket_address"] = json!({ "address": "127.0.0.1", "port_value": 0 });
    let wasm = listener
        .pointer_mut(
            "/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/vm_config",
        )
        .expect("the plugin");
    wasm["code"]["local"]["filename"] = plugin.display().to_string().into();
    let clusters = resources["clusters"].as_array_mut().expect("clusters");
    clusters.retain(|other| other["name"] != cluster["name"]);
    clusters.push(cluster);
    bootstrap
}

#[test]
fn the_cluster_of_the_envoyfilter_leads_a_real_envoy_to_the_collector() {
    let envoy = e2e::envoy().expect("Envoy");
    let collector = e2e::Collector::start(0).expect("a collector");
    let folder =
        tempfile::Builder::new().prefix("wasm-tracer-cluster").tempdir().expect("a folder");
    let plugin = folder.path().join("plugin.wasm");
    let mut instrument = Command::new(e2e::tracer().expect("the command"));
    instrument.arg("instrument").arg(e2e::artifact("body-call-rust.wasm").expect("a plugin"));
    output(instrument.arg("-o").arg(&plugin));
    let config = folder.path().join("envoy.json");
    for file in ["higress/service", "higress/sidecar", "istio"] {
        let filter = text(&format!("deploy/{file}/envoyfilter.yaml"));
        let cluster = cluster(&mut of_kind(&filter, "EnvoyFilter")).take();
        std::fs::write(&config, bootstrap(cluster, &plugin).to_string()).expect("written");
        let mut validate = Command::new(&envoy);
        validate.args(["--mode", "validate", "--log-level", "error", "-c"]).arg(&config);
        output(&mut validate);
    }
    let filter = text("deploy/higress/service/envoyfilter.yaml");
    let mut cluster = cluster(&mut of_kind(&filter, "EnvoyFilter")).take();
    *socket_address(&mut cluster) =
        json!({ "address": "127.0.0.1", "port_value": collector.address().port() });
    std::fs::write(&config, bootstrap(cluster, &plugin).to_string()).expect("written");
    let run =
        tempfile::Builder::new().prefix("wasm-tracer-envoy").tempdir().expect("a folder").keep();
    let words: [std::ffi::OsString; 8] = [
        envoy.into(),
        "-c".into(),
        config.into(),
        "--disable-hot-restart".into(),
        "--service-node".into(),
        "gateway".into(),
        "--service-cluster".into(),
        "gateway".into(),
    ];
    let words: Vec<_> = words.iter().map(std::ffi::OsString::as_os_str).collect();
    let mut running = e2e::Guarded::start(run, &words).expect("Envoy starts");
    let arrived = e2e::until("a plugin is heard of", Duration::from_secs(60), || {
        anyhow::ensure!(!running.has_ended(), "Envoy ended");
        let instances = collector.json("/api/v1/instances")?;
        Ok(instances["instances"].as_array().and_then(|all| all.first().cloned()))
    });
    let instance = arrived.unwrap_or_else(|error| panic!("{error:#}\n{}", running.log()));
    assert_eq!(instance["node"], "gateway");
}

#[test]
fn attached_and_detached_by_another_program_a_resource_is_the_same_to_the_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut resource = yaml(&text("deploy/higress/wasmplugin/image.yaml")).remove(0);
    resource["spec"]["vmConfig"]["env"] = json!([{ "name": "REGION", "value": "a" }]);
    let file = folder.path().join("plugin.json");
    std::fs::write(&file, resource.to_string()).expect("written");
    let mut attach = Command::new(e2e::tracer().expect("the command"));
    attach.arg("attach").arg(&file).args(["--url", "oci://registry.example.com/traced:1"]);
    attach.args(["--sha256", &"ab".repeat(32), "--host-env", "WASM_TRACER_TOKEN", "-o"]);
    output(attach.arg(folder.path()));
    let build = |patches: &[&str]| {
        let mut kustomization = "resources: [plugin.json]\npatches:\n".to_owned();
        for patch in patches {
            let path = format!("body-call-traced.{patch}.json");
            // kustomize wants to be told what is patched; kubectl is told on its command line.
            let patch = std::fs::read(folder.path().join(&path)).expect("a patch");
            let mut patch: Value = serde_json::from_slice(&patch).expect("JSON");
            patch["apiVersion"] = resource["apiVersion"].clone();
            patch["kind"] = resource["kind"].clone();
            patch["metadata"] =
                json!({ "name": "body-call-traced", "namespace": "higress-system" });
            std::fs::write(folder.path().join(format!("whole.{path}")), patch.to_string())
                .expect("written");
            kustomization += &format!("- path: whole.{path}\n");
        }
        std::fs::write(folder.path().join("kustomization.yaml"), kustomization).expect("written");
        output(tool("KUSTOMIZE").arg("build").arg(folder.path()))
    };
    let original = build(&[]);
    let attached = build(&["attach"]);
    assert_ne!(attached, original);
    assert_eq!(check(&attached), Ok(()));
    assert_eq!(build(&["attach", "detach"]), original);
}
