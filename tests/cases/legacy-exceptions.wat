;; Exceptions as older toolchains emit them (Emscripten's -fwasm-exceptions): legacy try, catch, delegate.
(module
  (tag $failure (param i32))
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $fails (throw $failure (i32.const 1)))
  (func $headers (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    try $outer (result i32)
      try $inner
        call $fails
        unreachable
      delegate $outer
      i32.const 0
    catch $failure
      drop
      i32.const 1
    catch_all
      rethrow $outer
    end))
