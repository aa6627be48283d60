//! Memory where the host puts what it hands to the recorder, and where a shipment's body is written.
//!
//! Both uses never overlap: a body is written and dispatched between two hostcalls, and a dispatch
//! allocates nothing in the plugin.

/// Bytes that the host may use.
const FOR_HOST: usize = 16 * 1024;
/// Bytes of a shipment's body: one full segment and the frame around it.
pub const SIZE: usize = 24 * 1024;

#[repr(C, align(8))]
struct Arena([u8; SIZE]);

static mut ARENA: Arena = Arena([0; SIZE]);
static mut USED: usize = 0;

/// Its address in the recorder's memory.
pub fn start() -> *mut u8 {
    // No reference is made, only an address; the VM has one thread.
    (&raw mut ARENA).cast()
}

/// Forgets what the host put there.
pub fn reset() {
    // SAFETY: one thread, and no reference to USED exists anywhere.
    unsafe { USED = 0 };
}

/// Room for `size` bytes, or 0 if they do not fit.
pub fn allocate(size: u32) -> u32 {
    // SAFETY: one thread, and no reference to USED exists anywhere.
    let used = unsafe { USED };
    let wanted = (size as usize).max(1);
    if wanted > FOR_HOST || used > FOR_HOST - wanted {
        return 0;
    }
    // SAFETY: as above. Kept aligned to 8 like any allocator's answers.
    unsafe { USED = (used + wanted + 7) & !7 };
    (start() as u32).wrapping_add(used as u32)
}

/// The bytes that the host says it put at an address of the recorder's memory.
pub fn lent(address: u32, size: u32) -> Option<&'static [u8]> {
    if size == 0 {
        return Some(&[]);
    }
    let offset = address.wrapping_sub(start() as u32) as usize;
    if offset >= SIZE || size as usize > SIZE - offset {
        return None;
    }
    // SAFETY: within the arena, as just checked. The host wrote it; nobody writes there until the next
    // hostcall, and callers hold it no longer (the trait ties it to the host's borrow).
    Some(unsafe { core::slice::from_raw_parts(start().add(offset), size as usize) })
}
