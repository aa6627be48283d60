//! Log, time, ticks, properties, status, done, foreign functions.

use abi::{Hostcall, Status};
use wasmtime::Result;

use super::{Args, Guest};
use crate::clock::Due;
use crate::properties;
use crate::state::Deferred;

pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    match hostcall {
        Hostcall::Log => Ok(Status::Ok),
        Hostcall::GetLogLevel => {
            let level = guest.state().log_level;
            Ok(guest.put_word(args.int(0), level))
        }
        Hostcall::GetCurrentTime => {
            let wall = guest.state().clock.wall();
            Ok(guest.put_long(args.int(0), wall))
        }
        Hostcall::SetTickPeriod => {
            let millis = args.int(0);
            let state = guest.state();
            let root = state.root_id();
            state.clock.disarm(Due::Tick(root));
            if let Some(root) = state.roots.get_mut(&root) {
                root.tick_millis = millis;
            }
            if millis > 0 {
                state.clock.arm_in_millis(u64::from(millis), Due::Tick(root));
            }
            Ok(Status::Ok)
        }
        Hostcall::GetStatus => {
            let state = guest.state();
            let root = state.root_id();
            let status = state.roots.get(&root).map(|root| root.status.clone());
            let (code, message) = status.unwrap_or_default();
            match guest.put_word(args.int(0), code) {
                Status::Ok => guest.put_bytes(args.out_bytes(1), message.as_bytes()),
                failed => Ok(failed),
            }
        }
        Hostcall::GetProperty => {
            let value = properties::get(guest.state(), args.bytes(0));
            match value {
                Some(value) => guest.put_bytes(args.out_bytes(1), &value),
                None => Ok(Status::NotFound),
            }
        }
        Hostcall::SetProperty => {
            let (path, value) = (args.bytes(0).to_vec(), args.bytes(1).to_vec());
            // There is none outside of a stream (`envoy Context::setProperty`).
            let state = guest.state();
            if state.stream().is_none() {
                return Ok(Status::NotFound);
            }
            state.properties.insert(path, value);
            Ok(Status::Ok)
        }
        Hostcall::Done => {
            let state = guest.state();
            let id = state.root_id();
            match state.roots.get_mut(&id) {
                Some(root) if root.done_pending => {
                    root.done_pending = false;
                    state.after_call.push_back(Deferred::RootDone(id));
                    Ok(Status::Ok)
                }
                _ => Ok(Status::NotFound),
            }
        }
        Hostcall::CallForeignFunction => {
            let Some(answer) = guest.state().foreign.get(&args.text(0)).cloned() else {
                return Ok(Status::NotFound);
            };
            // Absent results are not wanted (`cpp-host src/exports.cc: call_foreign_function`).
            match args.out_bytes(2) {
                (0, 0) => Ok(Status::Ok),
                out => guest.put_bytes(out, &answer),
            }
        }
        _ => Ok(Status::Unimplemented),
    }
}
