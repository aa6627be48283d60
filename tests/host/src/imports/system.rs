//! Log, time, ticks, properties, status, done, foreign functions.

use abi::{Hostcall, Status};
use wasmtime::Result;

use super::{Args, Guest};
use crate::clock::Due;
use crate::properties;

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
            let (code, message) = state.roots.get(&root).map_or((0, ""), |root| root.status);
            guest.put_word(args.int(0), code);
            guest.put_bytes(args.out_bytes(1), message.as_bytes())
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
            guest.state().properties.insert(path, value);
            Ok(Status::Ok)
        }
        Hostcall::Done => {
            let state = guest.state();
            let root = state.root_id();
            match state.roots.get_mut(&root) {
                Some(root) if root.done_pending => {
                    root.done_pending = false;
                    Ok(Status::Ok)
                }
                _ => Ok(Status::NotFound),
            }
        }
        Hostcall::CallForeignFunction => Ok(Status::NotFound),
        _ => Ok(Status::Unimplemented),
    }
}
