//! The wire's types and field numbers. The test that compares them writes them when blessed, so that
//! there is one generator.

use crate::command;

/// Writes `proto/src/generated/` and `proto/src/fields.rs`.
pub fn write() -> anyhow::Result<()> {
    command::step("writing the wire's types", || {
        let mut cargo = command::cargo();
        cargo.env("BLESS", "1").args([
            "test",
            "--quiet",
            "--package",
            "proto",
            "--test",
            "generated",
        ]);
        command::output(&mut cargo)
    })?;
    Ok(())
}
