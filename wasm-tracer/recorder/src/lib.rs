//! The flight recorder.
#![cfg_attr(not(test), no_std)]

mod host;

pub use host::{Host, Refused, UNTOUCHED};

/// Bytes of the baked configuration.
pub const CONFIG_SIZE: usize = abi::graft::config::SIZE;

/// One VM's recorder.
pub struct Recorder {
    started: bool,
    buffer: [u8; 128 * 1024],
}

impl Recorder {
    /// A recorder that has not begun.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Recorder {
        Recorder { started: false, buffer: [0; 128 * 1024] }
    }

    /// Has it begun?
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// Begins.
    pub fn start(&mut self, baked: &[u8], host: &mut impl Host) {
        self.started = true;
        host.random(self.buffer.get_mut(..16).unwrap_or(&mut []));
        if let (Some(to), Some(from)) = (self.buffer.get_mut(16), baked.first()) {
            *to = *from;
        }
    }

    /// Before a callback.
    pub fn enter(&mut self, kind: u32, _context: u32, _args: [u32; 4], _host: &mut impl Host) -> bool {
        kind != 4
    }

    /// After a callback.
    pub fn leave(&mut self, _kind: u32, _context: u32, _result: u32, _host: &mut impl Host) {}

    /// Last in a tick.
    pub fn tick_end(&mut self, _root: u32, _host: &mut impl Host) {}

    /// After a hostcall.
    pub fn hostcall(&mut self, _kind: u32, _status: u32, _params: &[u32; 12], _host: &mut impl Host) {}

    /// In place of the plugin's hostcall.
    pub fn set_tick_period(&mut self, millis: u32, host: &mut impl Host) -> u32 {
        host.set_tick_period(millis)
    }

    /// The saved status.
    pub fn saved_status(&self) -> Option<(u32, &[u8])> {
        None
    }

    /// Copies its message.
    pub fn saved_status_copy(&mut self, _destination: u32, _host: &mut impl Host) {}

    /// Before a trap.
    pub fn trap(&mut self, host: &mut impl Host) {
        host.log(3, b"trap");
    }

    /// Before proc_exit.
    pub fn exiting(&mut self, _host: &mut impl Host) {}
}
