;; The maximum is raised by what the recorder begins with, but not by all that sampling may take.
(module
  (memory (export "memory") 2 65530)
  (func $marker (export "proxy_abi_version_0_2_1")))
