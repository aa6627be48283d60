//! The VM's memory as a hostcall sees it, and bytes handed to the VM through its own allocator.

use abi::Status;
use wasmtime::{AsContextMut as _, Caller, Result, Val, WasmBacktrace};

use crate::log::Value;
use crate::memory::{Digest, Watch};
use crate::{Line, State, What, Who};

/// The caller of one hostcall.
pub(crate) struct Guest<'a> {
    caller: Caller<'a, State>,
    pub who: Who,
    /// What was written into the VM's memory, for the log.
    pub given: Vec<Value>,
}

impl<'a> Guest<'a> {
    pub fn new(caller: Caller<'a, State>, who: Who) -> Guest<'a> {
        let mut guest = Guest { caller, who, given: Vec::new() };
        guest.see_growth(false);
        guest
    }

    pub fn state(&mut self) -> &mut State {
        self.caller.data_mut()
    }

    fn see_growth(&mut self, inside_hostcall: bool) {
        let Some(memory) = self.caller.data().memory else { return };
        let pages = memory.size(&self.caller);
        self.caller.data_mut().growths.see(pages, inside_hostcall);
    }

    /// Notes a frame of the recorder below a hostcall of the plugin: its base could move under it.
    pub fn entered_by_plugin_only(&mut self) {
        if self.who == Who::Recorder {
            return;
        }
        if let Some((pointer, rest)) = self.caller.data().recorder_stack
            && pointer.get(&mut self.caller).i32() != Some(rest)
        {
            self.state().recorder_frames.push("on the stack, which is not at rest,".into());
        }
        let Some(recorder) = self.caller.data().recorder_functions.clone() else { return };
        let trace = WasmBacktrace::capture(&self.caller);
        let live = trace.frames().iter().find(|frame| recorder.contains(&frame.func_index()));
        if let Some(frame) = live {
            let name = frame.func_name().unwrap_or("?").to_string();
            self.state().recorder_frames.push(name);
        }
    }

    /// Writes a line, with the plugin's memory if it is watched and the plugin called.
    pub fn note(&mut self, what: What) {
        let at = self.caller.data().clock.now();
        let memory = (self.who == Who::Plugin && self.caller.data().watch == Watch::Hostcalls)
            .then(|| self.digest())
            .flatten();
        let who = self.who;
        self.state().log.0.push(Line { at, who, what, memory });
    }

    fn digest(&mut self) -> Option<Digest> {
        let memory = self.caller.data().memory?;
        let limit = self.caller.data().bounds.limit(memory, &mut self.caller);
        Some(Digest::of(memory.data(&self.caller), limit))
    }

    pub fn read(&self, address: u32, length: u32) -> Option<Vec<u8>> {
        let memory = self.caller.data().memory?;
        let start = address as usize;
        memory
            .data(&self.caller)
            .get(start..start.checked_add(length as usize)?)
            .map(<[u8]>::to_vec)
    }

    pub fn read_word(&self, address: u32) -> Option<u32> {
        let bytes = self.read(address, 4)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    }

    /// Writes bytes at an address; `false` outside the memory.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> bool {
        let Some(memory) = self.caller.data().memory else { return false };
        memory.write(&mut self.caller, address as usize, bytes).is_ok()
    }

    /// Writes a word as a result.
    pub fn put_word(&mut self, address: u32, word: u32) -> Status {
        self.given.push(Value::Number(u64::from(word)));
        ok_or_bad_memory(self.write(address, &word.to_le_bytes()))
    }

    /// Writes eight bytes as a result.
    pub fn put_long(&mut self, address: u32, long: u64) -> Status {
        self.given.push(Value::Number(long));
        ok_or_bad_memory(self.write(address, &long.to_le_bytes()))
    }

    /// Hands bytes to the VM: allocates there, copies, writes address and size
    /// (`cpp-host ContextBase … copyToPointerSize`). An allocator that answers 0 is status 6.
    pub fn put_bytes(&mut self, (address_at, size_at): (u32, u32), bytes: &[u8]) -> Result<Status> {
        let mut address = 0;
        if !bytes.is_empty() {
            address = self.allocate(bytes.len() as u32)?;
            if address == 0 || !self.write(address, bytes) {
                return Ok(Status::InvalidMemoryAccess);
            }
        }
        self.given.push(Value::Bytes(bytes.to_vec()));
        let size = (bytes.len() as u32).to_le_bytes();
        Ok(ok_or_bad_memory(
            self.write(address_at, &address.to_le_bytes()) && self.write(size_at, &size),
        ))
    }

    /// Calls the exported allocator; hostcalls are restricted meanwhile.
    fn allocate(&mut self, size: u32) -> Result<u32> {
        let Some(allocator) = self.caller.data().allocator else { return Ok(0) };
        let mut results = [Val::I32(0)];
        let outer = std::mem::replace(&mut self.caller.data_mut().restricted, true);
        let outcome =
            allocator.call(self.caller.as_context_mut(), &[Val::I32(size as i32)], &mut results);
        self.caller.data_mut().restricted = outer;
        self.see_growth(true);
        outcome?;
        let address = results[0].i32().unwrap_or(0) as u32;
        let who = self.who;
        self.state().note(who, What::Allocates { size, address });
        Ok(address)
    }
}

fn ok_or_bad_memory(written: bool) -> Status {
    if written { Status::Ok } else { Status::InvalidMemoryAccess }
}
