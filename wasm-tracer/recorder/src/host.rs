//! The host as the recorder needs it: a trait, so that the same recorder runs inside a plugin's VM and
//! in native tests.

use crate::skeleton::Skeleton;

/// A status of the ABI that is not 0.
pub type Refused = u32;

/// What a host writes as the call id when it did not even look at the dispatch: hosts built on
/// proxy-wasm-cpp-host write 0 there before they try (`src/exports.cc: http_call`), a host that
/// restricts the capability writes nothing.
pub const UNTOUCHED: u32 = u32::MAX;

/// The host's side of the ABI.
///
/// Slices that a method lends lie in the host's arena and hold until the next method is called.
/// Numbers of maps and buffers are those of the ABI.
pub trait Host {
    /// The monotonic clock in nanoseconds, if the host has one.
    fn monotonic_nanos(&mut self) -> Option<u64>;

    /// Nanoseconds since 1970, if the host has that clock.
    fn wall_nanos(&mut self) -> Option<u64>;

    /// Fills `into` with random bytes; leaves it as it is if the host has none.
    fn random(&mut self, into: &mut [u8]);

    /// The VM's environment: `NAME=VALUE` texts, each ended by a NUL.
    fn environment(&mut self) -> &[u8];

    /// Sets the period of the timer of the effective context's root; 0 stops it. Answers a status.
    fn set_tick_period(&mut self, millis: u32) -> u32;

    /// Memory to write the body of a shipment in; [`Host::ship`] sends its beginning.
    fn shipment(&mut self) -> &mut [u8];

    /// Dispatches the first `length` bytes of [`Host::shipment`]: status and call id
    /// ([`UNTOUCHED`] if the host wrote none).
    fn ship(&mut self, cluster: &[u8], headers: &[u8], length: usize, millis: u32) -> (u32, u32);

    /// One header's value.
    fn header_value(&mut self, map: u32, key: &[u8]) -> Result<&[u8], Refused>;

    /// A whole header map in the ABI's form.
    fn header_pairs(&mut self, map: u32) -> Result<&[u8], Refused>;

    /// A property; segments of the path are separated by NUL.
    fn property(&mut self, path: &[u8]) -> Result<&[u8], Refused>;

    /// The first `length` bytes of a buffer.
    fn buffer(&mut self, buffer: u32, length: u32) -> Result<&[u8], Refused>;

    /// The status that the host keeps for the root: code and message.
    fn status(&mut self) -> Result<(u32, &[u8]), Refused>;

    /// Writes a line to the host's log.
    fn log(&mut self, level: u32, message: &[u8]);

    /// Copies plugin memory at an absolute address; false: not within the plugin's memory.
    fn read(&mut self, into: &mut [u8], from: u32) -> bool;

    /// Copies into plugin memory at an absolute address; false: not within the plugin's memory.
    fn write(&mut self, to: u32, from: &[u8]) -> bool;

    /// Absolute address of the recorder's memory.
    fn base(&mut self) -> u32;

    /// Pages of the recorder's memory.
    fn pages(&mut self) -> u32;

    /// Pages of the plugin's memory.
    fn plugin_pages(&mut self) -> u32;

    /// Skeletons, all zero at first: at least `wanted` of them if there is memory for so many. It is taken
    /// page by page, and never given back.
    fn skeletons(&mut self, wanted: usize) -> &mut [Skeleton];

    /// Hostcalls that the recorder made so far.
    fn hostcalls(&mut self) -> u64;
}
