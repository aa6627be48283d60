;; Refused: rewritten before.
(module (@custom "wasm-tracer" "version=0.0.9\nhost=envoy\n") (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))
