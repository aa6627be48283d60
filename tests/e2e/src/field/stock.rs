//! A Higress module made fit for a stock Envoy without any recorder: the marker of its ABI renamed,
//! and imports that only Higress offers answered by a function that says Unimplemented. The
//! instrumenter does the same with `--host envoy`; this is the original that it is compared with.
//! Before Envoy 1.39 one import of newer Go was missing too; there, both variants are made of a module
//! that does without.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, Function, FunctionSection, ImportSection, Module};
use wasmparser::{
    CodeSectionReader, FunctionSectionReader, ImportSectionReader, Parser, Payload, TypeRef,
};

use crate::marker;

/// Imports that go, and what the functions in their place answer.
struct Stubs {
    names: &'static [&'static str],
    answer: i32,
}

/// The proxy-wasm status Unimplemented.
const ONLY_HIGRESS: Stubs = Stubs { names: &["proxy_redis_init", "proxy_redis_call"], answer: 12 };
/// WASI's errno `nosys`.
const ONLY_NEWER_ENVOY: Stubs = Stubs { names: &["path_filestat_get"], answer: 52 };

/// The same module with another marker, and stubs in place of what only Higress offers.
pub(super) fn for_stock_envoy(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    marker::for_stock_envoy(&ONLY_HIGRESS.applied(wasm)?)
}

/// The same module without what Envoy offers since 1.39 only.
pub(super) fn for_older_envoy(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    ONLY_NEWER_ENVOY.applied(wasm)
}

impl Stubs {
    fn applied(&'static self, wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut stubbing = Stubbing::of(wasm, self)?;
        if stubbing.stubs().next().is_none() {
            return Ok(wasm.to_vec());
        }
        let mut module = Module::new();
        stubbing.parse_core_module(&mut module, Parser::new(0), wasm)?;
        Ok(module.finish())
    }
}

/// Where each function goes when imports turn into functions at the very end.
struct Stubbing {
    wanted: &'static Stubs,
    /// For each imported function, whether it is stubbed, and its type.
    imports: Vec<(bool, u32)>,
    defined: u32,
}

impl Stubbing {
    fn of(wasm: &[u8], wanted: &'static Stubs) -> anyhow::Result<Self> {
        let mut found = Self { wanted, imports: Vec::new(), defined: 0 };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                            found.imports.push((wanted.names.contains(&import.name), ty));
                        }
                    }
                }
                Payload::FunctionSection(section) => found.defined = section.count(),
                _ => {}
            }
        }
        Ok(found)
    }

    fn stubs(&self) -> impl Iterator<Item = u32> {
        self.imports.iter().filter(|(stubbed, _)| *stubbed).map(|(_, ty)| *ty)
    }

    fn stubs_below(&self, import: usize) -> u32 {
        let below = self.imports.iter().take(import).filter(|(stubbed, _)| *stubbed);
        u32::try_from(below.count()).unwrap_or(u32::MAX)
    }
}

impl Reencode for Stubbing {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error<Infallible>> {
        let index = function as usize;
        let stubs = self.stubs_below(self.imports.len());
        Ok(match self.imports.get(index) {
            Some((false, _)) => function - self.stubs_below(index),
            // Behind all that are defined.
            Some((true, _)) => {
                let imports = u32::try_from(self.imports.len()).unwrap_or(u32::MAX);
                imports - stubs + self.defined + self.stubs_below(index)
            }
            None => function - stubs,
        })
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        for import in section.into_imports() {
            let import = import?;
            if !self.wanted.names.contains(&import.name) {
                imports.import(import.module, import.name, self.entity_type(import.ty)?);
            }
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        for ty in section {
            functions.function(ty?);
        }
        for ty in self.stubs() {
            functions.function(ty);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        for body in section {
            self.parse_function_body(code, body?)?;
        }
        for _ in self.stubs() {
            let mut stub = Function::new([]);
            stub.instructions().i32_const(self.wanted.answer).end();
            code.function(&stub);
        }
        Ok(())
    }
}
