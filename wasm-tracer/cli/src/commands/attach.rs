//! `attach`: two patches from a WasmPlugin as it is, one that puts the traced plugin in its place and
//! one that takes it back. Nothing else of the resource is touched.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use serde_json::{Map, Value, json};

use super::instrument::{rate, write_whole};

/// Variables that begin like this are the recorder's.
pub const PREFIX: &str = "WASM_TRACER_";
/// What stands behind it: all settings of the recorder.
pub const SETTINGS: [&str; 12] = [
    "CLUSTER",
    "AUTHORITY",
    "TOKEN",
    "RATE",
    "BUFFER_BYTES",
    "FLUSH_MILLIS",
    "HEARTBEAT_SECONDS",
    "HEADERS",
    "NAME_EARLY",
    "LOG_LEVEL",
    "ENABLED",
    "WARN_SECONDS",
];

#[derive(clap::Args)]
pub struct Args {
    /// The WasmPlugin as `kubectl get -o json` prints it
    resource: PathBuf,
    /// Where the host finds the traced plugin: oci://, https://, file:///
    #[arg(long, value_parser = NonEmptyStringValueParser::new().try_map(url))]
    url: String,
    /// Checksum of the traced plugin, or digest of its image; without it none is checked
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: Option<String>,
    /// A setting of the recorder
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// A setting of the recorder whose value the host has in its own environment
    #[arg(long = "host-env", value_name = "NAME", value_parser = name)]
    from_host: Vec<String>,
    /// Folder for the two patches
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let mut given = BTreeSet::new();
    for name in args.settings.iter().map(|(name, _)| name).chain(&args.from_host) {
        if !given.insert(name) {
            bail!("{name} is given twice: the host takes one value of a variable");
        }
    }
    let file = args.resource.display();
    let text = std::fs::read(&args.resource).with_context(|| format!("cannot read {file}"))?;
    let resource: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{file} is not JSON: print it with kubectl get -o json"))?;
    let plugin = Plugin::of(&resource).with_context(|| format!("{file} is of no use"))?;
    let (attach, detach) = patches(&plugin, args)?;
    let path = |verb: &str| args.output.join(format!("{}.{verb}.json", plugin.name));
    keep_way_back(&path("detach"), &detach)?;
    let write = |verb: &str, patch: &Value| -> Result<PathBuf> {
        let path = path(verb);
        write_whole(&path, format!("{patch:#}\n").as_bytes())?;
        Ok(path)
    };
    let attach = write("attach", &attach)?;
    let detach = write("detach", &detach)?;
    let mut out = std::io::stdout();
    writeln!(out, "to attach:  {}", plugin.command(&attach))?;
    writeln!(out, "to detach:  {}", plugin.command(&detach))?;
    Ok(())
}

/// A detach patch that leads elsewhere is the only way back for a plugin that is attached by it (with another
/// image it does not look attached), or belongs to another plugin of the same name. It is not written over.
fn keep_way_back(path: &Path, detach: &Value) -> Result<()> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        // What cannot be read may be the way back all the same.
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if serde_json::from_slice::<Value>(&text).is_ok_and(|there| there == *detach) {
        return Ok(());
    }
    bail!(
        "{} is there already and leads back to something else: apply it first, or, if it is not needed any \
         more, move it away; or give another folder with -o",
        path.display()
    )
}

/// What of a WasmPlugin is of use here.
struct Plugin<'a> {
    group: &'a str,
    namespace: &'a str,
    name: &'a str,
    spec: &'a Map<String, Value>,
}

impl<'a> Plugin<'a> {
    fn of(resource: &'a Value) -> Result<Self> {
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        let group = text(&resource["apiVersion"]).split('/').next().unwrap_or_default();
        let is_known = ["extensions.higress.io", "extensions.istio.io"].contains(&group);
        if resource["kind"] != "WasmPlugin" || !is_known {
            bail!(
                "it is no WasmPlugin of Higress or Istio, and no single one: name one to kubectl"
            );
        }
        let (Some(name), Some(spec)) =
            (resource["metadata"]["name"].as_str(), resource["spec"].as_object())
        else {
            bail!("it has no name or no spec: print the whole resource");
        };
        let metadata = &resource["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or("default");
        Ok(Self { group, namespace, name, spec })
    }

    fn environment(&self) -> Vec<Value> {
        let env = self.spec.get("vmConfig").and_then(|vm| vm.get("env"));
        env.and_then(Value::as_array).cloned().unwrap_or_default()
    }

    fn command(&self, patch: &Path) -> String {
        let Self { group, namespace, name, .. } = self;
        let file = patch.display();
        format!(
            "kubectl -n {namespace} patch wasmplugins.{group} {name} --type merge --patch-file {file}"
        )
    }
}

/// The merge patch that attaches and the one that takes it back.
fn patches(plugin: &Plugin<'_>, args: &Args) -> Result<(Value, Value)> {
    let spec = plugin.spec;
    let mut environment = plugin.environment();
    let is_ours = |one: &Value| one["name"].as_str().is_some_and(|name| name.starts_with(PREFIX));
    if environment.iter().any(is_ours) || spec.get("url").is_some_and(|url| *url == args.url) {
        bail!(
            "{} is attached already: apply its detach patch first, so that the way back leads to the original",
            plugin.name
        );
    }
    let inline = args.settings.iter().map(|(name, value)| json!({ "name": name, "value": value }));
    let host = args.from_host.iter().map(|name| json!({ "name": name, "valueFrom": "HOST" }));
    environment.extend(inline.chain(host));

    // In a merge patch a list replaces a list, and null takes away.
    let original = |field: &str| spec.get(field).cloned().unwrap_or(Value::Null);
    let mut attach = json!({ "url": args.url });
    let mut detach = json!({ "url": original("url") });
    if args.sha256.is_some() || spec.contains_key("sha256") {
        attach["sha256"] = json!(args.sha256);
        detach["sha256"] = original("sha256");
    }
    if !args.settings.is_empty() || !args.from_host.is_empty() {
        attach["vmConfig"] = json!({ "env": environment });
        detach["vmConfig"] = match spec.get("vmConfig") {
            Some(vm) => json!({ "env": vm.get("env").cloned().unwrap_or(Value::Null) }),
            None => Value::Null,
        };
    }
    Ok((json!({ "spec": attach }), json!({ "spec": detach })))
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is written NAME=VALUE")?;
    let key = name(key)?;
    if key == "WASM_TRACER_RATE" {
        rate(value)?;
    }
    Ok((key, value.to_owned()))
}

/// With its scheme: hosts take an address without one for an image, a slip of the pen among them.
fn url(text: String) -> Result<String, String> {
    let schemes = ["oci://", "https://", "http://", "file://"];
    let of = |scheme: &&str| text.strip_prefix(*scheme);
    match schemes.iter().find_map(of) {
        Some(rest) if !rest.is_empty() => Ok(text),
        _ => Err(format!("an address begins with {}", schemes.join(", "))),
    }
}

fn sha256(text: &str) -> Result<String, String> {
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_owned()),
        false => Err("a SHA-256 is 64 hex digits, with nothing before them".to_owned()),
    }
}

fn name(text: &str) -> Result<String, String> {
    match text.strip_prefix(PREFIX) {
        Some(rest) if SETTINGS.contains(&rest) => Ok(text.to_owned()),
        Some(_) => Err(format!("the recorder has only {PREFIX}{}", SETTINGS.join(", …_"))),
        None => Err(format!("a setting of the recorder is called {PREFIX}…")),
    }
}
