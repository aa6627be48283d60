;; The least that does something: no table, no globals, no data, no start.
(module
  (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  ;; Hosts refuse a module without an allocator.
  (func (export "malloc") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_request_headers") (param $context i32) (param $n i32) (param $end i32) (result i32)
    (i32.store (i32.const 0) (local.get $context))
    (drop (call $proxy_log (i32.const 3) (i32.const 0) (i32.const 4)))
    (i32.store8 (i32.const 8)
      (i32.add (i32.const 48) (call $get_header (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16) (i32.const 20))))
    (drop (call $proxy_log (i32.const 2) (i32.const 8) (i32.const 1)))
    (i32.const 0)))
