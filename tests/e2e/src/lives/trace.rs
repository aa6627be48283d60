//! What Envoy itself says of its VMs, at `--component-log-level wasm:trace`: each callback and
//! hostcall with the thread it ran on, and the lines that plugins log.

use std::collections::BTreeSet;

const DAY: u64 = 86_400_000;

/// A callback, as Envoy entered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Milliseconds since the first midnight of the log.
    pub millis: u64,
    /// A VM of a configuration is one thread's.
    pub thread: u32,
    /// `tick`, `context_create` …
    pub callback: String,
    /// The context and what else came with it.
    pub arguments: Vec<u32>,
    /// Periods that were set while it ran, in milliseconds.
    pub periods: Vec<u32>,
}

/// A line that a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Milliseconds since the first midnight of the log.
    pub millis: u64,
    /// The thread of its VM.
    pub thread: u32,
    /// Root id and VM id.
    pub who: String,
    /// The line.
    pub text: String,
}

/// All of a log.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Callbacks in the order of the log.
    pub entries: Vec<Entry>,
    /// Lines in the order of the log.
    pub said: Vec<Said>,
}

impl Trace {
    pub(super) fn read(log: &str) -> Self {
        let mut all = Self::default();
        let mut last = 0;
        for line in log.lines() {
            let Some((mut millis, thread, rest)) = stamp(line) else { continue };
            // Past midnight.
            while millis + DAY / 2 < last {
                millis += DAY;
            }
            last = millis;
            if let Some(call) = rest.strip_prefix("[host->vm] proxy_on_") {
                let Some((name, arguments)) = call_of(call) else { continue };
                let callback = name.to_owned();
                let periods = Vec::new();
                all.entries.push(Entry { millis, thread, callback, arguments, periods });
            } else if let Some(call) = rest.strip_prefix("[vm->host] env.proxy_set_tick_period_") {
                let open = all.entries.iter_mut().rev().find(|entry| entry.thread == thread);
                if let (Some(entry), Some((_, period))) = (open, call_of(call)) {
                    entry.periods.extend(period);
                }
            } else if let Some(said) = rest.strip_prefix("wasm log ")
                && let Some((who, text)) = said.split_once(": ")
            {
                let (who, text) = (who.to_owned(), text.to_owned());
                all.said.push(Said { millis, thread, who, text });
            }
        }
        all
    }

    /// Callbacks of a name.
    pub fn of<'a>(&'a self, callback: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.callback == callback)
    }

    /// Thread and id of each root context; ids begin anew where one thread has several VMs.
    pub fn roots(&self) -> Vec<(u32, u32)> {
        let roots = self.of("context_create").filter(|entry| entry.arguments.get(1) == Some(&0));
        roots.filter_map(|entry| Some((entry.thread, *entry.arguments.first()?))).collect()
    }

    /// The threads on which VMs have streams.
    pub fn workers(&self) -> BTreeSet<u32> {
        let streams = self.of("context_create").filter(|entry| entry.arguments.get(1) != Some(&0));
        streams.map(|entry| entry.thread).collect()
    }

    /// Where the deletion of a context on a thread stands among the entries.
    pub fn deletion(&self, thread: u32, context: u32) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.callback == "delete"
                && (entry.thread, entry.arguments.first()) == (thread, Some(&context))
        })
    }

    /// Ticks of a root, from a place among the entries on.
    pub fn ticks(&self, thread: u32, root: u32, from: usize) -> usize {
        let entries = self.entries.iter().skip(from);
        let ticks = entries.filter(|entry| {
            entry.callback == "tick"
                && (entry.thread, entry.arguments.first()) == (thread, Some(&root))
        });
        ticks.count()
    }

    /// Lines of one root that begin so, on one thread.
    pub fn lines<'a>(
        &'a self,
        thread: u32,
        root: &'a str,
        start: &'a str,
    ) -> impl Iterator<Item = &'a Said> {
        self.said.iter().filter(move |said| {
            said.thread == thread
                && said.who.split(' ').any(|word| word == root)
                && said.text.starts_with(start)
        })
    }
}

/// `[2026-11-24 18:53:07.747][8622][trace][wasm] [source/…] rest`
fn stamp(line: &str) -> Option<(u64, u32, &str)> {
    let (date, rest) = line.strip_prefix('[')?.split_once("][")?;
    let (thread, rest) = rest.split_once("][")?;
    let (_, rest) = rest.split_once("] [")?;
    let (_, rest) = rest.split_once("] ")?;
    let (_, time) = date.split_once(' ')?;
    let mut parts = time.split([':', '.']).map(str::parse::<u64>);
    let mut next = || parts.next()?.ok();
    let millis = ((next()? * 60 + next()?) * 60 + next()?) * 1000 + next()?;
    Some((millis, thread.parse().ok()?, rest))
}

/// `tick(1)`
fn call_of(text: &str) -> Option<(&str, Vec<u32>)> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, _) = rest.split_once(')')?;
    Some((name, arguments.split(", ").filter_map(|number| number.parse().ok()).collect()))
}

#[cfg(test)]
mod tests {
    use super::Trace;

    const LOG: &str = "\
[2026-11-24 23:59:59.900][7][trace][wasm] [a.cc:39] [host->vm] proxy_on_context_create(1, 0)
[2026-11-24 23:59:59.901][7][trace][wasm] [a.cc:39] [vm->host] env.proxy_set_tick_period_milliseconds(300)
[2026-11-25 00:00:00.200][7][trace][wasm] [a.cc:39] [host->vm] proxy_on_tick(1)
[2026-11-25 00:00:00.200][7][info][wasm] [b.cc:1148] wasm log p-root v: tick
";

    #[test]
    fn callbacks_periods_and_lines_are_read_with_their_thread_and_past_midnight() {
        let trace = Trace::read(LOG);
        assert_eq!(trace.roots(), [(7, 1)]);
        assert_eq!(trace.entries[0].periods, [300]);
        assert_eq!(trace.entries[1].millis - trace.entries[0].millis, 300);
        assert_eq!(trace.lines(7, "p-root", "tick").count(), 1);
    }
}
