;; Go modules import some functions twice; each import keeps its own entry and gets its own shim.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write1 (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random1 (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write2 (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random2 (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_2_0"))
  (func $use (export "use") (result i32)
    (i32.add
      (i32.add
        (call $write1 (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
        (call $write2 (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
      (i32.add
        (call $random1 (i32.const 0) (i32.const 8))
        (call $random2 (i32.const 0) (i32.const 8))))))
