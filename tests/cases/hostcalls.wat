;;! show shims
;; Hooks stand at every use: in code, in tables, behind references and behind exports. Imports that
;; are never recorded keep their own index.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $metric (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
  (table $handlers 4 funcref)
  (elem (i32.const 1) func $log $body $tick)
  (memory (export "memory") 1)
  (global $hook funcref (ref.func $call))
  (export "log_again" (func $log))
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $body (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 4)))
    (drop (call $time (i32.const 8)))
    (drop (call $metric (i32.const 1) (i64.const 2)))
    (drop (call $tick (i32.const 100)))
    (drop (ref.func $log))
    (call $exit (i32.const 1))
    (i32.const 1)))
