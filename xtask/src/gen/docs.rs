//! Documents that are written from the code: the page of all diagnoses. The registry's test compares
//! it and writes it when blessed, so that there is one generator.

use crate::command;

/// Writes `docs/diagnoses.md`.
pub fn write() -> anyhow::Result<()> {
    command::step("writing the page of diagnoses", || {
        let mut cargo = command::cargo();
        cargo.env("BLESS", "1");
        cargo.args(["test", "--quiet", "--package", "timeline", "--test", "registry"]);
        command::output(&mut cargo)
    })?;
    Ok(())
}
