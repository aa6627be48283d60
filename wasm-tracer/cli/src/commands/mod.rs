//! One file per subcommand.

pub mod attach;
pub mod collector;
pub mod explain;
pub mod health;
pub mod import;
pub mod inspect;
pub mod instrument;
pub mod show;
pub mod tail;
pub mod verify;
