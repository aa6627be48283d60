//! The proxy-wasm ABI as data: callbacks, hostcalls, their parameters, what the returned numbers
//! mean in which phase on which host, and which exports may be added without changing a host's mind.
//!
//! Pure and `no_std`: the recorder reads these tables inside the plugin's VM, the instrumenter while
//! it rewrites, the timeline while it judges. A callback or a hostcall is one row; everything else
//! follows from the row. Numbers of rows are on the wire and never change.

#![no_std]

mod action;
mod call_failure;
mod callback;
mod dialect;
pub mod graft;
mod hostcall;
mod numbers;
mod status;
mod version;

pub use action::{Direction, EffectiveAction, Phase, effective_action};
pub use call_failure::CallFailure;
pub use callback::{
    ADDED_ALLOCATOR, ALLOCATOR_EXPORTS, Callback, CallbackRow, Neutral, Returns, START_EXPORTS,
};
pub use dialect::{Dialect, HeadersStop, Host};
pub use hostcall::{
    CallKind, Effect, Hostcall, HostcallRow, Origin, Param, ParamKind, Record, Role, StreamSide,
    call_kind,
};
pub use numbers::{LOG_LEVELS, buffer, map, pseudo};
pub use status::Status;
pub use version::AbiVersion;

/// The kind of an event on the wire: the number of a callback (1–63) or of a hostcall (64–254).
///
/// A kind that this version does not know is kept as [`Kind::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A callback's invocation.
    Callback(Callback),
    /// A hostcall.
    Hostcall(Hostcall),
    /// A number of a newer recorder.
    Unknown(u32),
}

impl Kind {
    /// Reads a wire number.
    pub fn from_number(number: u32) -> Kind {
        if let Some(callback) = Callback::from_number(number) {
            return Kind::Callback(callback);
        }
        match Hostcall::from_number(number) {
            Some(hostcall) => Kind::Hostcall(hostcall),
            None => Kind::Unknown(number),
        }
    }

    /// The wire number.
    pub const fn number(self) -> u32 {
        match self {
            Kind::Callback(callback) => callback.number(),
            Kind::Hostcall(hostcall) => hostcall.number(),
            Kind::Unknown(number) => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_names_one_row_and_reads_back() {
        let callbacks = Callback::ALL.iter().map(|c| Kind::Callback(*c));
        let hostcalls = Hostcall::ALL.iter().map(|h| Kind::Hostcall(*h));
        let mut seen = [false; 256];
        for kind in callbacks.chain(hostcalls) {
            let number = kind.number();
            assert!(!seen[number as usize], "number {number} stands twice");
            seen[number as usize] = true;
            assert_eq!(Kind::from_number(number), kind);
        }
        assert_eq!(Kind::from_number(250), Kind::Unknown(250));
    }
}
