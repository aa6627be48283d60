;; Refused: pages of one byte.
(module
  (memory (export "memory") 65536 (pagesize 1))
  (func (export "proxy_abi_version_0_2_1")))
