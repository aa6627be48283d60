;; Refused: a module that is not valid, whatever runs it.
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_log") (param i32)
    (i32.add (i64.const 1) (i32.const 2))))
