;; Refused: a dynamic library.
(module (@custom "dylink.0" (before first) "") (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))
