;; The maximum cannot be raised past what 32 bits address.
(module
  (memory (export "memory") 2 65535)
  (func $marker (export "proxy_abi_version_0_2_1")))
