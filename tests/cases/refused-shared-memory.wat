;; Refused: memory shared between threads.
(module (memory (export "memory") 1 2 shared) (func (export "proxy_abi_version_0_2_1")))
