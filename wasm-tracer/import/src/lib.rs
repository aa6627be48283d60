//! Envoy's own trace log, read: the second way in, with no instrumentation at all, and the oracle of
//! the tests.
//!
//! Envoy at `--component-log-level wasm:trace` logs every call between host and VM
//! (proxy-wasm-cpp-host `src/v8/v8.cc`, through Envoy's `wasm_vm.cc`). The rooms, as a line passes
//! through them: `paste` puts lines together that were broken, `format` and [`line`] read one, [`Reader`] nests the lines of each thread to invocations,
//! [`Vms`] says in which VM an invocation ran, [`Vm`] gives its events in the words of `timeline`, and
//! [`Importer`] does it all and gives deliveries.
//!
//! Pure: no IO, no clock. Lines that are cut or fit nowhere are told with their number, and never end
//! the reading; what they may have said is lost, as events are that a recorder lost.

mod account;
mod events;
mod format;
mod import;
mod invocation;
pub mod line;
mod paste;
mod queue;
mod reader;
mod vms;

pub use account::Account;
pub use events::Vm;
pub use format::BadFormat;
pub use import::Importer;
pub use invocation::{Export, Import, Invocation, Made, Returned};
pub use reader::{Defect, DefectKind, Reader};
pub use vms::{Place, VmNumber, Vms};
