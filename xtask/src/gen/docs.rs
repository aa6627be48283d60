//! What is written from other files of the repository: the page of all diagnoses, the dashboards in the
//! chart. The tests that compare them write them when blessed, so that there is one generator each.

use crate::command;

/// Writes `docs/diagnoses.md` and `docs/configuration.md`.
pub fn write() -> anyhow::Result<()> {
    command::step("writing the page of diagnoses", || {
        let mut cargo = command::cargo();
        cargo.env("BLESS", "1");
        cargo.args(["test", "--quiet", "--package", "timeline", "--test", "registry"]);
        command::output(&mut cargo)
    })?;
    command::step("writing the page of settings", || {
        let mut cargo = command::cargo();
        cargo.env("BLESS", "1").args(["test", "--quiet", "--package", "wasm-tracer", "--bins"]);
        command::output(cargo.args(["--", "the_page_is_as"]))
    })?;
    Ok(())
}

/// Writes the chart's copies of the dashboards and rules.
pub fn write_chart() -> anyhow::Result<()> {
    command::step("copying dashboards and rules into the chart", || {
        let mut cargo = command::cargo();
        cargo.env("BLESS", "1").args(["test", "--quiet", "--package", "deploy", "--test", "chart"]);
        command::output(cargo.args(["--", "the_chart_holds"]))
    })?;
    Ok(())
}
