//! Hostcalls: one function per import entry, so that the caller is known by its index. Arguments are
//! read as the abi tables say, then one file per group does what the host does.

mod buffers;
mod calls;
mod grpc;
mod guest;
mod header_maps;
mod redis;
mod shared;
mod streams;
mod system;
pub(crate) mod wasi;

use abi::{Hostcall, Origin, ParamKind, Status};
use wasmtime::{Caller, Func, ImportType, Result, Store, Val, bail};

use crate::log::Value;
use crate::{State, What, Who, chaos};
pub(crate) use guest::Guest;

/// Hostcalls that a start export or the allocator may make (`cpp-host src/wasm.cc: startVm`).
const OPEN_WHILE_RESTRICTED: &[Hostcall] = &[
    Hostcall::Log,
    Hostcall::FdWrite,
    Hostcall::ClockTimeGet,
    Hostcall::RandomGet,
    Hostcall::EnvironGet,
    Hostcall::EnvironSizesGet,
];

/// One argument in the language of the ABI.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Number(u64),
    Bytes(Vec<u8>),
    /// Where to write a value.
    Out(u32),
    /// Where to write address and size of bytes to allocate.
    OutBytes(u32, u32),
    Address(u32),
}

/// The arguments of one hostcall, by position.
pub(crate) struct Args(Vec<Arg>);

impl Args {
    pub fn number(&self, at: usize) -> u64 {
        match self.0.get(at) {
            Some(Arg::Number(number)) => *number,
            Some(Arg::Address(address) | Arg::Out(address)) => u64::from(*address),
            _ => 0,
        }
    }

    pub fn int(&self, at: usize) -> u32 {
        self.number(at) as u32
    }

    pub fn bytes(&self, at: usize) -> &[u8] {
        match self.0.get(at) {
            Some(Arg::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    pub fn text(&self, at: usize) -> String {
        String::from_utf8_lossy(self.bytes(at)).into_owned()
    }

    pub fn out_bytes(&self, at: usize) -> (u32, u32) {
        match self.0.get(at) {
            Some(Arg::OutBytes(address, size)) => (*address, *size),
            _ => (0, 0),
        }
    }
}

/// The host function for one import entry.
pub(crate) fn function(
    store: &mut Store<State>,
    import: &ImportType<'_>,
    who: Who,
) -> anyhow::Result<Func> {
    let (module, name) = (import.module(), import.name());
    let Some(ty) = import.ty().func().cloned() else {
        anyhow::bail!("import {module}.{name} is not a function");
    };
    let (dialect, version) = (store.data().dialect, store.data().version);
    if !dialect.offers_import(module, name, version) {
        anyhow::bail!("{dialect:?} does not offer the import {module}.{name}");
    }
    let performed = |_: &Hostcall| !wasi::is_offered(module, name);
    let Some(hostcall) = Hostcall::from_import(module, name).filter(performed) else {
        return Ok(wasi::other(store, name, ty, who));
    };
    let row = hostcall.row();
    if ty.params().len() != row.wasm_params() || (ty.results().len() == 1) != row.result {
        anyhow::bail!("import {module}.{name} has another signature than the host's");
    }
    Ok(Func::new(store, ty, move |caller, params, results| {
        let status = answer(caller, hostcall, who, params)?;
        if let Some(result) = results.first_mut() {
            *result = Val::I32(status as i32);
        }
        Ok(())
    }))
}

/// One hostcall, from its wasm arguments to its status.
fn answer(caller: Caller<'_, State>, hostcall: Hostcall, who: Who, params: &[Val]) -> Result<u32> {
    let mut guest = Guest::new(caller, who);
    let row = hostcall.row();
    // The recorder can stand in the plugin's place for these two, so they take no time for either.
    if who == Who::Plugin && !matches!(hostcall, Hostcall::SetTickPeriod | Hostcall::GetStatus) {
        guest.state().clock.step();
    }
    if who == Who::Recorder {
        guest.state().clock.recorder_step();
    }
    if guest.state().restricted && !OPEN_WHILE_RESTRICTED.contains(&hostcall) {
        bail!("restricted_callback: {} in a start export or the allocator", row.import);
    }
    guest.entered_by_plugin_only();
    let raw: Vec<u64> = params.iter().map(wasm_number).collect();
    let (args, readable) = read_args(&mut guest, hostcall, &raw);
    let shown = args.0.iter().filter_map(shown).collect();
    let status = if guest.state().refused.contains(&hostcall) {
        Status::InternalFailure.number()
    } else if let Some(status) = guest.state().scripted_failure(hostcall, who) {
        status
    } else if let Some(status) = chaos::answer(&mut guest, hostcall, &args)? {
        status
    } else if !readable {
        Status::InvalidMemoryAccess.number()
    } else {
        perform(&mut guest, hostcall, &args)?
    };
    let given = std::mem::take(&mut guest.given);
    guest.note(What::Hostcall {
        name: row.import,
        hostcall: Some(hostcall),
        raw,
        args: if readable { shown } else { vec![Value::BadPointer] },
        status: row.result.then_some(status),
        given,
    });
    Ok(status)
}

fn wasm_number(value: &Val) -> u64 {
    match value {
        Val::I32(number) => u64::from(*number as u32),
        Val::I64(number) => *number as u64,
        _ => 0,
    }
}

fn shown(arg: &Arg) -> Option<Value> {
    match arg {
        Arg::Number(number) => Some(Value::Number(*number)),
        Arg::Bytes(bytes) => Some(Value::Bytes(bytes.clone())),
        Arg::Out(_) | Arg::OutBytes(..) | Arg::Address(_) => None,
    }
}

/// Groups the wasm arguments; `false` if bytes stand outside the memory.
fn read_args(guest: &mut Guest<'_>, hostcall: Hostcall, raw: &[u64]) -> (Args, bool) {
    let mut args = Vec::new();
    let mut readable = true;
    let mut at = 0;
    for param in hostcall.row().params {
        let (first, second) = (raw[at], raw.get(at + 1).copied().unwrap_or(0) as u32);
        args.push(match param.kind {
            ParamKind::Int | ParamKind::Long => Arg::Number(first),
            ParamKind::Bytes => match guest.read(first as u32, second) {
                Some(bytes) => Arg::Bytes(bytes),
                None => {
                    readable = false;
                    Arg::Bytes(Vec::new())
                }
            },
            ParamKind::Out => Arg::Out(first as u32),
            ParamKind::OutBytes => Arg::OutBytes(first as u32, second),
            ParamKind::Address => Arg::Address(first as u32),
        });
        at += param.kind.width();
    }
    (Args(args), readable)
}

/// What the host does. `Err` is a trap.
pub(crate) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<u32> {
    use Hostcall::*;
    if hostcall.row().origin == Origin::Wasi {
        return wasi::perform(guest, hostcall, args);
    }
    let status = match hostcall {
        HttpCall | ResolveDns => calls::perform(guest, hostcall, args),
        GrpcCall | GrpcStream | GrpcSend | GrpcCancel | GrpcClose => {
            grpc::perform(guest, hostcall, args)
        }
        RedisInit | RedisCall => Ok(redis::perform(guest, hostcall, args)),
        ContinueStream
        | CloseStream
        | ContinueRequest
        | ContinueResponse
        | SendLocalResponse
        | SetEffectiveContext
        | ClearRouteCache
        | InjectEncodedData
        | GetUpstreamHosts
        | SetUpstreamOverrideHost => streams::perform(guest, hostcall, args),
        GetHeaderMapValue
        | AddHeaderMapValue
        | ReplaceHeaderMapValue
        | RemoveHeaderMapValue
        | GetHeaderMapPairs
        | SetHeaderMapPairs
        | GetHeaderMapSize => header_maps::perform(guest, hostcall, args),
        GetBufferBytes | SetBufferBytes | GetBufferStatus | GetConfiguration => {
            buffers::perform(guest, hostcall, args)
        }
        GetSharedData | SetSharedData | RegisterSharedQueue | ResolveSharedQueue
        | DequeueSharedQueue | EnqueueSharedQueue | DefineMetric | IncrementMetric
        | RecordMetric | GetMetric => shared::perform(guest, hostcall, args),
        _ => system::perform(guest, hostcall, args),
    };
    status.map(Status::number)
}
