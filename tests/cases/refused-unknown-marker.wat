;; Refused: a version that nobody knows here.
(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_3_0")))
