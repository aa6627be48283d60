//! A process that ends with us, whatever way we end.
//!
//! A test's statics are never dropped and a killed process drops nothing, so the child is started
//! under a shell that holds the reading end of a pipe: when we are gone the pipe closes, and the
//! shell ends the child and removes its folder. (The usual `PR_SET_PDEATHSIG` needs unsafe code.)

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::wait;

/// `$1` the folder, the rest the command. The guard's exit code is the command's.
const GUARD: &str = r#"
folder=$1; shift
"$@" </dev/null & pid=$!
echo "$pid" >"$folder/pid"
( cat >/dev/null
  kill "$pid" 2>/dev/null
  tries=0
  while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries + 1)); [ "$tries" -lt 100 ] || kill -9 "$pid" 2>/dev/null
    sleep 0.05
  done
  rm -rf "$folder"
) <&3 >/dev/null 2>&1 &
wait "$pid"
"#;

/// A running process and its folder.
pub struct Guarded {
    guard: Child,
    /// Closing it ends the process.
    alive: Option<ChildStdin>,
    folder: PathBuf,
}

impl Guarded {
    /// Starts `command` with its output in `log` below `folder`, which is removed when it ends.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn start(folder: PathBuf, command: &[&std::ffi::OsStr]) -> anyhow::Result<Self> {
        let log = File::create(folder.join("log"))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 3<&0\n{GUARD}"), "guard"]).arg(&folder).args(command);
        shell.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // Its own group: Ctrl-C at the terminal is ours to act on.
        let mut guard = shell.process_group(0).spawn().context("sh could not be started")?;
        let alive = guard.stdin.take();
        Ok(Self { guard, alive, folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it prints.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What the process has printed so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.guard.try_wait(), Ok(None))
    }

    /// Its exit code once it has ended by itself; -1 for a signal.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let status = self.guard.try_wait().ok()??;
        Some(status.code().unwrap_or(-1))
    }

    /// Kills the process (SIGKILL) and waits for its end; its folder stays until this is dropped.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        let file = self.folder.join("pid");
        // Just started, the guard may not have said the number yet.
        let pid = wait::until("the process has a number", Duration::from_secs(10), || {
            let pid = std::fs::read_to_string(&file).unwrap_or_default();
            Ok(pid.ends_with('\n').then_some(pid))
        })?;
        Command::new("kill").args(["-9", pid.trim()]).status()?;
        self.guard.wait()?;
        Ok(())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.alive.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while (!self.has_ended() || self.folder.exists()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
