//! Higress's Redis hostcalls; the rules' sources stand in `crate::redis`.

use abi::{CallKind, Hostcall, Status};

use super::{Args, Guest};
use crate::clock::Due;
use crate::redis::{NETWORK_ERROR, Redis, RedisCall};

pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Status {
    let state = guest.state();
    let server = state.redis_servers.get(&args.text(0)).cloned();
    if hostcall == Hostcall::RedisInit {
        return if server.is_some() { Status::Ok } else { Status::BadArgument };
    }
    // The id is written before the call is tried, 0, and after it again
    // (higress-group/proxy-wasm-cpp-host @913c1b0 src/exports.cc: redis_call).
    let out = args.int(2);
    if !guest.write(out, &[0; 4]) {
        return Status::InvalidMemoryAccess;
    }
    let state = guest.state();
    let (after, status, bytes) = match server {
        None => return Status::BadArgument,
        Some(_) if !state.take_call() => return Status::InternalFailure,
        Some(Redis::NoHealthyHost) => return Status::InternalFailure,
        Some(Redis::Answers { after_millis, bytes }) => (Some(after_millis), 0, bytes),
        Some(Redis::Loses { after_millis }) => (Some(after_millis), NETWORK_ERROR, Vec::new()),
        Some(Redis::Never) => (None, NETWORK_ERROR, Vec::new()),
    };
    let next = &mut state.next_id[CallKind::Redis as usize];
    *next += 4;
    let id = *next;
    let root = state.root_id();
    state.redis.insert(id, RedisCall { root, status, bytes });
    if let Some(after) = after {
        state.clock.arm_in_millis(after, Due::Redis(id));
    }
    guest.put_word(out, id)
}
