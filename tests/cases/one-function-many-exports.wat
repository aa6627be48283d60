;; One empty function may stand behind several exports: each export gets its own shim.
(module
  (memory (export "memory") 1)
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $nothing
    (export "proxy_on_log") (export "proxy_on_delete") (export "proxy_on_tick") (param i32)))
