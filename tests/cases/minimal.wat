;;! show shims
;; As little as a host loads: a marker and a memory. Everything the recorder needs is added.
(module
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_2_1")))
