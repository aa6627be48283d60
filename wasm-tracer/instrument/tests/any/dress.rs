//! Modules in the dress of a plugin: wasm-smith makes up all that is inside, within imports and exports
//! that a plugin would have, most of them of the right type, some not.

use std::fmt::Write as _;

use abi::{AbiVersion, Callback, Hostcall, Returns};
use arbitrary::{Arbitrary, Result, Unstructured};
use wasm_smith::{Config, Module};

/// A made-up plugin, valid.
pub fn plugin(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut config = Config::arbitrary(u)?;
    // Beyond these the modules grow but meet nothing new.
    config.max_instructions = config.max_instructions.min(200);
    config.max_funcs = config.max_funcs.clamp(5, 100);
    config.max_type_size = 100;
    config.max_memory32_bytes = 65536 * 4096;
    if !u.ratio(1, 20)? {
        config.max_memories = 1;
        config.memory64_enabled = false;
    }
    config.generate_custom_sections = u.ratio(1, 4)?;
    let shape = shape(u, &config)?;
    config.module_shape = Some(wat::parse_str(&shape).expect("the shape is wasm text"));
    Ok(Module::new(config, u)?.to_bytes())
}

/// Imports and exports, as text.
fn shape(u: &mut Unstructured<'_>, config: &Config) -> Result<String> {
    let mut text = "(module\n".to_owned();
    for _ in 0..u.int_in_range(0..=12)? {
        let hostcall = *u.choose(Hostcall::ALL)?;
        let row = hostcall.row();
        let signature = match u.ratio(1, 8)? {
            true => any_signature(u)?,
            false => hostcall_signature(hostcall),
        };
        let _ =
            writeln!(text, "(import \"{}\" \"{}\" (func {signature}))", row.module(), row.import);
    }
    if u.ratio(1, 4)? {
        text += "(import \"env\" \"base\" (global i32))\n(import \"env\" \"unknown\" (func))\n";
    }
    if u.ratio(1, 30)? {
        text += "(import \"env\" \"memory\" (memory 1))\n";
    } else if !u.ratio(1, 30)? {
        let initial = *u.choose(&[0, 1, 17, 200, 65535])?;
        let maximum = match u.ratio(1, 2)? {
            true => format!(" {}", (initial + u.int_in_range(0..=4)?).min(65536)),
            false => String::new(),
        };
        // wasm-smith makes a memory per export; one that has two names is a case of its own.
        let _ = writeln!(text, "(memory (export \"memory\") {initial}{maximum})");
    }
    let version = *u.choose(&[
        AbiVersion::V0_1_0,
        AbiVersion::V0_2_0,
        AbiVersion::V0_2_1,
        AbiVersion::V0_2_100,
    ])?;
    let _ = writeln!(text, "{}", function(version.marker(), &signature(0, 0)));
    for callback in Callback::ALL {
        if !u.ratio(1, 3)? {
            continue;
        }
        let signature = match u.ratio(1, 8)? {
            true => any_signature(u)?,
            false => signature(
                callback.param_count(version),
                usize::from(callback.row().returns != Returns::Nothing),
            ),
        };
        let _ = writeln!(text, "{}", function(callback.row().export, &signature));
    }
    for (name, params, results) in [
        ("malloc", 1, 1),
        ("proxy_on_memory_allocate", 1, 1),
        ("_initialize", 0, 0),
        ("main", 2, 1),
    ] {
        if u.ratio(1, 3)? {
            let _ = writeln!(text, "{}", function(name, &signature(params, results)));
        }
    }
    if u.ratio(1, 4)? {
        text += "(global (export \"counter\") (mut i64) (i64.const 0))\n";
    }
    if config.reference_types_enabled && u.ratio(1, 4)? {
        text += "(table (export \"table\") 2 funcref)\n";
    }
    text.push(')');
    Ok(text)
}

fn function(name: &str, signature: &str) -> String {
    format!("(func (export \"{name}\") {signature} unreachable)")
}

fn signature(params: usize, results: usize) -> String {
    format!("(param{}) (result{})", " i32".repeat(params), " i32".repeat(results))
}

fn hostcall_signature(hostcall: Hostcall) -> String {
    let row = hostcall.row();
    let params = row.params.iter().map(|param| match param.kind {
        abi::ParamKind::Long => " i64".to_owned(),
        kind => " i32".repeat(kind.width()),
    });
    let params: String = params.collect();
    format!("(param{params}) (result{})", if row.result { " i32" } else { "" })
}

fn any_signature(u: &mut Unstructured<'_>) -> Result<String> {
    let mut params = String::new();
    for _ in 0..u.int_in_range(0..=5)? {
        params.push_str(u.choose(&[" i32", " i64", " f32", " f64"])?);
    }
    let result = u.choose(&["", " i32", " f64"])?;
    Ok(format!("(param{params}) (result{result})"))
}

/// The cases that are rewritten, as modules to damage.
pub fn sources() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the cases are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    files.sort();
    files.iter().map(|file| wat::parse_file(file).expect("a case is wasm text")).collect()
}

/// Changes a module somewhere: a bit, a byte, some bytes moved, doubled or gone.
pub fn damage(u: &mut Unstructured<'_>, module: &mut Vec<u8>) -> Result<()> {
    if module.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(module.len())?;
    let length = u.int_in_range(1..=16)?.min(module.len() - at);
    // Most of the changes keep every length: another one is seldom still a module.
    match u.int_in_range(0..=11)? {
        0..=3 => module[at] ^= 1 << u.int_in_range(0..=7)?,
        4..=6 => module[at] = u.arbitrary()?,
        7..=8 => module[at] = module[at].wrapping_add(*u.choose(&[1, 255])?),
        9 => drop(module.drain(at..at + length)),
        10 => {
            let part = module[at..at + length].to_vec();
            let to = u.choose_index(module.len())?;
            module.splice(to..to, part);
        }
        _ => module.insert(at, u.arbitrary()?),
    }
    Ok(())
}
