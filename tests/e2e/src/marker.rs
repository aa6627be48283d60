//! A Higress module on a stock Envoy: only the marker of its ABI has to be renamed. The instrumenter
//! does the same with `--host envoy`; the original, to be compared with, gets it here.

use anyhow::Context;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportSection, Module, RawSection};
use wasmparser::{Parser, Payload};

const HIGRESS: &str = "proxy_abi_version_0_2_100";
const STOCK: &str = "proxy_abi_version_0_2_1";

/// The same module, byte for byte but for the name of that export.
pub(crate) fn for_stock_envoy(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Payload::ExportSection(exports) = payload {
            let mut renamed = ExportSection::new();
            for export in exports {
                let export = export?;
                let name = if export.name == HIGRESS { STOCK } else { export.name };
                let kind = RoundtripReencoder.export_kind(export.kind)?;
                renamed.export(name, kind, export.index);
            }
            module.section(&renamed);
        } else if let Some((id, range)) = payload.as_section() {
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            let data = wasm.get(range).context("a section lies outside the module")?;
            module.section(&RawSection { id, data });
        }
    }
    Ok(module.finish())
}
