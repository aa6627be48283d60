//! The plugins that are measured, as they are and instrumented.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use wasm_encoder::{ExportSection, RawSection, Section};
use wasmparser::{Export, Parser, Payload};

use super::load::Request;

/// A plugin with what it needs to run.
#[derive(Clone, Debug)]
pub struct Plugin {
    pub name: String,
    pub kind: Kind,
    /// Instrumented ÷ original at most, by the project's budget.
    pub budget: Option<f64>,
    pub request: Request,
    pub configuration: &'static str,
}

/// Where its module comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A package of this workspace and the name of its library.
    Rust(&'static str, &'static str),
    /// A folder of this workspace with a Go module.
    Go(&'static str),
    File(PathBuf),
}

/// The plugins that the budgets are about.
pub fn known() -> Vec<Plugin> {
    let plugin = |name: &str, kind, budget, request, configuration| Plugin {
        name: name.to_owned(),
        kind,
        budget: Some(budget),
        request,
        configuration,
    };
    vec![
        plugin("empty-rust", Kind::Rust("empty-rust", "empty_rust"), 1.10, Request::Get, ""),
        plugin("wasm-go", Kind::Go("bench/plugins/wasm-go"), 1.08, Request::Get, "{}"),
        plugin(
            "one-call",
            Kind::Rust("body-call", "body_call"),
            1.10,
            Request::Post,
            r#"{"cluster": "callee", "path": "/check", "timeout_millis": 5000, "mode": "body"}"#,
        ),
    ]
}

/// The known plugin of that name, else the module in that file.
pub fn find(name: &str) -> anyhow::Result<Plugin> {
    if let Some(plugin) = known().into_iter().find(|plugin| plugin.name == name) {
        return Ok(plugin);
    }
    let path = PathBuf::from(name);
    if !path.is_file() {
        let names: Vec<String> = known().into_iter().map(|plugin| plugin.name).collect();
        bail!("{name} is no file and none of {}", names.join(", "));
    }
    Ok(Plugin {
        name: name.to_owned(),
        kind: Kind::File(path),
        budget: None,
        request: Request::Get,
        configuration: "{}",
    })
}

impl Plugin {
    /// The module that a stock Envoy loads, built if it is one of this workspace's.
    pub fn original(&self, scratch: &Path) -> anyhow::Result<Vec<u8>> {
        let file = match &self.kind {
            Kind::File(path) => path.clone(),
            Kind::Rust(package, library) => build_rust(package, library)?,
            Kind::Go(folder) => build_go(folder, scratch)?,
        };
        let module =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        with_stock_marker(&module).with_context(|| format!("{} is no wasm module", file.display()))
    }
}

fn workspace() -> &'static Path {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench)
}

fn build_rust(package: &str, library: &str) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(workspace()).args(["build", "--quiet", "--release", "--package", package]);
    run(build.args(["--target", "wasm32-wasip1"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let built = format!("wasm32-wasip1/release/{library}.wasm");
    Ok(workspace().join(target).join(built))
}

fn build_go(folder: &str, scratch: &Path) -> anyhow::Result<PathBuf> {
    let built = scratch.join("built.wasm");
    let mut build = Command::new(std::env::var_os("GO").unwrap_or_else(|| "go".into()));
    build.current_dir(workspace().join(folder));
    build.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOTOOLCHAIN", "local");
    run(build.args(["build", "-buildmode=c-shared", "-trimpath", "-o"]).arg(&built).arg("."))?;
    Ok(built)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {program}: install it, or leave its plugin out"))?;
    if !output.status.success() {
        bail!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The same module under the ABI marker that a stock Envoy knows. The instrumenter does that too, so
/// both sides are loaded alike.
fn with_stock_marker(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    const HIGRESS: &str = "proxy_abi_version_0_2_100";
    const STOCK: &str = "proxy_abi_version_0_2_1";
    let mut out = wasm_encoder::Module::HEADER.to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ExportSection(exports) = payload {
            let exports = exports.into_iter().collect::<Result<Vec<Export<'_>>, _>>()?;
            let mut section = ExportSection::new();
            for export in exports {
                let name = if export.name == HIGRESS { STOCK } else { export.name };
                section.export(name, export.kind.into(), export.index);
            }
            section.append_to(&mut out);
        } else if let Some((id, range)) = payload.as_section() {
            let data = &module[range.start as usize..range.end as usize];
            RawSection { id, data }.append_to(&mut out);
        }
    }
    Ok(out)
}
