//! Running other programs: with their output kept for the case of failure, and with progress shown.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

/// The cargo that runs this task, in the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::places::workspace());
    command
}

/// Runs to the end and answers what was printed (standard output only).
///
/// # Errors
/// If the program cannot be started or fails; then with all that it printed.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} could not be started: is it installed?"))?;
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}):\n{}", output.status, printed.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs with everything shown as it comes.
///
/// # Errors
/// If the program cannot be started or fails.
pub fn shown(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("{name} could not be started: is it installed?"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Takes the program's place here, so that a signal meets one process and not two.
///
/// # Errors
/// If it cannot be started: else this does not come back.
pub fn become_it(command: &mut Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    let name = command.get_program().to_string_lossy().into_owned();
    let error = command.exec();
    Err(anyhow::Error::from(error).context(format!("{name} could not be started")))
}

/// Does a step that may take long: its name is printed before, its seconds after.
pub fn step<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let start = Instant::now();
    if std::io::stdout().is_terminal() {
        print!("  {name} …");
        let _ = std::io::stdout().flush();
    } else {
        println!("  {name} …");
    }
    let done = work();
    let seconds = start.elapsed().as_secs_f32();
    let end = if done.is_ok() { "" } else { ", failed" };
    println!("\r  {name} … {seconds:.1} s{end}");
    done
}
