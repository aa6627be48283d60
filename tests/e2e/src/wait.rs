//! Waiting for a condition, with a deadline. Never for luck.

use std::time::{Duration, Instant};

use anyhow::bail;

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` answers something, at most `limit`.
///
/// # Errors
/// When it did not come about in time: `what` says what was waited for.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = condition()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        std::thread::sleep(EVERY);
    }
}

/// Waits at most 20 s, and panics when it did not come about: for scenarios.
pub fn soon<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    match until(what, Duration::from_secs(20), || Ok(condition())) {
        Ok(found) => found,
        Err(error) => panic!("{error}"),
    }
}
