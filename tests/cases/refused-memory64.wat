;; Refused: addresses of 64 bits.
(module (memory (export "memory") i64 1) (func (export "proxy_abi_version_0_2_1")))
