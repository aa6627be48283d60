//! The raw imports. Each host function has a row in `abi`; the instrumenter puts an adaptor in front
//! of it that adds the recorder's base to the addresses.

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    pub fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    pub fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    pub fn proxy_set_tick_period_milliseconds(millis: u32) -> u32;
    pub fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *mut u32,
        size: *mut u32,
    ) -> u32;
    pub fn proxy_get_header_map_pairs(map: u32, pairs: *mut u32, size: *mut u32) -> u32;
    pub fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        value: *mut u32,
        size: *mut u32,
    ) -> u32;
    pub fn proxy_get_buffer_bytes(
        buffer: u32,
        start: u32,
        length: u32,
        bytes: *mut u32,
        size: *mut u32,
    ) -> u32;
    pub fn proxy_get_status(code: *mut u32, message: *mut u32, size: *mut u32) -> u32;
    pub fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_millis: u32,
        call_id: *mut u32,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    pub fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
    pub fn random_get(buffer: *mut u8, size: usize) -> u32;
    pub fn environ_sizes_get(count: *mut u32, size: *mut u32) -> u32;
    pub fn environ_get(pointers: *mut u8, buffer: *mut u8) -> u32;
}

#[link(wasm_import_module = "graft")]
unsafe extern "C" {
    pub fn read(destination: *mut u8, source: u32, length: usize) -> u32;
    pub fn write(destination: u32, source: *const u8, length: usize) -> u32;
    pub fn base() -> u32;
    pub fn pages() -> u32;
    pub fn plugin_pages() -> u32;
    pub fn panic();
}
