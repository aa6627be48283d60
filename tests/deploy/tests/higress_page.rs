//! `docs/higress.md` word by word, as far as it goes without a cluster and a container engine: every
//! command of the page is run, or what it names is looked at; a command that is neither is an error.

use std::path::Path;
use std::process::Command;

use deploy::{output, repository, text, tool, try_output};
use serde_json::json;

/// In the chart `higress` the gateway is a part of its dependency.
const GATEWAYS_TOKEN: &str = "higress-core.gateway.env.WASM_TRACER_TOKEN=";

/// The lines that are set as commands.
fn commands(page: &str) -> Vec<String> {
    let text = text(page);
    text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect()
}

/// The word behind a flag.
fn behind<'a>(words: &[&'a str], flag: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == flag)?;
    words.get(at + 1).copied()
}

fn exists(path: &str, command: &str) {
    assert!(repository().join(path).exists(), "{path} does not exist: {command}");
}

/// Runs a command of ours in a folder; answers what it prints.
fn run(words: &[&str], folder: &Path) -> String {
    let mut tracer = Command::new(e2e::tracer().expect("the command"));
    tracer.current_dir(folder).args(&words[1..]).env("WASM_TRACER_URL", "http://127.0.0.1:1");
    match (words[1], try_output(&mut tracer)) {
        // Their collector is in the cluster. That they would ask it is all that is seen here.
        ("tail" | "show", said) => {
            let said = said.expect_err("nobody answers");
            assert!(said.contains("no collector answers"), "{said}");
            String::new()
        }
        (_, said) => said.unwrap_or_else(|said| panic!("{said}")),
    }
}

#[test]
fn both_languages_have_the_same_commands() {
    assert_eq!(commands("docs/higress.md"), commands("docs/higress.zh-CN.md"));
}

#[test]
fn every_command_runs_or_names_what_exists() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = e2e::artifact("body-call-go.wasm").expect("the plugin");
    std::fs::copy(plugin, folder.path().join("plugin.wasm")).expect("copied");
    let resource = json!({
        "apiVersion": "extensions.higress.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": { "name": "ext-auth", "namespace": "higress-system" },
        "spec": { "url": "oci://registry.example.com/plugins/ext-auth:2.0.0" },
    });
    std::fs::write(folder.path().join("ext-auth.json"), resource.to_string()).expect("written");
    let mut printed = String::new();
    let mut patched = 0;
    for command in commands("docs/higress.md") {
        let words: Vec<_> = command.split_whitespace().collect();
        match words[..] {
            ["wasm-tracer", ..] => printed += &run(&words, folder.path()),
            ["docker", "exec", "-it", "wasm-tracer", "/wasm-tracer", ..] => {
                run(&words[4..], folder.path());
            }
            ["docker", "exec", "wasm-tracer", "/wasm-tracer", ..] => {
                run(&words[3..], folder.path());
            }
            ["kubectl", "apply" | "delete", "-k", folder] => {
                output(tool("KUSTOMIZE").args(["build", folder]));
            }
            ["kubectl", "apply" | "delete", "-f", file] => exists(file, &command),
            ["kubectl", "-n", "higress-system", "patch", "mcpbridge", ..] => {
                exists(behind(&words, "--patch-file").expect("a file"), &command);
            }
            ["kubectl", "-n", "higress-system", "patch", ..] => {
                assert!(
                    printed.contains(&format!("{command}\n")),
                    "{command} is not in\n{printed}"
                );
                let file = folder.path().join(behind(&words, "--patch-file").expect("a file"));
                assert!(file.is_file(), "{command}");
                patched += 1;
            }
            ["kubectl", "-n", "higress-system", "create" | "get" | "port-forward", ..] => {}
            ["helm", "install", ..] => {
                output(tool("HELM").arg("template").args(&words[2..]));
            }
            ["helm", "upgrade", ..] => {
                // Higress itself stays as it is.
                assert_eq!(behind(&words, "--version"), Some("INSTALLED"), "{command}");
                assert!(words.contains(&"--reuse-values"), "{command}");
                match behind(&words, "--set-string") {
                    Some(value) => assert!(value.starts_with(GATEWAYS_TOKEN), "{command}"),
                    None => exists(behind(&words, "--post-renderer").expect("a file"), &command),
                }
            }
            ["docker", "build", "-f", file, "--target", target, ..] => {
                let stage = format!(" AS {target}\n");
                assert!(text(file).contains(&stage), "{command}");
            }
            ["docker", "build" | "push" | "create" | "cp" | "rm" | "run", ..] => {}
            ["mkdir" | "cp" | "printf" | "export", ..] | [] => {}
            _ => panic!("nobody looks at this command: {command}"),
        }
    }
    assert_eq!(patched, 2);
}
