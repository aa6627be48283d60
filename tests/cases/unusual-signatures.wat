;; Named as the ABI's but of another type: the host will say what it thinks of them, we leave them be.
(module
  (import "env" "proxy_log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $headers (export "proxy_on_request_headers") (param i32 i32) (result i32)
    (call $log (i32.const 0) (i32.const 0)))
  (func $done (export "proxy_on_done") (param i64) (result i32) (i32.const 1)))
