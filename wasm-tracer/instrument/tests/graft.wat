;; A stand-in for the recorder: all exports and imports of the contract (abi::graft), and code that
;; uses everything the lowering knows. It keeps a count of what it was told and changes nothing.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "graft" "read" (func $read (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick_period (param i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "graft" "write" (func $write (param i32 i32 i32) (result i32)))
  (import "graft" "base" (func $base (result i32)))
  (import "graft" "pages" (func $pages (result i32)))
  (import "graft" "plugin_pages" (func $plugin_pages (result i32)))
  (memory (export "memory") 2)
  (global $stack (mut i32) (i32.const 2048))
  (global (export "CONFIG") i32 (i32.const 4096))
  (data $greeting (i32.const 1024) "a greeting of the recorder")
  (data $spare "passive bytes")

  (func $count (param $slot i32) (param $value i64)
    local.get $slot
    local.get $slot
    i64.load offset=64
    local.get $value
    i64.add
    i64.store offset=64
    i32.const 16
    local.get $value
    i64.store8
    i32.const 24
    i32.const 24
    i32.load16_u
    i32.const 1
    i32.add
    i32.store16)

  (func $enter (export "enter") (param $kind i32) (param $context i32) (param i32 i32 i32 i32) (result i32)
    (call $count (i32.const 0) (i64.const 1))
    (drop (call $time (i32.const 32)))
    (i32.const 1))
  (func $leave (export "leave") (param i32 i32 i32)
    (call $count (i32.const 8) (i64.const 1))
    (memory.copy (i32.const 1100) (i32.const 1024) (i32.const 26))
    (memory.fill (i32.const 1200) (i32.const 7) (i32.const 16))
    (memory.init $spare (i32.const 1300) (i32.const 0) (i32.const 13)))
  (func $counted (export "counted") (param i32 i32) (result i32)
    (i32.const 0))
  (func $tick_end (export "tick_end") (param i32)
    (drop (call $log (i32.const 2) (i32.const 1024) (i32.const 26)))
    (if (i32.lt_u (memory.size) (i32.const 4))
      (then (drop (memory.grow (i32.const 1))))))
  (func $hostcall (export "hostcall")
    (param $kind i32) (param $status i32)
    (param $p0 i32) (param $p1 i32) (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (drop (call $read (i32.const 1400) (local.get $p0) (i32.const 4)))
    (call $count (i32.const 16) (i64.const 1)))
  (func $set_tick_period (export "set_tick_period") (param i32) (result i32)
    (call $tick_period (local.get 0)))
  (func $get_status_saved (export "get_status_saved") (result i32)
    (i32.const -1))
  (func $saved_status_code (export "saved_status_code") (result i32)
    (i32.add (call $base) (i32.add (call $pages) (call $plugin_pages))))
  (func $saved_status_copy (export "saved_status_copy") (param i32)
    (drop (call $write (local.get 0) (i32.const 1024) (i32.const 26))))
  (func $trap (export "trap")
    (drop (call $property (i32.const 1024) (i32.const 4) (i32.const 40) (i32.const 44))))
  (func $exiting (export "exiting") (param i32))
  (func $arena_alloc (export "arena_alloc") (param i32) (result i32)
    (i32.const 8192))
)
