;; Names, producers, target features and build ids stay; what describes or vouches for the old bytes
;; goes, and the report says so.
(module $plugin
  (@custom "producers" "\01\08language\01\04Rust\042024")
  (@custom "build_id" "\04abcd")
  (@custom "target_features" "\01+\08sign-ext")
  (@custom ".debug_info" "offsets into the old code")
  (@custom ".debug_line" "offsets into the old code")
  (@custom "sourceMappingURL" "\0ahttp://map")
  (@custom "signature_wasmsign" "of the old bytes")
  (@custom "precompiled_v8_v12" "machine code of the old bytes")
  (memory $main_memory (export "memory") 1)
  (global $pointer (mut i32) (i32.const 0))
  (func $marker (export "proxy_abi_version_0_2_1"))
  (func $log (export "proxy_on_log") (param $context i32) (local $unused i32)
    (global.set $pointer (local.get $context))))
