//! A guess of the language and SDK that a plugin was written with. Nothing depends on it but texts.

use std::fmt;

use abi::AbiVersion;
use wasmparser::{BinaryReader, ProducersSectionReader};

use crate::module::Module;

/// Language and SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// Rust, proxy-wasm crate.
    Rust,
    /// Go, proxy-wasm-go-sdk.
    Go,
    /// Go, Higress's wasm-go.
    HigressGo,
    /// TinyGo, the older Go SDK.
    TinyGo,
    /// C++, Emscripten.
    Cpp,
    /// AssemblyScript.
    AssemblyScript,
    /// Nothing gives it away.
    Unknown,
}

impl Sdk {
    /// Its name in the report and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Sdk::Rust => "rust",
            Sdk::Go => "go",
            Sdk::HigressGo => "higress-go",
            Sdk::TinyGo => "tinygo",
            Sdk::Cpp => "cpp",
            Sdk::AssemblyScript => "assemblyscript",
            Sdk::Unknown => "unknown",
        }
    }

    /// Guesses by what compilers leave behind: producers first, then exports that only one of them
    /// makes.
    pub(crate) fn guess(module: &Module<'_>, abi: AbiVersion) -> Sdk {
        let producers = producers(module).to_lowercase();
        let exports = |name: &str| module.exports.iter().any(|export| export.name == name);
        let is_go = producers.contains("go cmd/compile") || module.custom("go:buildid").is_some();
        if producers.contains("tinygo") || exports("asyncify_start_unwind") {
            Sdk::TinyGo
        } else if is_go {
            match abi {
                AbiVersion::V0_2_100 => Sdk::HigressGo,
                _ => Sdk::Go,
            }
        } else if producers.contains("rust") || exports("__rust_alloc") {
            Sdk::Rust
        } else if exports("__new") && exports("__collect")
            || module.function_imports().any(|i| (i.module, i.name) == ("env", "abort"))
        {
            Sdk::AssemblyScript
        } else if producers.contains("c_plus_plus")
            || producers.contains("clang")
            || exports("emscripten_stack_init")
            || exports("emscripten_stack_get_current")
            || exports("__indirect_function_table") && exports("_initialize")
        {
            Sdk::Cpp
        } else {
            Sdk::Unknown
        }
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names in the producers section, in one text.
fn producers(module: &Module<'_>) -> String {
    let Some(section) = module.custom("producers") else { return String::new() };
    let Ok(fields) = ProducersSectionReader::new(BinaryReader::new(section.data(), 0)) else {
        return String::new();
    };
    let mut text = String::new();
    for field in fields.into_iter().map_while(Result::ok) {
        for value in field.values.into_iter().map_while(Result::ok) {
            text.push_str(value.name);
            text.push('\n');
        }
    }
    text
}
