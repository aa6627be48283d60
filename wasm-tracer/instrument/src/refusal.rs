//! Why a module will not be rewritten: a kebab-case code and a sentence saying what to do.

use thiserror::Error;

/// A module that the instrumenter leaves alone, and why.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The file does not begin as a wasm file does.
    #[error(
        "this is not a wasm file (it begins with {begins}); give the compiled plugin, a .wasm file, not an image, an archive or text"
    )]
    NotWasm {
        /// The first bytes, readable.
        begins: String,
    },
    /// A component, not a core module.
    #[error(
        "this is a wasm component, and proxies load core modules only; build the plugin for wasm32-wasip1, or take the core module out of the component"
    )]
    Component,
    /// The file is damaged or uses what no host understands.
    #[error("the module is not valid wasm: {detail}; build the plugin again")]
    InvalidModule {
        /// What the validator said.
        detail: String,
    },
    /// No export names a version of the ABI.
    #[error(
        "the module exports no proxy_abi_version_*, so no proxy would load it; build it with a proxy-wasm SDK, and for Go with -buildmode=c-shared"
    )]
    NoAbiMarker,
    /// An export names a version of the ABI that is not known.
    #[error(
        "the module declares {marker}, a version of the ABI unknown here; update wasm-tracer, or build the plugin for 0.2.1"
    )]
    UnknownAbiVersion {
        /// The export.
        marker: String,
    },
    /// It was rewritten before.
    #[error(
        "the module is instrumented already (by wasm-tracer {version}); give the original plugin"
    )]
    AlreadyInstrumented {
        /// Version of the instrumenter that did it.
        version: String,
    },
    /// No memory, or none that the host could see.
    #[error(
        "the module exports no memory, so neither a host nor the recorder could pass it a byte; export its memory as \"memory\""
    )]
    NoMemory,
    /// The memory comes from outside.
    #[error(
        "the module imports its memory, which proxies do not offer; link it without --import-memory"
    )]
    ImportedMemory,
    /// More than one memory.
    #[error("the module has {count} memories, and a host keeps one; link it with a single memory")]
    SeveralMemories {
        /// How many.
        count: usize,
    },
    /// Addresses are 64 bits wide.
    #[error(
        "the module's memory has 64-bit addresses, which proxies do not pass; build it for wasm32"
    )]
    Memory64,
    /// The memory is shared between threads.
    #[error(
        "the module's memory is shared between threads, which proxies do not run; build it without threads"
    )]
    SharedMemory,
    /// The memory's pages are not 64 KiB.
    #[error("the module's memory has pages of an unusual size; build it without custom page sizes")]
    UnusualPageSize,
    /// No room for the recorder's pages.
    #[error(
        "the module's memory begins with {initial} pages, and the recorder's {recorder} no longer fit into 65536; lower its initial memory"
    )]
    MemoryFull {
        /// Pages that the plugin begins with.
        initial: u64,
        /// Pages that the recorder needs.
        recorder: u64,
    },
    /// An object file.
    #[error(
        "this is a relocatable object (section {section}), not a linked module; give the linker's output"
    )]
    Relocatable {
        /// The section that says so.
        section: String,
    },
    /// A shared library.
    #[error(
        "this is a dynamic library (section {section}), which proxies cannot link; build a standalone module"
    )]
    DynamicLibrary {
        /// The section that says so.
        section: String,
    },
    /// The options do not fit into the space reserved for them.
    #[error(
        "the configuration takes {size} bytes and {limit} are reserved; shorten the list of headers or the cluster's name"
    )]
    ConfigurationTooLarge {
        /// Bytes wanted.
        size: usize,
        /// Bytes there are.
        limit: usize,
    },
    /// A text is longer than the recorder keeps; cut, it would name something else.
    #[error("the {option} takes {size} bytes and the recorder keeps {limit}; give a shorter one")]
    OptionTooLong {
        /// What the user chose.
        option: &'static str,
        /// Its bytes.
        size: usize,
        /// Bytes at most.
        limit: usize,
    },
    /// The rate is no share.
    #[error("the rate {rate} is no share of the streams; give a number from 0 to 1, such as 0.01")]
    RateOutOfRange {
        /// As it was given.
        rate: f64,
    },
    /// A number that the recorder does not take.
    #[error("the {option} cannot be {value}; give a number from {least} to {most}")]
    OptionOutOfRange {
        /// What the user chose.
        option: &'static str,
        /// As it was given.
        value: u32,
        /// The least there is.
        least: u32,
        /// The most there is.
        most: u32,
    },
    /// A text with control characters in it.
    #[error("the {option} has characters that none can have: \"{text}\"; check how it was quoted")]
    OptionNotText {
        /// What the user chose.
        option: &'static str,
        /// As it was given, escaped.
        text: String,
    },
    /// A header that is never recorded.
    #[error(
        "the header {name} holds credentials and is never recorded; take it out of the list of headers"
    )]
    SecretHeader {
        /// Its name.
        name: String,
    },
    /// No header can be called so.
    #[error("\"{name}\" is no name of a header; give names separated by commas")]
    NoHeaderName {
        /// As it was given, escaped.
        name: String,
    },
    /// The recorder's module does not keep its side of the contract. A bug of ours.
    #[error(
        "the recorder's own module is unusable: {detail}; this is a bug of wasm-tracer, please report it"
    )]
    GraftUnusable {
        /// What is wrong with it.
        detail: String,
    },
    /// The rewritten module does not validate although the original does. A bug of ours.
    #[error(
        "the rewritten module would not validate: {detail}; this is a bug of wasm-tracer, please report it with the plugin"
    )]
    OutputInvalid {
        /// What the validator said.
        detail: String,
    },
}

impl Refusal {
    /// The stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotWasm { .. } => "not-wasm",
            Refusal::Component => "component",
            Refusal::InvalidModule { .. } => "invalid-module",
            Refusal::NoAbiMarker => "no-abi-marker",
            Refusal::UnknownAbiVersion { .. } => "unknown-abi-version",
            Refusal::AlreadyInstrumented { .. } => "already-instrumented",
            Refusal::NoMemory => "no-memory",
            Refusal::ImportedMemory => "imported-memory",
            Refusal::SeveralMemories { .. } => "several-memories",
            Refusal::Memory64 => "memory64",
            Refusal::SharedMemory => "shared-memory",
            Refusal::UnusualPageSize => "unusual-page-size",
            Refusal::MemoryFull { .. } => "memory-full",
            Refusal::Relocatable { .. } => "relocatable",
            Refusal::DynamicLibrary { .. } => "dynamic-library",
            Refusal::ConfigurationTooLarge { .. } => "configuration-too-large",
            Refusal::OptionTooLong { .. } => "option-too-long",
            Refusal::RateOutOfRange { .. } => "rate-out-of-range",
            Refusal::OptionOutOfRange { .. } => "option-out-of-range",
            Refusal::OptionNotText { .. } => "option-not-text",
            Refusal::SecretHeader { .. } => "secret-header",
            Refusal::NoHeaderName { .. } => "no-header-name",
            Refusal::GraftUnusable { .. } => "graft-unusable",
            Refusal::OutputInvalid { .. } => "output-invalid",
        }
    }

    /// A refusal for a module that cannot be read to its end.
    pub(crate) fn invalid(detail: impl ToString) -> Refusal {
        Refusal::InvalidModule { detail: detail.to_string() }
    }

    /// A refusal for a recorder that breaks the contract.
    pub(crate) fn graft(detail: impl ToString) -> Refusal {
        Refusal::GraftUnusable { detail: detail.to_string() }
    }
}

impl From<wasmparser::Error> for Refusal {
    fn from(error: wasmparser::Error) -> Refusal {
        Refusal::invalid(error)
    }
}

/// What can go wrong while sections are encoded anew; every case is a damaged input.
impl From<wasm_encoder::reencode::Error<Refusal>> for Refusal {
    fn from(error: wasm_encoder::reencode::Error<Refusal>) -> Refusal {
        match error {
            wasm_encoder::reencode::Error::UserError(refusal) => refusal,
            wasm_encoder::reencode::Error::ParseError(error) => Refusal::invalid(error),
            other => Refusal::invalid(other),
        }
    }
}
