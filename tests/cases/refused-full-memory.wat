;; Refused: no room for the recorder.
(module (memory (export "memory") 65535) (func (export "proxy_abi_version_0_2_1")))
