//! The recorder's host over the raw imports.
//!
//! Every call into an import here is sound for one reason: the addresses given are of locals or of
//! static memory that live longer than the call, with their true sizes, and the host keeps none.

use recorder::{Host, INVALID_MEMORY_ACCESS, Refused, Skeleton, UNTOUCHED};

use crate::{arena, imports};

/// WASI's clocks.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;

/// The host forbids the ABI's own clock; asked again, it would log an error each time.
static mut WALL_FORBIDDEN: bool = false;

/// Bytes of a page.
const PAGE: usize = 1 << 16;

/// Where the first page of skeletons begins, and how many skeletons there are. All pages that the recorder
/// adds to its memory are theirs, so they follow each other.
static mut SKELETONS: (usize, usize) = (0, 0);

/// Hostcalls made.
static mut MADE: u64 = 0;

fn made_one() {
    // SAFETY: one thread, and no reference to it exists anywhere.
    unsafe { MADE = MADE.wrapping_add(1) };
}

/// The host outside of this VM.
pub struct WasmHost;

impl WasmHost {
    fn answer(status: u32, address: u32, size: u32) -> Result<&'static [u8], Refused> {
        if status != 0 {
            return Err(status);
        }
        // SAFETY: takes nothing.
        let base = unsafe { imports::base() };
        arena::lent(address.wrapping_sub(base), size).ok_or(INVALID_MEMORY_ACCESS)
    }
}

impl Host for WasmHost {
    fn monotonic_nanos(&mut self) -> Option<u64> {
        let mut time = 0;
        made_one();
        // SAFETY: module head.
        let errno = unsafe { imports::clock_time_get(MONOTONIC, 1, &raw mut time) };
        (errno == 0).then_some(time)
    }

    fn wall_nanos(&mut self) -> Option<u64> {
        let mut time = 0;
        // SAFETY: one thread, and no reference to it exists anywhere.
        if unsafe { !WALL_FORBIDDEN } {
            made_one();
            // SAFETY: module head.
            let status = unsafe { imports::proxy_get_current_time_nanoseconds(&raw mut time) };
            if status == 0 {
                return Some(time);
            }
            // SAFETY: as above.
            unsafe { WALL_FORBIDDEN = true };
        }
        made_one();
        // SAFETY: module head.
        let errno = unsafe { imports::clock_time_get(REALTIME, 1, &raw mut time) };
        (errno == 0).then_some(time)
    }

    fn random(&mut self, into: &mut [u8]) {
        made_one();
        // SAFETY: module head.
        unsafe { imports::random_get(into.as_mut_ptr(), into.len()) };
    }

    fn environment(&mut self) -> &[u8] {
        let (mut count, mut size) = (0u32, 0u32);
        made_one();
        // SAFETY: module head.
        let errno = unsafe { imports::environ_sizes_get(&raw mut count, &raw mut size) };
        let pointers = (count as usize).saturating_mul(4);
        let fits = pointers.saturating_add(size as usize) <= arena::SIZE;
        if errno != 0 || size == 0 || !fits {
            return &[];
        }
        // SAFETY: `pointers` is less than the arena's size.
        let texts = unsafe { arena::start().add(pointers) };
        made_one();
        // SAFETY: both parts lie in the arena, as just checked.
        if unsafe { imports::environ_get(arena::start(), texts) } != 0 {
            return &[];
        }
        arena::lent(texts as u32, size).unwrap_or(&[])
    }

    fn set_tick_period(&mut self, millis: u32) -> u32 {
        made_one();
        // SAFETY: takes a number.
        unsafe { imports::proxy_set_tick_period_milliseconds(millis) }
    }

    fn shipment(&mut self) -> &mut [u8] {
        // SAFETY: the whole arena, which nobody else uses between two hostcalls; the borrow of `self`
        // keeps it from being lent twice.
        unsafe { core::slice::from_raw_parts_mut(arena::start(), arena::SIZE) }
    }

    fn ship(&mut self, cluster: &[u8], headers: &[u8], length: usize, millis: u32) -> (u32, u32) {
        let mut call_id = UNTOUCHED;
        made_one();
        // SAFETY: module head; the body is the beginning of the arena.
        let status = unsafe {
            imports::proxy_http_call(
                cluster.as_ptr(),
                cluster.len(),
                headers.as_ptr(),
                headers.len(),
                arena::start(),
                length.min(arena::SIZE),
                core::ptr::null(),
                0,
                millis,
                &raw mut call_id,
            )
        };
        (status, call_id)
    }

    fn header_value(&mut self, map: u32, key: &[u8]) -> Result<&[u8], Refused> {
        arena::reset();
        let (mut address, mut size) = (0, 0);
        made_one();
        // SAFETY: module head.
        let status = unsafe {
            imports::proxy_get_header_map_value(
                map,
                key.as_ptr(),
                key.len(),
                &raw mut address,
                &raw mut size,
            )
        };
        Self::answer(status, address, size)
    }

    fn header_pairs(&mut self, map: u32) -> Result<&[u8], Refused> {
        arena::reset();
        let (mut address, mut size) = (0, 0);
        made_one();
        // SAFETY: module head.
        let status =
            unsafe { imports::proxy_get_header_map_pairs(map, &raw mut address, &raw mut size) };
        Self::answer(status, address, size)
    }

    fn property(&mut self, path: &[u8]) -> Result<&[u8], Refused> {
        arena::reset();
        let (mut address, mut size) = (0, 0);
        made_one();
        // SAFETY: module head.
        let status = unsafe {
            imports::proxy_get_property(path.as_ptr(), path.len(), &raw mut address, &raw mut size)
        };
        Self::answer(status, address, size)
    }

    fn buffer(&mut self, buffer: u32, length: u32) -> Result<&[u8], Refused> {
        arena::reset();
        let (mut address, mut size) = (0, 0);
        made_one();
        // SAFETY: module head.
        let status = unsafe {
            imports::proxy_get_buffer_bytes(buffer, 0, length, &raw mut address, &raw mut size)
        };
        Self::answer(status, address, size)
    }

    fn status(&mut self) -> Result<(u32, &[u8]), Refused> {
        arena::reset();
        let (mut code, mut address, mut size) = (0, 0, 0);
        made_one();
        // SAFETY: module head.
        let status =
            unsafe { imports::proxy_get_status(&raw mut code, &raw mut address, &raw mut size) };
        Ok((code, Self::answer(status, address, size)?))
    }

    fn log(&mut self, level: u32, message: &[u8]) {
        made_one();
        // SAFETY: module head.
        unsafe { imports::proxy_log(level, message.as_ptr(), message.len()) };
    }

    fn read(&mut self, into: &mut [u8], from: u32) -> bool {
        // SAFETY: writes at most `into.len()` bytes there; the instrumenter's function checks the source.
        unsafe { imports::read(into.as_mut_ptr(), from, into.len()) == 1 }
    }

    fn write(&mut self, to: u32, from: &[u8]) -> bool {
        // SAFETY: reads `from` only; the instrumenter's function checks the destination.
        unsafe { imports::write(to, from.as_ptr(), from.len()) == 1 }
    }

    fn base(&mut self) -> u32 {
        // SAFETY: takes nothing.
        unsafe { imports::base() }
    }

    fn pages(&mut self) -> u32 {
        // SAFETY: takes nothing.
        unsafe { imports::pages() }
    }

    fn plugin_pages(&mut self) -> u32 {
        // SAFETY: takes nothing.
        unsafe { imports::plugin_pages() }
    }

    fn skeletons(&mut self, wanted: usize) -> &mut [Skeleton] {
        // SAFETY: one thread, and no reference to it exists anywhere.
        let (mut start, mut count) = unsafe { SKELETONS };
        while count < wanted {
            let pages = core::arch::wasm32::memory_grow::<0>(1);
            if pages == usize::MAX {
                break;
            }
            if count == 0 {
                start = pages * PAGE;
            }
            count += Skeleton::IN_A_PAGE;
            // SAFETY: as above.
            unsafe { SKELETONS = (start, count) };
        }
        if count == 0 {
            return &mut [];
        }
        // SAFETY: pages that only this function hands out, zeroed by the host, which is a skeleton that is
        // empty; all other bytes there were written as parts of one. A page is aligned for anything, and
        // the borrow of `self` keeps them from being lent twice.
        unsafe { core::slice::from_raw_parts_mut(start as *mut Skeleton, count) }
    }

    fn hostcalls(&mut self) -> u64 {
        // SAFETY: one thread, and no reference to it exists anywhere.
        unsafe { MADE }
    }
}
