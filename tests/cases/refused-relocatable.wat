;; Refused: an object file.
(module (@custom "linking" "\02") (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))
