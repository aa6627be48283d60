//! Modules that the tests run: hand-written ones beside this file, compiled ones from folders that
//! `cargo xtask test` names in the environment.

/// A hand-written plugin.
pub fn plugin(name: &str) -> Vec<u8> {
    let file = format!("{}/tests/plugins/{name}.wat", env!("CARGO_MANIFEST_DIR"));
    wat::parse_file(&file).unwrap_or_else(|error| panic!("{error}"))
}
