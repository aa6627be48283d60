;;! show recorder
;; How the recorder's functions are lowered.
(module
  (memory (export "memory") 3)
  (func $marker (export "proxy_abi_version_0_2_1")))
