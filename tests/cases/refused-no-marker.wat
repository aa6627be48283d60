;; Refused: no version of the ABI.
(module (memory (export "memory") 1) (func (export "proxy_on_log") (param i32)))
