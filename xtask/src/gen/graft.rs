//! Builds the graft: the recorder as a bare wasm module, the same bytes on every x86_64 Linux; and checks
//! what the instrumenter relies on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use abi::Hostcall;
use abi::graft::{exports, imports};
use anyhow::{Context, bail, ensure};
use wasmparser::{
    BinaryReader, ExternalKind, FunctionBody, KnownCustom, Operator, Parser, Payload, TypeRef,
    Validator, WasmFeatures,
};

/// Bytes of stack that the graft is linked with.
const STACK_BYTES: u32 = 16 * 1024;
/// Bytes of it that stay free in the deepest call chain: after lowering an overflow would not trap but
/// run into the recorder's data, and then into the plugin's.
const STACK_SPARE: u32 = 4 * 1024;
/// Memory in all, without the pages of skeletons.
const MEMORY_PAGES: u64 = 4;

/// Builds the graft of the workspace, checks it and answers its bytes.
pub fn build(workspace: &Path) -> anyhow::Result<Vec<u8>> {
    let target = crate::places::target();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace).join("\u{1f}"))
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .args(["build", "--quiet", "--profile", "graft", "--package", "graft"])
        .args(["--target", "wasm32-unknown-unknown"]);
    let output = cargo.output().context("cargo could not be started")?;
    if !output.status.success() {
        bail!("the graft does not build:\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let built = target.join("wasm32-unknown-unknown/graft/graft.wasm");
    let bytes = std::fs::read(&built)
        .with_context(|| format!("cargo did not build {}", built.display()))?;
    let report = inspect(&bytes)?;
    println!(
        "  graft: {} bytes (code {}, data {}, names {}), {} pages, deepest stack {} of {STACK_BYTES} bytes",
        bytes.len(),
        report.code,
        report.data,
        report.names,
        report.pages,
        report.deepest,
    );
    Ok(bytes)
}

/// Says whether the committed graft is what the source gives, and whether it is what it must be.
pub fn check(workspace: &Path) -> anyhow::Result<()> {
    let committed = std::fs::read(workspace.join("wasm-tracer/graft/graft.wasm"))?;
    inspect(&committed)?;
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        println!("  graft.wasm is not compared: only builds on x86_64 Linux give the same bytes");
        return Ok(());
    }
    if build(workspace)? != committed {
        bail!("wasm-tracer/graft/graft.wasm is not current: run `cargo xtask gen graft`");
    }
    Ok(())
}

/// What rustc is told: only MVP, mutable globals and bulk memory; a small stack above the data, so that
/// the recorder starts with its data; no paths of this machine.
fn flags(workspace: &Path) -> Vec<String> {
    let mut flags = vec![format!("--remap-path-prefix={}=/workspace", workspace.display())];
    if let Some(home) = crate::places::cargo_home() {
        flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    }
    let export = format!("-Clink-arg=--export={}", exports::CONFIG);
    let stack = format!("-Clink-arg=-zstack-size={STACK_BYTES}");
    let rest = [
        "-Ctarget-cpu=mvp",
        "-Ctarget-feature=+bulk-memory,+mutable-globals",
        "-Clink-arg=--no-stack-first",
        "-Cstrip=debuginfo",
        &stack,
        &export,
    ];
    flags.extend(rest.map(str::to_owned));
    flags
}

/// What was measured.
struct Report {
    code: usize,
    data: usize,
    names: usize,
    pages: u64,
    deepest: u32,
}

/// One function: what its frame takes, and whom it calls.
struct Function {
    frame: u32,
    calls: Vec<u32>,
}

/// The graft as far as it was read.
#[derive(Default)]
struct Graft {
    imported: u32,
    functions: Vec<Function>,
    exported: Vec<String>,
    entries: Vec<u32>,
    names: BTreeMap<u32, String>,
    pages: u64,
    sizes: (usize, usize, usize),
}

/// Checks a graft.
fn inspect(bytes: &[u8]) -> anyhow::Result<Report> {
    let features = WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::GC_TYPES;
    Validator::new_with_features(features)
        .validate_all(bytes)
        .context("the graft needs more than MVP, mutable globals and bulk memory")?;
    let graft = read(bytes)?;
    for name in exports::FUNCTIONS.iter().chain([&exports::CONFIG]) {
        ensure!(graft.exported.iter().any(|e| e == name), "the graft does not export `{name}`");
    }
    ensure!(graft.pages <= MEMORY_PAGES, "the graft takes {} pages of memory", graft.pages);
    let mut deepest = 0;
    for entry in &graft.entries {
        deepest = deepest.max(depth(&graft, *entry, &mut Vec::new())?);
    }
    ensure!(
        deepest <= STACK_BYTES - STACK_SPARE,
        "the deepest call chain takes {deepest} bytes of the stack's {STACK_BYTES}, and {STACK_SPARE} are to stay free"
    );
    let (code, data, names) = graft.sizes;
    Ok(Report { code, data, names, pages: graft.pages, deepest })
}

fn read(bytes: &[u8]) -> anyhow::Result<Graft> {
    let mut graft = Graft::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    import_is_known(import.module, import.name)?;
                    ensure!(
                        matches!(import.ty, TypeRef::Func(_)),
                        "the graft imports `{}`, which is no function",
                        import.name
                    );
                    graft.imported += 1;
                }
            }
            Payload::TableSection(section) => {
                ensure!(
                    section.count() == 0,
                    "the graft has a table: something is called indirectly"
                );
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    graft.pages += memory?.initial;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    graft.exported.push(export.name.to_owned());
                    if export.kind == ExternalKind::Func {
                        graft.entries.push(export.index);
                    }
                }
            }
            Payload::CodeSectionStart { size, .. } => graft.sizes.0 = size as usize,
            Payload::CodeSectionEntry(body) => graft.functions.push(function(&body)?),
            Payload::DataSection(section) => {
                graft.sizes.1 = {
                    let range = section.range();
                    usize::try_from(range.end - range.start)?
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(_) = section.as_known() {
                    graft.sizes.2 = section.data().len();
                    graft.names = names(section.data(), section.data_offset());
                }
            }
            _ => {}
        }
    }
    Ok(graft)
}

fn import_is_known(module: &str, name: &str) -> anyhow::Result<()> {
    if module == imports::MODULE {
        ensure!(
            name != imports::PANIC,
            "the graft can panic: find what with `wasm-tools print`, and use get() or saturating arithmetic"
        );
        let known =
            [imports::READ, imports::WRITE, imports::BASE, imports::PAGES, imports::PLUGIN_PAGES];
        ensure!(known.contains(&name), "the graft imports `graft.{name}`, which nobody gives it");
        return Ok(());
    }
    let row = Hostcall::from_import(module, name);
    ensure!(row.is_some(), "the graft imports `{module}.{name}`, which has no row in abi");
    Ok(())
}

/// A frame is `global.get 0; i32.const N; i32.sub` at a function's beginning: global 0 is the stack
/// pointer. One that moves it otherwise is not understood, and refused.
fn function(body: &FunctionBody<'_>) -> anyhow::Result<Function> {
    let mut found = Function { frame: 0, calls: Vec::new() };
    let mut before = (None, None);
    let mut moves = false;
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        match &operator {
            Operator::Call { function_index } => found.calls.push(*function_index),
            Operator::CallIndirect { .. } => bail!("the graft calls indirectly"),
            Operator::GlobalSet { global_index: 0 } => moves = true,
            Operator::I32Sub => {
                if let (
                    Some(Operator::GlobalGet { global_index: 0 }),
                    Some(Operator::I32Const { value }),
                ) = &before
                {
                    found.frame = found.frame.max(u32::try_from(*value)?);
                }
            }
            _ => {}
        }
        before = (before.1, Some(operator));
    }
    ensure!(
        found.frame > 0 || !moves,
        "a function of the graft moves the stack pointer in a way that is not understood"
    );
    Ok(found)
}

/// Bytes of stack that the deepest chain from a function takes; an error where it calls itself.
fn depth(graft: &Graft, index: u32, chain: &mut Vec<u32>) -> anyhow::Result<u32> {
    let Some(function) =
        index.checked_sub(graft.imported).and_then(|at| graft.functions.get(at as usize))
    else {
        return Ok(0);
    };
    let name = graft.names.get(&index).map_or("?", String::as_str);
    ensure!(!chain.contains(&index), "the graft calls itself: `{name}`");
    chain.push(index);
    let mut deepest = 0;
    for call in &function.calls {
        deepest = deepest.max(depth(graft, *call, chain)?);
    }
    chain.pop();
    Ok(deepest + function.frame)
}

fn names(data: &[u8], offset: u64) -> BTreeMap<u32, String> {
    let mut all = BTreeMap::new();
    let reader = wasmparser::NameSectionReader::new(BinaryReader::new(data, offset));
    for part in reader.into_iter().flatten() {
        if let wasmparser::Name::Function(map) = part {
            for naming in map.into_iter().flatten() {
                all.insert(naming.index, naming.name.to_owned());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of stack that a module's deepest chain takes.
    fn deepest(text: &str) -> anyhow::Result<u32> {
        let graft = read(&wat::parse_str(text)?)?;
        depth(&graft, graft.entries[0], &mut Vec::new())
    }

    /// Functions `$f0` (exported) to `$f2`, each with a frame of so many bytes and a body.
    fn module(functions: [(u32, &str); 3]) -> String {
        let mut text = String::from("(module (global (mut i32) (i32.const 16384))");
        for (at, (frame, body)) in functions.iter().enumerate() {
            let export = if at == 0 { "(export \"enter\")" } else { "" };
            text += &format!(
                "(func $f{at} {export} (local i32) global.get 0 i32.const {frame} i32.sub local.tee 0
                 global.set 0 {body} local.get 0 i32.const {frame} i32.add global.set 0)"
            );
        }
        text + ")"
    }

    #[test]
    fn the_deepest_chain_counts_not_the_sum_of_all() -> anyhow::Result<()> {
        let text = module([(16, "call $f1 call $f2"), (400, ""), (32, "call $f1")]);
        assert_eq!(deepest(&text)?, 16 + 32 + 400);
        Ok(())
    }

    #[test]
    fn what_cannot_be_bounded_is_refused() {
        let recursive = module([(16, "call $f1"), (16, "call $f2"), (16, "call $f1")]);
        let moving = "(module (global (mut i32) (i32.const 16384))
            (func (export \"enter\") (param i32) global.get 0 local.get 0 i32.sub global.set 0))";
        let indirect = "(module (table 1 funcref)
            (func (export \"enter\") i32.const 0 call_indirect))";
        for (text, why) in [
            (recursive.as_str(), "calls itself"),
            (moving, "not understood"),
            (indirect, "calls indirectly"),
        ] {
            let said = deepest(text).expect_err(why).to_string();
            assert!(said.contains(why) || said.contains("has a table"), "{said}");
        }
    }

    #[test]
    fn the_committed_graft_leaves_its_stack_spare() -> anyhow::Result<()> {
        let graft = crate::places::workspace().join("wasm-tracer/graft/graft.wasm");
        let report = inspect(&std::fs::read(graft)?)?;
        assert!(report.deepest > 0 && report.deepest <= STACK_BYTES - STACK_SPARE);
        Ok(())
    }
}
