;; Under 0.1.0 the headers callbacks have two parameters.
(module
  (import "env" "proxy_continue_request" (func $continue (result i32)))
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_1_0"))
  (func $headers (export "proxy_on_request_headers") (param i32 i32) (result i32)
    (drop (call $continue))
    (i32.const 0))
  (func $response (export "proxy_on_response_headers") (param i32 i32) (result i32) (i32.const 0)))
