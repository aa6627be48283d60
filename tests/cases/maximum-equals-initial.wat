;; A memory that begins with all it may have: the recorder's pages are added to the maximum, too, and
;; the plugin's growth fails as it did.
(module
  (memory (export "memory") 3 3)
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $malloc (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func $grow (export "grow") (result i32) (memory.grow (i32.const 1))))
