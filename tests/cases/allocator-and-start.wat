;;! show shims
;; Inside the allocator and whatever starts the module the recorder keeps still.
(module
  (import "env" "proxy_get_status" (func $status (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (start $begin)
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $begin)
  (func $initialize (export "_initialize"))
  (func $main (export "main") (param i32 i32) (result i32) (i32.const 0))
  (func $malloc (export "malloc") (param i32) (result i32) (i32.const 512))
  (func $vm_start (export "proxy_on_vm_start") (param i32 i32) (result i32)
    (call $status (i32.const 0) (i32.const 4) (i32.const 8))))
