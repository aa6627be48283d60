//! One file per subcommand.

pub mod attach;
pub mod collector;
pub mod completions;
pub mod explain;
pub mod health;
pub mod import;
pub mod inspect;
pub mod instrument;
pub mod man;
pub mod show;
pub mod tail;
pub mod verify;
