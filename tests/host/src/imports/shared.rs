//! Shared data, shared queues and metrics: the least that plugins need.

use abi::{Hostcall, Status};
use wasmtime::Result;

use super::{Args, Guest};
use crate::clock::Due;
use crate::state::Queue;

pub(super) fn perform(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    match hostcall {
        Hostcall::GetSharedData => {
            let Some((value, cas)) = guest.state().shared.get(args.bytes(0)).cloned() else {
                return Ok(Status::NotFound);
            };
            let status = guest.put_bytes(args.out_bytes(1), &value)?;
            guest.put_word(args.int(2), cas);
            Ok(status)
        }
        Hostcall::SetSharedData => {
            let (key, value, cas) = (args.bytes(0).to_vec(), args.bytes(1).to_vec(), args.int(2));
            let entry = guest.state().shared.entry(key).or_insert((Vec::new(), 0));
            if cas != 0 && cas != entry.1 {
                return Ok(Status::CasMismatch);
            }
            *entry = (value, entry.1 + 1);
            Ok(Status::Ok)
        }
        Hostcall::DefineMetric
        | Hostcall::IncrementMetric
        | Hostcall::RecordMetric
        | Hostcall::GetMetric => metric(guest, hostcall, args),
        _ => queue(guest, hostcall, args),
    }
}

fn queue(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    let queues = &mut guest.state().queues;
    match hostcall {
        Hostcall::RegisterSharedQueue => {
            let name = args.text(0);
            let root = guest.state().root_id();
            let queues = &mut guest.state().queues;
            let at = queues.iter().position(|q| q.name == name).unwrap_or_else(|| {
                queues.push(Queue { name, root, messages: Default::default() });
                queues.len() - 1
            });
            Ok(guest.put_word(args.int(1), at as u32 + 1))
        }
        Hostcall::ResolveSharedQueue => {
            let name = args.text(1);
            match queues.iter().position(|q| q.name == name) {
                Some(at) => Ok(guest.put_word(args.int(2), at as u32 + 1)),
                None => Ok(Status::NotFound),
            }
        }
        _ => {
            let Some(at) = (args.int(0) as usize).checked_sub(1) else {
                return Ok(Status::NotFound);
            };
            let Some(queue) = queues.get_mut(at) else { return Ok(Status::NotFound) };
            if hostcall == Hostcall::EnqueueSharedQueue {
                if queue.messages.len() >= 64 {
                    return Ok(Status::InternalFailure);
                }
                queue.messages.push_back(args.bytes(1).to_vec());
                let due = Due::Queue(queue.root, at as u32 + 1);
                let state = guest.state();
                if state.take_call() {
                    state.clock.arm_in_millis(1, due);
                }
                return Ok(Status::Ok);
            }
            match queue.messages.pop_front() {
                Some(message) => guest.put_bytes(args.out_bytes(1), &message),
                None => Ok(Status::Empty),
            }
        }
    }
}

fn metric(guest: &mut Guest<'_>, hostcall: Hostcall, args: &Args) -> Result<Status> {
    let metrics = &mut guest.state().metrics;
    if hostcall == Hostcall::DefineMetric {
        let name = args.text(1);
        let at = metrics.iter().position(|(n, _)| *n == name).unwrap_or_else(|| {
            metrics.push((name, 0));
            metrics.len() - 1
        });
        return Ok(guest.put_word(args.int(2), at as u32 + 1));
    }
    let at = args.int(0) as usize;
    let Some((_, value)) = at.checked_sub(1).and_then(|at| metrics.get_mut(at)) else {
        return Ok(Status::NotFound);
    };
    match hostcall {
        Hostcall::IncrementMetric => *value += args.number(1) as i64,
        Hostcall::RecordMetric => *value = args.number(1) as i64,
        _ => {
            let value = *value as u64;
            return Ok(guest.put_long(args.int(1), value));
        }
    }
    Ok(Status::Ok)
}
