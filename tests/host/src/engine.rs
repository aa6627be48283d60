//! The wasm engine and the host's dialect: which modules load, which imports are offered.

use std::path::PathBuf;

use abi::{AbiVersion, HeadersStop, Host, Hostcall, Origin};
use anyhow::{Result, anyhow, bail};
use wasmtime::{Cache, CacheConfig, Config, Engine, Module, Strategy};

use crate::imports::wasi;

/// Which host is emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Stock Envoy: number 1 from a headers phase stops everything.
    Envoy,
    /// Stock Envoy with `allow_on_headers_stop_iteration: true`.
    EnvoyAllowingHeadersStop,
    /// Higress as its sources of 2024 have it, emulated; each rule names its file and commit. Newer
    /// Higress was not read.
    Higress,
}

impl Dialect {
    /// The rules for a module, as the abi tables have them; the knob is known here. On Higress number 1
    /// from headers is StopIteration for 0.2.100 modules alone: higress-group/proxy-wasm-cpp-host
    /// @08aef9c `src/wasm.cc: getFunctions` (binds `on_request_headers_abi_03_` for them), @913c1b0
    /// `src/context.cc: convertVmCallResultToFilterHeadersStatus`.
    pub(crate) fn rules(self, version: AbiVersion) -> abi::Dialect {
        let known = |host| abi::Dialect::from_tables(Some(host), Some(version));
        match self {
            Dialect::Envoy => known(Host::Envoy).calibrate(HeadersStop::All),
            Dialect::EnvoyAllowingHeadersStop => {
                known(Host::Envoy).calibrate(HeadersStop::Iteration)
            }
            Dialect::Higress => known(Host::Higress),
        }
    }

    /// Does it load modules of this version? Only Higress knows the marker of 0.2.100:
    /// higress-group/proxy-wasm-cpp-host @08aef9c `src/wasm.cc: getFunctions`.
    fn loads(self, version: AbiVersion) -> bool {
        version != AbiVersion::V0_2_100 || self == Dialect::Higress
    }

    /// Does it offer this hostcall to modules of this version? Higress's own are registered for 0.2.1
    /// and 0.2.100: higress-group/proxy-wasm-cpp-host @08aef9c `src/wasm.cc: registerCallbacks`; here
    /// every version has them.
    pub(crate) fn offers(self, hostcall: Hostcall, version: AbiVersion) -> bool {
        match hostcall.row().origin {
            Origin::Spec | Origin::Wasi => true,
            Origin::SpecV0_1_0 => version == AbiVersion::V0_1_0,
            Origin::Higress => self == Dialect::Higress,
            Origin::Envoy => self != Dialect::Higress,
        }
    }

    /// Does it offer this import?
    pub(crate) fn offers_import(self, module: &str, name: &str, version: AbiVersion) -> bool {
        wasi::is_offered(module, name)
            || Hostcall::from_import(module, name)
                .is_some_and(|hostcall| self.offers(hostcall, version))
    }
}

/// Compiles with Winch, the quick compiler, or with Cranelift what Winch cannot (exceptions, tail
/// calls), and keeps what it compiled in the cache folder.
pub(crate) fn compile(wasm: &[u8]) -> Result<(Engine, Module)> {
    if cfg!(target_arch = "x86_64")
        && let Ok(compiled) = compile_with(Strategy::Winch, wasm)
    {
        return Ok(compiled);
    }
    compile_with(Strategy::Cranelift, wasm)
}

fn compile_with(strategy: Strategy, wasm: &[u8]) -> Result<(Engine, Module)> {
    let mut config = Config::new();
    config.strategy(strategy);
    config.wasm_exceptions(strategy == Strategy::Cranelift);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(64));
    if let Some(folder) = cache_folder() {
        let mut cache = CacheConfig::new();
        cache.with_directory(folder.join("compiled"));
        config.cache(Some(Cache::new(cache).map_err(because("the cache folder is not usable"))?));
    }
    let engine = Engine::new(&config).map_err(because("the engine does not start"))?;
    let module = Module::new(&engine, wasm).map_err(because("the module does not compile"))?;
    Ok((engine, module))
}

/// Wasmtime's error with what it means here.
pub(crate) fn because(meaning: &'static str) -> impl Fn(wasmtime::Error) -> anyhow::Error {
    move |error| anyhow!("{meaning}: {error:?}")
}

/// `$WASM_TRACER_CACHE`, `$XDG_CACHE_HOME/wasm-tracer` or `~/.cache/wasm-tracer`.
fn cache_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("WASM_TRACER_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|p| p.join("wasm-tracer")))
        .or_else(|| variable("HOME").map(|p| p.join(".cache/wasm-tracer")))
        .filter(|p| p.is_absolute())
}

/// The version that a module declares, if the dialect takes it.
pub(crate) fn version(module: &Module, dialect: Dialect) -> Result<AbiVersion> {
    let Some(version) = module.exports().find_map(|e| AbiVersion::from_marker(e.name())) else {
        bail!("the module has no ABI marker (an export named proxy_abi_version_…)");
    };
    if !dialect.loads(version) {
        bail!("{dialect:?} does not load modules of ABI {}", version.name());
    }
    Ok(version)
}
