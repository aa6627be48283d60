;; What plugins can ask Higress and not a stock Envoy: the properties `route_name` and `cluster_name`.
;; This filter stands before them and sets both; an unknown name is looked up among the set ones.
(module
  (import "env" "proxy_set_property"
    (func $set_property (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "route_name")
  (data (i32.const 16) "cluster_name")
  (data (i32.const 32) "ai-route-route-7.internal")
  (data (i32.const 64) "outbound|80||model-1-2.static")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $set_property (i32.const 0) (i32.const 10) (i32.const 32) (i32.const 25)))
    (drop (call $set_property (i32.const 16) (i32.const 12) (i32.const 64) (i32.const 29)))
    (i32.const 0)))
