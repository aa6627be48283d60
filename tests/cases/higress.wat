;; A Higress plugin stays one: marker and imports are left.
(module
  (import "env" "proxy_redis_call" (func $redis (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_2_100"))
  (func $headers (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $redis (i32.const 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)))
  (func $redis_response (export "proxy_on_redis_call_response") (param i32 i32 i32 i32)))
