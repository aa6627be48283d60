//! The part of WASI preview 1 that hosts offer to plugins, and Emscripten's one import (`cpp-host
//! src/wasm.cc: registerCallbacks`).

use abi::Hostcall;
use wasmtime::{Func, FuncType, Result, Store, Val};

use super::{Args, Guest};
use crate::log::Value;
use crate::{State, What, Who};

const SUCCESS: u32 = 0;
const BAD_FILE: u32 = 8;
const FAULT: u32 = 21;
const INVALID: u32 = 28;
const NOT_IMPLEMENTED: u32 = 52;

/// Of module `env`: C++ plugins tell the host that their memory grew, and compare threads.
const OF_ENV: &[&str] = &["emscripten_notify_memory_growth", "pthread_equal"];

/// Imports that are answered with one number, whatever they are asked.
const OTHERS: &[(&str, u32)] = &[
    ("emscripten_notify_memory_growth", SUCCESS),
    ("args_get", SUCCESS),
    ("args_sizes_get", SUCCESS),
    ("fd_close", NOT_IMPLEMENTED),
    ("fd_fdstat_get", BAD_FILE),
    ("fd_fdstat_set_flags", NOT_IMPLEMENTED),
    ("fd_filestat_get", NOT_IMPLEMENTED),
    ("fd_prestat_dir_name", NOT_IMPLEMENTED),
    ("fd_prestat_get", BAD_FILE),
    ("fd_read", NOT_IMPLEMENTED),
    ("fd_seek", NOT_IMPLEMENTED),
    ("path_create_directory", NOT_IMPLEMENTED),
    ("path_filestat_get", NOT_IMPLEMENTED),
    ("path_open", 44),
    ("path_remove_directory", NOT_IMPLEMENTED),
    ("path_rename", NOT_IMPLEMENTED),
    ("path_unlink_file", NOT_IMPLEMENTED),
    ("poll_oneoff", SUCCESS),
    ("pthread_equal", 0),
    ("sched_yield", SUCCESS),
];

/// Is it an import of these?
pub(crate) fn is_offered(module: &str, name: &str) -> bool {
    module == home(name) && OTHERS.iter().any(|(offered, _)| *offered == name)
}

fn home(name: &str) -> &'static str {
    if OF_ENV.contains(&name) { "env" } else { "wasi_snapshot_preview1" }
}

/// The function for such an import.
pub(super) fn other(store: &mut Store<State>, name: &str, ty: FuncType, who: Who) -> Func {
    let (name, errno) =
        OTHERS.iter().find(|(o, _)| *o == name).copied().unwrap_or(("?", NOT_IMPLEMENTED));
    Func::new(store, ty, move |caller, params, results| {
        let mut guest = Guest::new(caller, who);
        if who == Who::Plugin {
            guest.state().clock.step();
        }
        let raw: Vec<u64> = params.iter().map(super::wasm_number).collect();
        if name == "args_sizes_get" {
            for address in &raw {
                guest.write(*address as u32, &[0; 4]);
            }
        }
        if let Some(result) = results.first_mut() {
            *result = Val::I32(errno as i32);
        }
        guest.note(What::Hostcall {
            name,
            hostcall: Hostcall::from_import(home(name), name),
            raw,
            args: Vec::new(),
            status: Some(errno),
            given: Vec::new(),
        });
        Ok(())
    })
}

/// The others.
pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<u32> {
    Ok(match hostcall {
        Hostcall::FdWrite => fd_write(guest, args).unwrap_or(FAULT),
        Hostcall::ClockTimeGet => clock_time_get(guest, args),
        Hostcall::RandomGet => {
            let mut bytes = vec![0; args.int(1) as usize];
            let by = guest.who as usize;
            guest.state().random[by].fill(&mut bytes);
            let written = guest.write(args.int(0), &bytes);
            guest.given.push(Value::Bytes(bytes));
            if written { SUCCESS } else { FAULT }
        }
        Hostcall::EnvironSizesGet => {
            let variables = variables(guest.state());
            guest.put_word(args.int(0), variables.len() as u32);
            guest.put_word(args.int(1), variables.iter().map(Vec::len).sum::<usize>() as u32);
            SUCCESS
        }
        Hostcall::EnvironGet => {
            let mut at = args.int(1);
            for (index, variable) in variables(guest.state()).iter().enumerate() {
                let pointer = args.int(0) + index as u32 * 4;
                if !guest.write(pointer, &at.to_le_bytes()) || !guest.write(at, variable) {
                    return Ok(FAULT);
                }
                at += variable.len() as u32;
            }
            SUCCESS
        }
        // Envoy's proc_exit returns.
        _ => SUCCESS,
    })
}

/// `NAME=value` with a NUL behind it.
fn variables(state: &State) -> Vec<Vec<u8>> {
    state.environment.iter().map(|(n, v)| format!("{n}={v}\0").into_bytes()).collect()
}

fn clock_time_get(guest: &mut Guest<'_>, args: &Args) -> u32 {
    let own = guest.who == Who::Recorder;
    let clock = &guest.state().clock;
    let time = match args.int(0) {
        0 => clock.wall(),
        1 => clock.monotonic() + if own { clock.recorder_took() } else { 0 },
        _ => return NOT_IMPLEMENTED,
    };
    guest.put_long(args.int(2), time);
    SUCCESS
}

/// Takes what is written to 1 and 2; the bytes stand in the log as the call's result.
fn fd_write(guest: &mut Guest<'_>, args: &Args) -> Option<u32> {
    if !matches!(args.int(0), 1 | 2) {
        return Some(BAD_FILE);
    }
    let mut written = Vec::new();
    for index in 0..args.int(2).min(1024) {
        let vector = args.int(1).checked_add(index * 8)?;
        let (address, length) = (guest.read_word(vector)?, guest.read_word(vector + 4)?);
        written.extend(guest.read(address, length)?);
    }
    if written.len() > u32::MAX as usize {
        return Some(INVALID);
    }
    let length = written.len() as u32;
    guest.given.push(Value::Bytes(written));
    guest.put_word(args.int(3), length);
    Some(SUCCESS)
}
