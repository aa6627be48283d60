//! Who runs on which core, and how much CPU a process has had.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

/// The core of the Envoys, and the core of everything that surrounds them.
#[derive(Clone, Copy)]
pub struct Cores {
    pub envoys: u32,
    pub others: u32,
}

impl Cores {
    /// The first two cores this process may run on.
    pub fn pick() -> anyhow::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")
            .context("cannot read /proc/self/status: this benchmark runs on Linux only")?;
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .context("the kernel does not say which cores this process may use")?;
        match numbers(list.trim())[..] {
            [envoys, others, ..] => Ok(Self { envoys, others }),
            _ => bail!("two cores are needed, one for the Envoys and one for what loads them"),
        }
    }

    /// Moves this process, and every thread it starts from now on, beside the Envoys' core.
    pub fn step_aside(self) -> anyhow::Result<()> {
        let core = self.others.to_string();
        let process = std::process::id().to_string();
        let pinned = Command::new("taskset").args(["-a", "-p", "-c", &core, &process]).output();
        match pinned.context("cannot run taskset: install util-linux")? {
            output if output.status.success() => Ok(()),
            output => bail!("taskset failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
        }
    }
}

/// `0-2,5` as Linux writes sets of cores.
fn numbers(list: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse()) {
            numbers.extend(from..=to);
        }
    }
    numbers
}

/// CPU time that all threads of a process have had so far.
///
/// From the scheduler's own account in nanoseconds: the ticks of `/proc/PID/stat` are 10 ms, near 1 %
/// of a slice.
pub fn used_by(process: u32) -> anyhow::Result<Duration> {
    let threads = format!("/proc/{process}/task");
    let mut nanos = 0;
    for thread in std::fs::read_dir(&threads).with_context(|| format!("cannot read {threads}"))? {
        let file = thread?.path().join("schedstat");
        // A thread that has just ended took what it used with it; Envoy's own live as long as it does.
        let Ok(account) = std::fs::read_to_string(&file) else { continue };
        let first = account.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        nanos += first.with_context(|| format!("{} holds no number", file.display()))?;
    }
    Ok(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::{numbers, used_by};

    #[test]
    fn sets_of_cores_are_read_as_linux_writes_them() {
        assert_eq!(numbers("0-1"), [0, 1]);
        assert_eq!(numbers("3"), [3]);
        assert_eq!(numbers("0-2,5"), [0, 1, 2, 5]);
    }

    #[test]
    fn a_process_that_works_is_seen_to_have_worked() {
        let myself = std::process::id();
        let before = used_by(myself).unwrap();
        let started = std::time::Instant::now();
        while started.elapsed().as_millis() < 30 {
            std::hint::spin_loop();
        }
        assert!(used_by(myself).unwrap() > before);
    }
}
