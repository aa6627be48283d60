//! What Envoy itself says of its VMs, at `--component-log-level wasm:trace`: each callback and
//! hostcall with the thread it ran on, and the lines that plugins log.

use std::collections::BTreeSet;

use import::line::{self, Direction, Line, Step};

/// A callback, as Envoy entered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub millis: u64,
    /// A VM of a configuration is one thread's.
    pub thread: u32,
    /// `tick`, `context_create` …
    pub callback: String,
    /// The context and what else came with it.
    pub arguments: Vec<u64>,
    /// Periods that were set while it ran, in milliseconds.
    pub periods: Vec<u64>,
}

/// A line that a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Milliseconds since 1970.
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
        for text in log.lines() {
            if let Ok(Some(line)) = line::parse(text) {
                all.called(line);
            } else {
                all.said.extend(Said::read(text));
            }
        }
        all
    }

    fn called(&mut self, line: Line<'_>) {
        let Line { thread, at, direction, step: Step::Call { name, arguments } } = line else {
            return;
        };
        let thread = thread.unwrap_or_default();
        match direction {
            Direction::HostToVm => {
                let Some(callback) = name.strip_prefix("proxy_on_") else { return };
                let (millis, callback) = (at.0 / 1000, callback.to_owned());
                let periods = Vec::new();
                self.entries.push(Entry { millis, thread, callback, arguments, periods });
            }
            Direction::VmToHost if name == "env.proxy_set_tick_period_milliseconds" => {
                let open = self.entries.iter_mut().rev().find(|entry| entry.thread == thread);
                if let Some(entry) = open {
                    entry.periods.extend(arguments);
                }
            }
            Direction::VmToHost => {}
        }
    }

    /// Callbacks of a name.
    pub fn of<'a>(&'a self, callback: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.callback == callback)
    }

    /// Thread and id of each root context; ids begin anew where one thread has several VMs.
    pub fn roots(&self) -> Vec<(u32, u64)> {
        let roots = self.of("context_create").filter(|entry| entry.arguments.get(1) == Some(&0));
        roots.filter_map(|entry| Some((entry.thread, *entry.arguments.first()?))).collect()
    }

    /// The threads on which VMs have streams.
    pub fn workers(&self) -> BTreeSet<u32> {
        let streams = self.of("context_create").filter(|entry| entry.arguments.get(1) != Some(&0));
        streams.map(|entry| entry.thread).collect()
    }

    /// Where the deletion of a context on a thread stands among the entries.
    pub fn deletion(&self, thread: u32, context: u64) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.callback == "delete"
                && (entry.thread, entry.arguments.first()) == (thread, Some(&context))
        })
    }

    /// Ticks of a root, from a place among the entries on.
    pub fn ticks(&self, thread: u32, root: u64, from: usize) -> usize {
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

impl Said {
    /// `[2026-11-24 18:53:07.747][8622][info][wasm] [source/…] wasm log p-root v: tick`
    fn read(line: &str) -> Option<Self> {
        let (_, said) = line.split_once("] wasm log ")?;
        let (who, text) = said.split_once(": ")?;
        let (at, thread) = line::stamp(line)?;
        Some(Self { millis: at.0 / 1000, thread, who: who.to_owned(), text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::Trace;

    const LOG: &str = "\
[2026-11-24 23:59:59.900][7][trace][wasm] [a/wasm_vm.cc:39] [host->vm] proxy_on_context_create(1, 0)
[2026-11-24 23:59:59.901][7][trace][wasm] [a/wasm_vm.cc:39] [vm->host] env.proxy_set_tick_period_milliseconds(300)
[2026-11-25 00:00:00.200][7][trace][wasm] [a/wasm_vm.cc:39] [host->vm] proxy_on_tick(1)
[2026-11-25 00:00:00.200][7][info][wasm] [a/context.cc:1148] wasm log p-root v: tick
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
