//! The functions that shims call (`abi::graft::exports`), over one recorder in static memory.

use recorder::{CONFIG_SIZE, Recorder};

use crate::arena;
use crate::wasm_host::WasmHost;

static mut RECORDER: Recorder = Recorder::new();

/// The baked configuration, filled in by the instrumenter. Its last byte keeps it in a data segment;
/// an all-zero static would have none.
#[unsafe(no_mangle)]
pub static mut CONFIG: [u8; CONFIG_SIZE] = {
    let mut bytes = [0; CONFIG_SIZE];
    bytes[CONFIG_SIZE - 1] = 1;
    bytes
};

fn recorder() -> &'static mut Recorder {
    let place = &raw mut RECORDER;
    // SAFETY: the VM has one thread, and no two of these live at once: a shim's call ends before plugin
    // code runs, and while the recorder is in a hostcall the host enters only `arena_alloc`, which does
    // not touch the recorder.
    let recorder = unsafe { &mut *place };
    if !recorder.is_started() {
        let mut baked = [0; CONFIG_SIZE];
        for (at, byte) in baked.iter_mut().enumerate() {
            // SAFETY: within CONFIG, same length. Volatile, since the bytes change after compilation.
            *byte = unsafe { (&raw const CONFIG).cast::<u8>().add(at).read_volatile() };
        }
        recorder.start(&baked, &mut WasmHost);
    }
    recorder
}

#[unsafe(no_mangle)]
extern "C" fn enter(kind: u32, context: u32, a1: u32, a2: u32, a3: u32, a4: u32) -> u32 {
    u32::from(recorder().enter(kind, context, [a1, a2, a3, a4], &mut WasmHost))
}

#[unsafe(no_mangle)]
extern "C" fn leave(kind: u32, context: u32, result: u32) {
    recorder().leave(kind, context, result, &mut WasmHost);
}

#[unsafe(no_mangle)]
extern "C" fn tick_end(root: u32) {
    recorder().tick_end(root, &mut WasmHost);
}

#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // the widest hostcall has twelve parameters
extern "C" fn hostcall(
    kind: u32,
    status: u32,
    p0: u32,
    p1: u32,
    p2: u32,
    p3: u32,
    p4: u32,
    p5: u32,
    p6: u32,
    p7: u32,
    p8: u32,
    p9: u32,
    p10: u32,
    p11: u32,
) {
    let params = [p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11];
    recorder().hostcall(kind, status, &params, &mut WasmHost);
}

#[unsafe(no_mangle)]
extern "C" fn counted(kind: u32, status: u32) -> u32 {
    u32::from(recorder().counted(kind, status))
}

#[unsafe(no_mangle)]
extern "C" fn set_tick_period(period_millis: u32) -> u32 {
    recorder().set_tick_period(period_millis, &mut WasmHost)
}

#[unsafe(no_mangle)]
extern "C" fn get_status_saved() -> i32 {
    recorder().saved_status().map_or(-1, |(_, message)| message.len() as i32)
}

#[unsafe(no_mangle)]
extern "C" fn saved_status_code() -> u32 {
    recorder().saved_status().map_or(0, |(code, _)| code)
}

#[unsafe(no_mangle)]
extern "C" fn saved_status_copy(destination: u32) {
    recorder().saved_status_copy(destination, &mut WasmHost);
}

#[unsafe(no_mangle)]
extern "C" fn trap() {
    recorder().trap(&mut WasmHost);
}

#[unsafe(no_mangle)]
extern "C" fn exiting(_code: u32) {
    recorder().exiting(&mut WasmHost);
}

#[unsafe(no_mangle)]
extern "C" fn arena_alloc(size: u32) -> u32 {
    arena::allocate(size)
}
