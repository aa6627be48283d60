;; The plugin of docs/instrumenting.md, which shows parts of what becomes of it.
(module
  (import "env" "proxy_continue_stream" (func $continue_stream (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $malloc (export "malloc") (param $size i32) (result i32)
    (i32.const 1024))
  (func $request_body (export "proxy_on_request_body")
    (param $context i32) (param $size i32) (param $end i32) (result i32)
    (if (i32.eqz (local.get $size))
      (then (return (call $continue_stream (i32.const 0)))))
    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1))
      (then unreachable))
    (i32.gt_u (memory.size) (i32.const 100))))
