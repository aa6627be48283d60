//! The listeners of a case: its chain of plugins on one Envoy, once as they are and once instrumented.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use super::{Case, stock};
use crate::envoy_config::{self, Module};
use crate::{environment, stack};

/// A case runs twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Original,
    Traced,
}

impl Variant {
    /// The listener's name.
    pub(super) fn listener(self, case: &Case) -> String {
        format!("{} ({self:?})", case.name)
    }
}

/// The listener itself; its modules are made in `folder`. `older`: for an Envoy before 1.39.
pub(super) fn listener(
    case: &Case,
    variant: Variant,
    older: bool,
    folder: &Path,
) -> anyhow::Result<Value> {
    let mut filters = vec![filter("properties", &properties(folder)?, &Value::Null, variant)];
    for (position, (file, configuration)) in case.chain.iter().enumerate() {
        let wasm = module(file, variant, older, folder)?;
        filters.push(filter(&format!("{}.{position}", case.name), &wasm, configuration, variant));
    }
    let route = match case.routed_by_header {
        true => json!({ "cluster_header": "x-higress-target-cluster" }),
        false => envoy_config::to_cluster("outbound|80||model-1-2.static"),
    };
    Ok(envoy_config::listener(&variant.listener(case), filters, route))
}

fn filter(name: &str, file: &Path, configuration: &Value, variant: Variant) -> Value {
    // The C++ SDK looks the plugin up by its root; those of Higress are registered without one.
    let root = "";
    // Cases of one module share its VM: it is compiled once. Shared data is by this id, so the two
    // variants see nothing of each other.
    let vm = &format!("field-{variant:?}");
    Module { name, root, vm, configuration, file }.filter()
}

/// The filter that knows what only Higress tells.
fn properties(folder: &Path) -> anyhow::Result<PathBuf> {
    let place = folder.join("properties.wasm");
    std::fs::write(&place, wat::parse_str(include_str!("properties.wat"))?)?;
    Ok(place)
}

/// The module as Envoy shall load it, made when it is not there yet.
fn module(file: &str, variant: Variant, older: bool, folder: &Path) -> anyhow::Result<PathBuf> {
    let place = folder.join(format!("{variant:?}.{file}.wasm"));
    if place.exists() {
        return Ok(place);
    }
    let mut original = environment::higress_plugin(file)?;
    if older {
        let wasm = stock::for_older_envoy(&std::fs::read(&original)?)?;
        original = folder.join(format!("older.{file}.wasm"));
        std::fs::write(&original, wasm)?;
    }
    match variant {
        Variant::Traced => stack::instrument(&original, &place)?,
        Variant::Original => {
            let wasm = stock::for_stock_envoy(&std::fs::read(&original)?)
                .with_context(|| format!("{file} cannot be made fit for a stock Envoy"))?;
            std::fs::write(&place, wasm)?;
        }
    }
    Ok(place)
}
