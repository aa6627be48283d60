;; memory.size and memory.grow of the plugin see its own pages only; the declared maximum is raised by
;; the recorder's pages; a function that gives up calls the black box first.
(module
  (memory (export "memory") 2 20)
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $grow (export "grow") (param i32) (result i32)
    (if (i32.gt_u (memory.size) (i32.const 10)) (then unreachable))
    (memory.grow (local.get 0))))
