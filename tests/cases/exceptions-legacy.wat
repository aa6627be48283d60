;; Exceptions as they were first proposed and as Emscripten's -fwasm-exceptions still writes them:
;; try, catch, rethrow, delegate.
(module
  (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
  (tag $failure (param i32))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 4096))
  (func $fails (param $why i32)
    (drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 5)))
    (throw $failure (local.get $why)))
  (func $twice (param $why i32)
    try $outer
      try
        (call $fails (local.get $why))
      delegate $outer
    catch $failure
      local.set $why
      (i32.store (i32.const 64) (local.get $why))
      rethrow $outer
    end)
  (func (export "proxy_on_request_headers") (param $context i32) (param $n i32) (param $end i32) (result i32)
    try (result i32)
      (call $twice (i32.const 0))
      (i32.const 1)
    catch $failure
    catch_all
      (i32.const 1)
    end)
  (func (export "proxy_on_log") (param $context i32)
    try
      (call $twice (local.get $context))
    catch_all
    end
    (if (i32.gt_u (memory.size) (i32.const 9)) (then unreachable))
    (drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 4))))
  (data (i32.const 64) "fails"))
