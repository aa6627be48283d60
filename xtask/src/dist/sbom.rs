//! What the command is made of, as CycloneDX 1.5: the crates that are in the binary for one of the
//! platforms, what Rust itself brings, and the code in C that two of the crates carry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::binary::PLATFORMS;
use crate::{command, hash, places};

/// A crate by name and version: its sources differ, but no two of one name and version are linked.
type Crate = (String, String);

/// Of the command `wasm-tracer`. `time` is when the commit was made.
pub fn of_command(version: &str, time: &str) -> anyhow::Result<String> {
    let root = ("wasm-tracer".to_owned(), version.to_owned());
    let (linked, rust) = (linked()?, rust()?);
    let described = described()?;
    let mut components = Vec::new();
    let mut edges = BTreeMap::new();
    for one in &linked {
        let known = described.get(one).with_context(|| format!("cargo does not know {one:?}"))?;
        let mut needs: BTreeSet<String> =
            known.needs.iter().filter(|needed| linked.contains(*needed)).map(purl).collect();
        if let Some(part) = carried(one, &known.folder)? {
            needs.insert(part.purl());
            components.push(part.component());
        }
        if *one == root {
            needs.insert(rust.purl());
        } else {
            components.push(known.component(one));
        }
        edges.insert(purl(one), needs);
    }
    edges.insert(rust.purl(), BTreeSet::new());
    components.push(rust.component());
    components.sort_by_key(|component| component["bom-ref"].to_string());
    let dependencies: Vec<_> =
        edges.into_iter().map(|(of, needs)| json!({ "ref": of, "dependsOn": needs })).collect();
    let mut document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "tools": { "components": [
                { "type": "application", "name": "cargo xtask dist", "version": version }
            ] },
            "component": {
                "type": "application",
                "bom-ref": purl(&root),
                "name": root.0,
                "version": root.1,
                "licenses": [{ "expression": described[&root].license }],
                "purl": purl(&root),
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    document["serialNumber"] = Value::String(serial_number(&document));
    Ok(format!("{document:#}\n"))
}

/// The crates whose code is in a binary, by the features that this one has.
fn linked() -> anyhow::Result<BTreeSet<Crate>> {
    let mut linked = BTreeSet::new();
    for platform in PLATFORMS {
        let mut cargo = command::cargo();
        cargo.args(["tree", "--locked", "--package", "wasm-tracer", "--target", platform.triple]);
        cargo.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
        for line in command::output(&mut cargo)?.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
            linked.insert((name.to_owned(), version.trim_start_matches('v').to_owned()));
        }
    }
    Ok(linked)
}

/// What cargo knows of a crate.
struct Known {
    license: String,
    /// Of the package as the registry serves it; ours have none.
    sha256: Option<String>,
    repository: Option<String>,
    folder: String,
    needs: BTreeSet<Crate>,
}

impl Known {
    fn component(&self, one: &Crate) -> Value {
        let mut component = json!({
            "type": "library",
            "bom-ref": purl(one),
            "name": one.0,
            "version": one.1,
            "licenses": [{ "expression": self.license }],
            "purl": purl(one),
        });
        if let Some(sha256) = &self.sha256 {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
        }
        if let Some(url) = &self.repository {
            component["externalReferences"] = json!([{ "type": "vcs", "url": url }]);
        }
        component
    }
}

fn described() -> anyhow::Result<BTreeMap<Crate, Known>> {
    let mut cargo = command::cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&command::output(&mut cargo)?)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let checksums = checksums(&std::fs::read_to_string(places::workspace().join("Cargo.lock"))?);
    let mut by_id = BTreeMap::new();
    let mut described = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let (Some(name), Some(version)) = (text(&package["name"]), text(&package["version"]))
        else {
            continue;
        };
        let one = (name, version);
        let manifest = text(&package["manifest_path"]).unwrap_or_default();
        let known = Known {
            // Old crates write `MIT/Apache-2.0`.
            license: text(&package["license"])
                .with_context(|| format!("{} names no licence", one.0))?
                .replace('/', " OR "),
            sha256: checksums.get(&one).cloned(),
            repository: text(&package["repository"]),
            folder: Path::new(&manifest).parent().unwrap_or(Path::new("")).display().to_string(),
            needs: BTreeSet::new(),
        };
        by_id.insert(package["id"].to_string(), one.clone());
        described.insert(one, known);
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let needs = list(&node["deps"])
            .into_iter()
            .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
        let needs = needs.filter_map(|dep| by_id.get(&dep["pkg"].to_string()).cloned()).collect();
        let one = by_id.get(&node["id"].to_string());
        if let Some(known) = one.and_then(|one| described.get_mut(one)) {
            known.needs = needs;
        }
    }
    Ok(described)
}

/// From Cargo.lock.
fn checksums(lock: &str) -> BTreeMap<Crate, String> {
    let value = |block: &str, key: &str| {
        let start = format!("{key} = \"");
        let line = block.lines().find_map(|line| line.strip_prefix(start.as_str()))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]").skip(1);
    let of_block = |block: &str| {
        Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?))
    };
    blocks.filter_map(of_block).collect()
}

/// What is no crate.
struct Part {
    name: &'static str,
    version: String,
    license: &'static str,
}

impl Part {
    fn purl(&self) -> String {
        format!("pkg:generic/{}@{}", self.name, self.version)
    }

    fn component(&self) -> Value {
        json!({
            "type": "library",
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "licenses": [{ "expression": self.license }],
            "purl": self.purl(),
        })
    }
}

/// The code in C that a crate carries.
fn carried(one: &Crate, folder: &str) -> anyhow::Result<Option<Part>> {
    Ok(match one.0.as_str() {
        "libsqlite3-sys" => {
            let header = std::fs::read_to_string(Path::new(folder).join("sqlite3/sqlite3.h"))?;
            let version = header
                .lines()
                .find_map(|line| line.strip_prefix("#define SQLITE_VERSION ")?.split('"').nth(1));
            let version = version.context("sqlite3.h does not say its version")?.to_owned();
            // SQLite's dedication to the public domain, as SPDX calls it.
            Some(Part { name: "sqlite", version, license: "blessing" })
        }
        "zstd-sys" => {
            let version = one.1.split_once("+zstd.").context("zstd-sys does not say its zstd")?.1;
            Some(Part { name: "zstd", version: version.to_owned(), license: "BSD-3-Clause" })
        }
        _ => None,
    })
}

/// The standard library of the pinned toolchain, with the musl that it brings.
fn rust() -> anyhow::Result<Part> {
    let pinned = std::fs::read_to_string(places::workspace().join("rust-toolchain.toml"))?;
    let version =
        pinned.lines().find_map(|line| line.strip_prefix("channel = \"")?.split('"').next());
    let version = version.context("rust-toolchain.toml names no channel")?.to_owned();
    Ok(Part { name: "rust-std", version, license: "(MIT OR Apache-2.0) AND MIT" })
}

fn purl(one: &Crate) -> String {
    // A version's `+` separates what a package URL would read as a space.
    format!("pkg:cargo/{}@{}", one.0, one.1.replace('+', "%2B"))
}

/// Of what the document says, so that the same document has the same.
fn serial_number(document: &Value) -> String {
    let hash = Sha256::digest(document.to_string());
    let mut bytes: [u8; 16] = std::array::from_fn(|at| hash[at]);
    // Version 8 (made as its maker likes) of the usual variant.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |range: std::ops::Range<usize>| hash::hex(&bytes[range]);
    format!("urn:uuid:{}-{}-{}-{}-{}", hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{of_command, serial_number};

    fn texts(list: &Value, key: &str) -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|item| item[key].as_str().expect(key).to_owned()).collect()
    }

    #[test]
    fn it_names_what_is_in_the_binary_and_nothing_else_and_every_reference_leads_somewhere() {
        let version = env!("CARGO_PKG_VERSION");
        let document = of_command(version, "2026-01-02T03:04:05Z").expect("a document");
        let document: Value = serde_json::from_str(&document).expect("JSON");
        let components = &document["components"];
        let names: BTreeSet<_> = texts(components, "name").into_iter().collect();
        for inside in ["timeline", "collector", "tokio", "rusqlite", "sqlite", "zstd", "rust-std"] {
            assert!(names.contains(inside), "{inside}");
        }
        // Of tests, of builds, of another platform, and the command itself, which it is about.
        for outside in ["proptest", "cc", "serde_derive", "windows-sys", "xtask", "wasm-tracer"] {
            assert!(!names.contains(outside), "{outside}");
        }
        let mut refs: BTreeSet<_> = texts(components, "bom-ref").into_iter().collect();
        assert_eq!(refs.len(), texts(components, "bom-ref").len(), "each is there once");
        let root = document["metadata"]["component"]["bom-ref"].as_str().expect("a root");
        refs.insert(root.to_owned());
        let mut reached = BTreeSet::new();
        let mut next = vec![root.to_owned()];
        while let Some(one) = next.pop() {
            if !reached.insert(one.clone()) {
                continue;
            }
            assert!(refs.contains(&one), "{one} is no component");
            let edges = document["dependencies"].as_array().expect("edges").iter();
            for edge in edges.filter(|edge| edge["ref"] == one.as_str()) {
                let needs = edge["dependsOn"].as_array().expect("a list");
                next.extend(needs.iter().map(|need| need.as_str().expect("a text").to_owned()));
            }
        }
        assert_eq!(reached, refs, "something is needed by nothing");
        for component in components.as_array().expect("a list") {
            let is_of_registry = component["hashes"].is_array();
            let hash = component["hashes"][0]["content"].as_str().unwrap_or_default();
            assert!(!is_of_registry || hash.len() == 64, "{component}");
            assert!(!component["licenses"][0]["expression"].as_str().unwrap_or("").is_empty());
        }
    }

    #[test]
    fn its_serial_number_is_a_uuid_of_what_it_says() {
        let number = serial_number(&serde_json::json!({ "version": 1 }));
        assert_eq!(number, serial_number(&serde_json::json!({ "version": 1 })));
        assert_ne!(number, serial_number(&serde_json::json!({ "version": 2 })));
        let uuid = number.strip_prefix("urn:uuid:").expect("a URN");
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(uuid[14..].starts_with('8') && "89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
