;;! host envoy
;; A plugin for Higress made fit for a stock Envoy: the marker is renamed, and what Envoy lacks is answered
;; by stubs, also where the plugin imports it with a type of its own or newer than the tables.
(module
  (import "env" "proxy_redis_call" (func $redis (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_redis_init" (func $redis_init (param i32) (result i32)))
  (import "env" "proxy_of_tomorrow" (func $tomorrow (param i64) (result i32)))
  (import "env" "proxy_get_upstream_hosts" (func $hosts (param i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function"
    (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_2_100"))
  (func $headers (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $redis_init (i32.const 0)))
    (drop (call $tomorrow (i64.const 0)))
    (drop (call $hosts (i32.const 0) (i32.const 4)))
    (call $redis (i32.const 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)))
  (func $redis_response (export "proxy_on_redis_call_response") (param i32 i32 i32 i32)))
