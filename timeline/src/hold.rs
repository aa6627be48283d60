//! The hold-state machine per direction (host-semantics §1.4).
