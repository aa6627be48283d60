;; A plugin with a period of its own: ten milliseconds for each byte of its configuration; a request
;; with a body sets 250 ms, one without sets 0. Each tick says so.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "tick")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (if (local.get $size)
      (then (drop (call $period (i32.mul (local.get $size) (i32.const 10))))))
    (i32.const 1))
  (func (export "proxy_on_tick") (param i32)
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 4))))
  (func (export "proxy_on_request_headers") (param $context i32) (param i32) (param $end i32) (result i32)
    (drop (call $period (select (i32.const 0) (i32.const 250) (local.get $end))))
    (i32.const 0)))
