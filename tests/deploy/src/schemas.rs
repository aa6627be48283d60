//! Kubernetes resources checked against schemas, strictly and without a cluster.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Map, Value};

use crate::{place, repository, text, tool, yaml};

/// Checks the resources of a YAML text with kubeconform: those of Kubernetes against its own schemas,
/// those of Istio and of the Prometheus operator against their published definitions, Higress's against ours (`tests/deploy/schemas`).
///
/// # Errors
/// With what kubeconform says is wrong.
pub fn check(resources: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for definitions in definitions() {
        write_schemas(&definitions, folder.path());
    }
    let kubernetes = folder.path().join("kubernetes");
    kubernetes_schemas(&kubernetes, &yaml(resources)).map_err(|error| error.to_string())?;
    let own = repository().join("tests/deploy/schemas");
    let mut kubeconform = tool("KUBECONFORM");
    kubeconform.args(["-strict", "-summary", "-output", "text"]);
    let kind = "{{.ResourceKind}}{{.KindSuffix}}.json";
    kubeconform.arg("-schema-location").arg(kubernetes.join(kind));
    for folder in [folder.path(), &own] {
        let kind = "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json";
        kubeconform.arg("-schema-location").arg(folder.join(kind));
    }
    let file = folder.path().join("resources.yaml");
    std::fs::write(&file, resources).map_err(|error| error.to_string())?;
    let done = kubeconform.arg(&file).stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("kubeconform does not start: {error}"))?;
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    let count = yaml(resources).len();
    let summary = format!("Valid: {count}, Invalid: 0, Errors: 0, Skipped: 0");
    if done.status.success() && said.contains(&summary) { Ok(()) } else { Err(said) }
}

/// Writes Kubernetes' own schemas of these resources, so that they find each other in this folder.
fn kubernetes_schemas(folder: &Path, resources: &[Value]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let all = place("KUBERNETES_SCHEMAS").join("v1.37.0-local-strict");
    let name = |resource: &Value| {
        let text = |field: &str| resource[field].as_str().unwrap_or_default().to_lowercase();
        let (kind, version) = (text("kind"), text("apiVersion"));
        match version.split_once('/') {
            Some((group, version)) => {
                let group = group.split('.').next().unwrap_or_default();
                format!("{kind}-{group}-{version}.json")
            }
            None => format!("{kind}-{version}.json"),
        }
    };
    let names = resources.iter().map(name).chain(["_definitions.json".to_owned()]);
    for name in names {
        // What is not Kubernetes' own is not there.
        if let Ok(schema) = std::fs::read_to_string(all.join(&name)) {
            let schema = schema.replace("\"/api/_definitions.json#", "\"_definitions.json#");
            let mut schema: Value = serde_json::from_str(&schema)?;
            // By it they would be looked for in the web.
            schema.as_object_mut().map(|fields| fields.remove("$id"));
            std::fs::write(folder.join(&name), schema.to_string())?;
        }
    }
    Ok(())
}

/// Checks a file of the repository.
///
/// # Panics
/// When it is not as its schemas want it.
pub fn check_file(path: &str) {
    if let Err(said) = check(&text(path)) {
        panic!("{path}: {said}");
    }
}

/// Custom resources as who serves them defines them: Istio's, and the Prometheus operator's.
fn definitions() -> Vec<String> {
    let operator = place("PROMETHEUS_OPERATOR_CRDS");
    let kinds = ["podmonitors", "servicemonitors", "prometheusrules"];
    let of_operator = kinds.map(|kind| operator.join(format!("monitoring.coreos.com_{kind}.yaml")));
    let files = of_operator.into_iter().chain([place("ISTIO_CRDS")]);
    let read = |file: std::path::PathBuf| {
        std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{} cannot be read: {error}", file.display()))
    };
    files.map(read).collect()
}

/// Writes definitions as schemas, in which what is not declared is an error.
fn write_schemas(definitions: &str, folder: &Path) {
    for definition in yaml(definitions) {
        let spec = &definition["spec"];
        let (group, kind) = (&spec["group"], &spec["names"]["kind"]);
        let (Some(group), Some(kind)) = (group.as_str(), kind.as_str()) else { continue };
        for version in spec["versions"].as_array().map_or(&[][..], Vec::as_slice) {
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            for (field, of) in
                [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")]
            {
                schema["properties"][field] = serde_json::json!({ "type": of });
            }
            close(&mut schema);
            let name = version["name"].as_str().unwrap_or_default();
            let file = folder.join(group).join(format!("{}_{name}.json", kind.to_lowercase()));
            let written = std::fs::create_dir_all(folder.join(group))
                .and_then(|()| std::fs::write(&file, schema.to_string()));
            written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}

/// Forbids fields that a schema does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if is_closed(fields) {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn is_closed(schema: &Map<String, Value>) -> bool {
    let open = ["additionalProperties", "x-kubernetes-preserve-unknown-fields"];
    schema.get("type").is_some_and(|of| of == "object")
        && schema.get("properties").is_some_and(Value::is_object)
        && !open.iter().any(|key| schema.contains_key(*key))
}
