;;! inspect
;; What `inspect` says of a plugin.
(module
  (@custom "producers" "\01\08language\01\04Rust\042024")
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_redis_init" (func $init (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_of_the_future" (func $future (param i32) (result i32)))
  (memory (export "memory") 17 100)
  (func $marker (export "proxy_abi_version_0_2_100"))
  (func $log_end (export "proxy_on_log") (param i32))
  (func $alloc (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0)))
