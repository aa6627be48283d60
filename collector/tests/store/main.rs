//! What every store must do, whatever is behind the trait. Today there is one: SQLite.

mod files;
mod journal;
mod place;
mod rows;
mod slices;
