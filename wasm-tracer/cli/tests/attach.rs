//! `attach`: what it changes of a WasmPlugin, and that the way back leads to the same bytes.

use std::process::{Command, Output};

use serde_json::{Value, json};

/// A merge patch applied, as RFC 7396 has it.
fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().expect("an object").remove(name);
        } else {
            apply(&mut target[name], value);
        }
    }
}

fn attach(folder: &std::path::Path, resource: &Value, flags: &[&str]) -> Output {
    let file = folder.join("resource.json");
    std::fs::write(&file, resource.to_string()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"));
    command.arg("attach").arg(file).args(flags).arg("-o").arg(folder);
    command.output().expect("it starts")
}

fn plugin(spec: Value) -> Value {
    json!({
        "apiVersion": "extensions.higress.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": { "name": "ext-auth", "namespace": "higress-system", "resourceVersion": "12" },
        "spec": spec,
    })
}

const URL: &str = "oci://registry.example.com/ext-auth:2.0.0-traced";
const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[test]
fn attached_and_detached_a_resource_is_the_same_to_the_byte() {
    let rules = json!([{ "domain": ["a.example.com"], "config": { "a": [1, { "b": null }] } }]);
    let specs = [
        json!({ "url": "oci://r/ext-auth:2.0.0" }),
        json!({ "url": "oci://r/ext-auth:2.0.0", "sha256": "", "vmConfig": {} }),
        json!({ "url": "file:///opt/p.wasm", "sha256": "abc", "phase": "AUTHN", "matchRules": rules }),
        json!({ "url": "u", "vmConfig": { "env": [] } }),
        json!({ "url": "u", "vmConfig": { "env": [{ "name": "A", "value": "1" }], "other": true } }),
    ];
    let flags: [&[&str]; 3] = [
        &[],
        &["--sha256", SHA256],
        &["--sha256", SHA256, "--env", "WASM_TRACER_RATE=0.1", "--host-env", "WASM_TRACER_TOKEN"],
    ];
    for (spec, flags) in specs.iter().flat_map(|spec| flags.iter().map(move |flags| (spec, flags)))
    {
        let folder = tempfile::tempdir().expect("a folder");
        let original = plugin(spec.clone());
        let done = attach(folder.path(), &original, &[&["--url", URL], *flags].concat());
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let patch = |verb: &str| -> Value {
            let file = folder.path().join(format!("ext-auth.{verb}.json"));
            let command = format!(
                "kubectl -n higress-system patch wasmplugins.extensions.higress.io ext-auth \
                 --type merge --patch-file {}\n",
                file.display()
            );
            assert!(said.contains(&command), "{said}");
            serde_json::from_slice(&std::fs::read(file).expect("a patch")).expect("JSON")
        };
        let mut resource = original.clone();
        apply(&mut resource, &patch("attach"));
        assert_eq!(resource["spec"]["url"], URL);
        // Nothing else has changed.
        let mut rest = [original.clone(), resource.clone()];
        for spec in rest.iter_mut().map(|one| one["spec"].as_object_mut().expect("a spec")) {
            spec.remove("url");
            spec.remove("sha256");
            let is_empty = spec.get_mut("vmConfig").and_then(Value::as_object_mut).map(|vm| {
                vm.remove("env");
                vm.is_empty()
            });
            if is_empty == Some(true) {
                spec.remove("vmConfig");
            }
        }
        assert_eq!(rest[0], rest[1]);
        apply(&mut resource, &patch("detach"));
        assert_eq!(resource.to_string(), original.to_string(), "{flags:?}");
    }
}

#[test]
fn the_users_own_variables_stay_and_ours_come_behind_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = json!({ "name": "A", "value": "1" });
    let resource = plugin(json!({ "url": "u", "vmConfig": { "env": [own] } }));
    let flags = ["--url", URL, "--env", "WASM_TRACER_RATE=0.1", "--host-env", "WASM_TRACER_TOKEN"];
    assert!(attach(folder.path(), &resource, &flags).status.success());
    let patch = std::fs::read(folder.path().join("ext-auth.attach.json")).expect("a patch");
    let patch: Value = serde_json::from_slice(&patch).expect("JSON");
    let ours = json!({ "name": "WASM_TRACER_RATE", "value": "0.1" });
    let token = json!({ "name": "WASM_TRACER_TOKEN", "valueFrom": "HOST" });
    assert_eq!(patch["spec"]["vmConfig"]["env"], json!([own, ours, token]));
}

#[test]
fn what_cannot_be_attached_is_refused_with_a_reason() {
    let refused = |resource: Value, flags: &[&str], reason: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let done = attach(folder.path(), &resource, flags);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(reason), "{said}");
        assert!(!folder.path().join("ext-auth.attach.json").exists());
    };
    let url = ["--url", URL];
    refused(json!({ "kind": "List", "items": [] }), &url, "no single one");
    refused(plugin(json!({ "url": URL })), &url, "attached already");
    let env = json!([{ "name": "WASM_TRACER_RATE", "value": "1" }]);
    refused(plugin(json!({ "url": "u", "vmConfig": { "env": env } })), &url, "attached already");
    let other = ["--url", URL, "--env", "RATE=1"];
    refused(
        plugin(json!({ "url": "u" })),
        &other,
        "a setting of the recorder is called WASM_TRACER_",
    );
    let misspelt = ["--url", URL, "--env", "WASM_TRACER_RAET=1"];
    refused(plugin(json!({ "url": "u" })), &misspelt, "has only WASM_TRACER_CLUSTER");
    refused(plugin(json!({ "url": "u" })), &["--url", ""], "a value is required for '--url");
    for (flags, reason) in [
        (
            &["--url", "ext-auth:2.0.0"][..],
            "an address begins with oci://, https://, http://, file://",
        ),
        (&["--url", "oci://"], "an address begins with"),
        (&["--url", URL, "--sha256", "9f86"], "a SHA-256 is 64 hex digits"),
        (&["--url", URL, "--env", "WASM_TRACER_RATE=7"], "a rate is a number from 0.0 to 1.0"),
        (
            &["--url", URL, "--env", "WASM_TRACER_RATE=1", "--env", "WASM_TRACER_RATE=0.1"],
            "WASM_TRACER_RATE is given twice",
        ),
        (
            &["--url", URL, "--env", "WASM_TRACER_TOKEN=t", "--host-env", "WASM_TRACER_TOKEN"],
            "WASM_TRACER_TOKEN is given twice",
        ),
    ] {
        refused(plugin(json!({ "url": "u" })), flags, reason);
    }
}

#[test]
fn the_way_back_to_the_original_is_not_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(
        attach(folder.path(), &plugin(json!({ "url": "u" })), &["--url", URL]).status.success()
    );
    let file = folder.path().join("ext-auth.detach.json");
    let way_back = std::fs::read(&file).expect("a patch");
    // Once more from the original is no harm.
    assert!(
        attach(folder.path(), &plugin(json!({ "url": "u" })), &["--url", URL]).status.success()
    );
    // Attached, and now to be attached with the next traced image.
    let next = ["--url", "oci://registry.example.com/ext-auth:2.0.1-traced"];
    let done = attach(folder.path(), &plugin(json!({ "url": URL })), &next);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("leads back to something else"), "{said}");
    assert_eq!(std::fs::read(&file).expect("a patch"), way_back);
}

#[test]
fn every_setting_that_the_readme_names_may_be_given() {
    let readme = include_str!("../../../README.md");
    let names: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `WASM_TRACER_")?.split('`').next())
        .collect();
    assert_eq!(names.len(), 12, "{names:?}");
    for name in names {
        let folder = tempfile::tempdir().expect("a folder");
        let setting = format!("WASM_TRACER_{name}");
        let flags = ["--url", URL, "--host-env", &setting];
        let done = attach(folder.path(), &plugin(json!({ "url": "u" })), &flags);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
