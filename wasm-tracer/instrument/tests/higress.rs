//! The compiled Higress plugins, 22 modules of 0.4 to 9 MB in Go and C++, from the folder that
//! `WASM_TRACER_HIGRESS_PLUGINS` names (`cargo xtask test` fetches them).

mod support;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use instrument::{Options, Sdk};
use wasmparser::{FunctionBody, Operator, Parser, Payload, Validator};

fn plugins() -> Result<Vec<PathBuf>> {
    let folder = std::env::var_os("WASM_TRACER_HIGRESS_PLUGINS")
        .context("the Higress plugins are not there; run cargo xtask test")?;
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files)?;
    ensure!(!files.is_empty(), "there is no .wasm file in {}", folder.display());
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    Ok(())
}

#[test]
fn doing_nothing_changes_no_instruction_of_higress_plugins() -> Result<()> {
    for file in plugins()? {
        let original = std::fs::read(&file)?;
        let identity = instrument::identity(&original)?;
        Validator::new().validate_all(&identity).with_context(|| file.display().to_string())?;
        let (before, after) = (items(&original)?, items(&identity)?);
        let other = before.iter().zip(&after).find(|(before, after)| before != after);
        ensure!(other.is_none() && before.len() == after.len(), "{}: {other:?}", file.display());
        let (before, after) = (bodies(&original)?, bodies(&identity)?);
        ensure!(before.len() == after.len(), "{} lost functions", file.display());
        for (before, after) in before.iter().zip(&after) {
            ensure!(same_code(before, after)?, "{} has other code", file.display());
        }
    }
    Ok(())
}

#[test]
fn every_plugin_of_higress_is_rewritten_for_both_hosts() -> Result<()> {
    for file in plugins()? {
        let original = std::fs::read(&file)?;
        for host in [abi::Host::Higress, abi::Host::Envoy] {
            let options =
                Options { host: Some(host), cluster: "wasm-tracer".into(), ..Options::default() };
            // The committed recorder, and validation inside.
            let done = instrument::instrument(&original, &options)
                .with_context(|| file.display().to_string())?;
            let report = &done.report;
            ensure!(
                matches!(report.sdk, Sdk::HigressGo | Sdk::Cpp | Sdk::Rust),
                "{} is taken for {}",
                file.display(),
                report.sdk
            );
            ensure!(!report.callbacks.is_empty(), "{}: nothing is hooked", file.display());
            ensure!(report.left_alone.is_empty(), "{}\n{report}", file.display());
            ensure!(report.sizes.recorder <= 64 * 1024, "{}\n{report}", file.display());
        }
    }
    Ok(())
}

/// Items of all sections but the code. Custom sections may have moved: they come last, by name.
fn items(module: &[u8]) -> Result<Vec<String>> {
    let (mut items, mut customs) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(section) => {
                for item in section {
                    let types: Vec<_> = item?.into_types().collect();
                    items.push(format!("{types:?}"));
                }
            }
            Payload::ImportSection(section) => {
                for item in section.into_imports() {
                    items.push(format!("{:?}", item?));
                }
            }
            Payload::FunctionSection(section) => {
                items.push(format!("{:?}", section.into_iter().collect::<Vec<_>>()));
            }
            Payload::ExportSection(section) => {
                items.push(format!("{:?}", section.into_iter().collect::<Vec<_>>()));
            }
            Payload::MemorySection(section) => {
                items.push(format!("{:?}", section.into_iter().collect::<Vec<_>>()));
            }
            Payload::DataSection(section) => {
                for item in section {
                    items.push(format!("{:?}", item?.data));
                }
            }
            Payload::CustomSection(section) => {
                customs.push(format!("{} {:?}", section.name(), section.data()));
            }
            _ => {}
        }
    }
    customs.sort();
    items.extend(customs);
    Ok(items)
}

fn bodies(module: &[u8]) -> Result<Vec<FunctionBody<'_>>> {
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionEntry(body) = payload? {
            bodies.push(body);
        }
    }
    Ok(bodies)
}

fn same_code(left: &FunctionBody<'_>, right: &FunctionBody<'_>) -> Result<bool> {
    let locals = |body: &FunctionBody<'_>| -> Result<Vec<_>> {
        Ok(body.get_locals_reader()?.into_iter().collect::<Result<_, _>>()?)
    };
    let (mut one, mut two) = (left.get_operators_reader()?, right.get_operators_reader()?);
    while !one.eof() && !two.eof() {
        if !same_operator(&one.read()?, &two.read()?) {
            return Ok(false);
        }
    }
    Ok(one.eof() && two.eof() && locals(left)? == locals(right)?)
}

/// A branch table compares by the bytes it is read from, which have moved.
fn same_operator(one: &Operator<'_>, two: &Operator<'_>) -> bool {
    match (one, two) {
        (Operator::BrTable { targets: one }, Operator::BrTable { targets: two }) => {
            one.default() == two.default()
                && one.targets().flatten().eq(two.targets().flatten())
                && one.len() == two.len()
        }
        _ => one == two,
    }
}
