//! Nests the lines of each thread to invocations.
//!
//! Threads write whole lines, in any order; within one thread calls and returns are nested like the
//! calls that they tell of. A VM that traps writes no return: then the next line that cannot stand
//! inside the open call says so.

use std::collections::BTreeMap;

use timeline::ids::{CallId, Micros};

use crate::invocation::{Export, Import, Invocation, Made, Returned};
use crate::line::{BadLine, Direction, Formats, Line, Seen, Step};

/// Calls within calls that are followed. Hosts nest rarely, and never this deep.
const MOST_OPEN: usize = 64;
/// Hostcalls of one invocation, and threads: more is no log of a host.
const MOST_HOSTCALLS: usize = 1 << 16;
const MOST_THREADS: usize = 4_096;

/// A line that was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Defect {
    /// Its number, from 1.
    pub line: u64,
    /// The thread that wrote it, if that can be told.
    pub thread: Option<u32>,
    /// What is wrong with it.
    pub what: DefectKind,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefectKind {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] BadLine),
    /// The log begins in the middle, or lines are missing.
    #[error("{0} returned, and nothing says that it was called")]
    ReturnWithoutCall(Box<str>),
    /// The log begins in the middle, or lines are missing.
    #[error("{0} was called, and no callback is open that could have")]
    HostcallWithoutCallback(Box<str>),
    /// Lines are missing: a host calls the allocator only within a hostcall.
    #[error("{0} was called, and no hostcall is open that could have")]
    AllocatorWithoutHostcall(Box<str>),
    /// Nobody nests like this.
    #[error("more than {MOST_OPEN} calls are open")]
    TooDeep,
    /// Nobody calls so much.
    #[error("one callback made more than {MOST_HOSTCALLS} hostcalls")]
    TooMany,
    /// No host has so many.
    #[error("it is of one more thread than the {MOST_THREADS} that are followed")]
    TooManyThreads,
    /// Lines of several threads stand between each other, and the log does not name threads.
    #[error("{0} was called while {1} ran, and the log does not say on which thread")]
    Interleaved(Box<str>, Box<str>),
}

/// Reads the log line by line.
#[derive(Debug, Default)]
pub struct Reader {
    formats: Formats,
    lines: u64,
    /// Lines of the trace that could be read, and of others.
    understood: u64,
    others: u64,
    /// What names the first line of the trace.
    first: Option<String>,
    last: Option<Micros>,
    threads: BTreeMap<u32, Thread>,
    defects: Vec<Defect>,
}

/// What is open on a thread: invocations and hostcalls in turns, an invocation first.
#[derive(Debug, Default)]
struct Thread {
    open: Vec<Open>,
}

#[derive(Debug)]
enum Open {
    Invocation(Invocation),
    Made(Made),
}

impl Reader {
    /// At the beginning of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// At the beginning of a log whose lines have these formats.
    pub fn of(formats: Formats) -> Self {
        Self { formats, ..Self::default() }
    }

    /// Takes the next line; answers an invocation that no other is around and that is now complete, or
    /// that is now known to have trapped.
    pub fn push(&mut self, text: &str) -> Option<Invocation> {
        self.push_as(self.lines + 1, text)
    }

    /// The same with a line that has this number.
    pub fn push_as(&mut self, number: u64, text: &str) -> Option<Invocation> {
        self.lines = number;
        let seen = self.formats.read(text);
        self.see(seen)
    }

    /// What the lines look like.
    pub(crate) fn formats(&mut self) -> &mut Formats {
        &mut self.formats
    }

    fn see(&mut self, seen: Seen<'_>) -> Option<Invocation> {
        match seen {
            Seen::Other => self.others += 1,
            Seen::Begun(_, _, thread) => self.defect(thread, BadLine::Cut.into()),
            Seen::Bad(bad, thread) => self.defect(thread, bad.into()),
            Seen::Line(line, _) => {
                let thread = line.thread;
                match self.take(line) {
                    Ok(taken) => {
                        self.understood += 1;
                        return taken;
                    }
                    Err(what) => self.defect(thread, what),
                }
            }
        }
        None
    }

    /// At the end of the log: what is open, as far as it went.
    pub fn finish(&mut self) -> Vec<Invocation> {
        let threads = std::mem::take(&mut self.threads);
        threads.into_values().filter_map(|mut thread| thread.close(0)).collect()
    }

    /// How many lines were taken.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// How many of them are of the trace and could be read.
    pub fn understood(&self) -> u64 {
        self.understood
    }

    /// How many of them are something else.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// What names the first line of the trace: the same whatever stands around it.
    pub(crate) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// What was left out since this was last asked.
    pub fn take_defects(&mut self) -> Vec<Defect> {
        std::mem::take(&mut self.defects)
    }

    /// Threads with an open invocation.
    pub(crate) fn threads(&self) -> impl Iterator<Item = u32> {
        self.threads.iter().filter(|(_, thread)| !thread.open.is_empty()).map(|(id, _)| *id)
    }

    /// The time of the last line that could be read.
    pub fn last_time(&self) -> Option<Micros> {
        self.last
    }

    /// Since when the oldest open invocation runs.
    pub fn open_since(&self) -> Option<Micros> {
        let outermost = self.threads.values().filter_map(|thread| thread.open.first());
        let since = outermost.filter_map(|open| match open {
            Open::Invocation(invocation) => Some(invocation.at),
            Open::Made(_) => None,
        });
        since.min()
    }

    fn defect(&mut self, thread: Option<u32>, what: DefectKind) {
        self.defects.push(Defect { line: self.lines, thread, what });
    }

    fn take(&mut self, line: Line<'_>) -> Result<Option<Invocation>, DefectKind> {
        let number = self.lines;
        let id = line.thread.unwrap_or_default();
        if self.threads.len() >= MOST_THREADS && !self.threads.contains_key(&id) {
            return Err(DefectKind::TooManyThreads);
        }
        if self.last.is_none() {
            let (Step::Call { name, .. } | Step::Return { name, .. }) = &line.step;
            self.first = Some(format!("{} {id} {name}", line.at));
        }
        self.last = Some(line.at);
        let thread = self.threads.entry(id).or_default();
        match (line.direction, line.step) {
            (Direction::HostToVm, Step::Call { name, arguments }) => {
                let export = Export::of(name);
                if export == Export::Allocator
                    && matches!(thread.open.last(), Some(Open::Invocation(_)))
                {
                    return Err(DefectKind::AllocatorWithoutHostcall(name.into()));
                }
                // Plugin code runs in the open invocation, so nobody can call: it has trapped.
                let trapped = match thread.open.last() {
                    Some(Open::Invocation(_)) => thread.close(0),
                    _ => None,
                };
                if let Some(open) = trapped.as_ref().filter(|_| line.thread.is_none()) {
                    let what = DefectKind::Interleaved(name.into(), open.export.name().into());
                    self.defects.push(Defect { line: number, thread: Some(id), what });
                }
                let invocation = Invocation {
                    line: number,
                    thread: id,
                    at: line.at,
                    took: Micros(0),
                    export,
                    arguments,
                    returned: Returned::Never,
                    hostcalls: Vec::new(),
                };
                thread.push(Open::Invocation(invocation))?;
                Ok(trapped)
            }
            (Direction::VmToHost, Step::Call { name, arguments }) => {
                match thread.open.last() {
                    Some(Open::Invocation(open)) if open.hostcalls.len() >= MOST_HOSTCALLS => {
                        return Err(DefectKind::TooMany);
                    }
                    Some(Open::Invocation(_)) => {}
                    _ => return Err(DefectKind::HostcallWithoutCallback(name.into())),
                }
                let made = Made {
                    line: number,
                    at: line.at,
                    import: Import::of(name),
                    arguments,
                    returned: Returned::Never,
                    call: CallId(0),
                    inner: Vec::new(),
                };
                thread.push(Open::Made(made))?;
                Ok(None)
            }
            (direction, Step::Return { name, value }) => {
                let returned = value.map_or(Returned::Nothing, Returned::Value);
                thread
                    .returned(direction, name, returned, line.at)
                    .ok_or_else(|| DefectKind::ReturnWithoutCall(name.into()))
            }
        }
    }
}

impl Thread {
    fn push(&mut self, open: Open) -> Result<(), DefectKind> {
        if self.open.len() >= MOST_OPEN {
            return Err(DefectKind::TooDeep);
        }
        self.open.push(open);
        Ok(())
    }

    /// The innermost open call of that name returned; what is open inside it never will.
    fn returned(
        &mut self,
        direction: Direction,
        name: &str,
        returned: Returned,
        at: Micros,
    ) -> Option<Option<Invocation>> {
        let is_it = |open: &Open| match (open, direction) {
            (Open::Invocation(invocation), Direction::HostToVm) => invocation.export.is(name),
            (Open::Made(made), Direction::VmToHost) => made.import.is(name),
            _ => false,
        };
        let depth = self.open.iter().rposition(is_it)?;
        self.close(depth + 1);
        match self.open.last_mut() {
            Some(Open::Invocation(invocation)) => {
                invocation.returned = returned;
                invocation.took = at.since(invocation.at);
            }
            Some(Open::Made(made)) => (made.returned, made.at) = (returned, at),
            None => {}
        }
        Some(self.close(depth))
    }

    /// Takes away all but the outermost `depth` open calls, each into the one around it. Answers the
    /// outermost one if it is taken away too.
    fn close(&mut self, depth: usize) -> Option<Invocation> {
        while self.open.len() > depth {
            match (self.open.pop()?, self.open.last_mut()) {
                (Open::Made(made), Some(Open::Invocation(around))) => around.hostcalls.push(made),
                (Open::Invocation(invocation), Some(Open::Made(around))) => {
                    around.inner.push(invocation);
                }
                (Open::Invocation(invocation), None) => return Some(invocation),
                // They stand in turns, an invocation first.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads messages, each of a thread, and prints what became of them.
    fn read(messages: &[(u32, &str)]) -> String {
        let mut reader = Reader::new();
        let mut out = String::new();
        for (at, (thread, message)) in messages.iter().enumerate() {
            let text = format!(
                "[2026-11-23 21:28:22.{at:03}][{thread}][trace][wasm] \
                 [source/extensions/common/wasm/wasm_vm.cc:39] {message}"
            );
            if let Some(invocation) = reader.push(&text) {
                print(&invocation, 0, &mut out);
            }
        }
        for invocation in reader.finish() {
            out += "at the end ";
            print(&invocation, 0, &mut out);
        }
        for defect in reader.take_defects() {
            out += &format!("{defect}\n");
        }
        out
    }

    fn print(invocation: &Invocation, depth: usize, out: &mut String) {
        let Invocation { line, thread, took, export, arguments, returned, .. } = invocation;
        *out += &format!(
            "{:depth$}{line} [{thread}] {export:?} {arguments:?} {returned:?} {took}\n",
            ""
        );
        for made in &invocation.hostcalls {
            let depth = depth + 2;
            let Made { line, import, arguments, returned, .. } = made;
            *out += &format!("{:depth$}{line} {import:?} {arguments:?} {returned:?}\n", "");
            made.inner.iter().for_each(|inner| print(inner, depth + 2, out));
        }
    }

    #[test]
    fn calls_are_nested_and_threads_are_kept_apart() {
        let got = read(&[
            (7, "[host->vm] proxy_on_request_headers(2, 9, 1)"),
            (7, "[vm->host] env.proxy_get_property(1064768, 28, 1048220, 1048224)"),
            (8, "[host->vm] proxy_on_tick(1)"),
            (7, "[host->vm] proxy_on_memory_allocate(36)"),
            (8, "[host<-vm] proxy_on_tick return: void"),
            (7, "[host<-vm] proxy_on_memory_allocate return: 1064816"),
            (7, "[vm<-host] env.proxy_get_property return: 0"),
            (7, "[vm->host] env.something_new(1)"),
            (7, "[vm<-host] env.something_new return: void"),
            (7, "[host<-vm] proxy_on_request_headers return: 1"),
        ]);
        assert_eq!(
            got,
            "3 [8] Callback(Tick) [1] Nothing 2000\n\
             1 [7] Callback(RequestHeaders) [2, 9, 1] Value(1) 9000\n  \
               2 Hostcall(GetProperty) [1064768, 28, 1048220, 1048224] Value(0)\n    \
                 4 [7] Allocator [36] Value(1064816) 2000\n  \
               8 Other(\"env.something_new\") [1] Nothing\n"
        );
    }

    #[test]
    fn a_trap_is_known_by_the_next_line_that_cannot_stand_inside() {
        let got = read(&[
            (7, "[host->vm] proxy_on_request_body(2, 9, 1)"),
            (7, "[vm->host] env.proxy_log(2, 100, 9)"),
            (7, "[vm<-host] env.proxy_log return: 0"),
            (7, "[host->vm] proxy_on_tick(1)"),
            (7, "[host<-vm] proxy_on_tick return: void"),
        ]);
        assert_eq!(
            got,
            "1 [7] Callback(RequestBody) [2, 9, 1] Never 0\n  \
               2 Hostcall(Log) [2, 100, 9] Value(0)\n\
             4 [7] Callback(Tick) [1] Nothing 1000\n"
        );
    }

    #[test]
    fn a_trap_in_a_nested_invocation_ends_with_the_hostcall_around_it() {
        let got = read(&[
            (7, "[host->vm] proxy_on_request_body(2, 9, 1)"),
            (7, "[vm->host] env.proxy_close_stream(0)"),
            (7, "[host->vm] proxy_on_log(2)"),
            (7, "[vm<-host] env.proxy_close_stream return: 0"),
            (7, "[host<-vm] proxy_on_request_body return: 0"),
        ]);
        assert_eq!(
            got,
            "1 [7] Callback(RequestBody) [2, 9, 1] Value(0) 4000\n  \
               2 Hostcall(CloseStream) [0] Value(0)\n    \
                 3 [7] Callback(Log) [2] Never 0\n"
        );
    }

    #[test]
    fn what_a_cut_log_lacks_is_told_by_line() {
        let got = read(&[
            (7, "[vm<-host] env.proxy_log return: 0"),
            (7, "[host<-vm] proxy_on_tick return: void"),
            (7, "[vm->host] env.proxy_log(2, 100, 9)"),
            (7, "[host->vm] proxy_on_tick(1"),
            (7, "[host->vm] proxy_on_tick(1)"),
        ]);
        assert_eq!(
            got,
            "at the end 5 [7] Callback(Tick) [1] Never 0\n\
             line 1: env.proxy_log returned, and nothing says that it was called\n\
             line 2: proxy_on_tick returned, and nothing says that it was called\n\
             line 3: env.proxy_log was called, and no callback is open that could have\n\
             line 4: the line is cut\n"
        );
    }

    #[test]
    fn endless_nesting_is_not_followed() {
        let mut reader = Reader::new();
        for _ in 0..100 {
            for message in ["[host->vm] proxy_on_tick(1)", "[vm->host] env.proxy_done()"] {
                let text =
                    format!("[2026-11-23 21:28:22.081][7][trace][wasm] [wasm_vm.cc:39] {message}");
                assert_eq!(reader.push(&text).map(|found| found.line), None);
            }
        }
        assert!(reader.take_defects().iter().any(|defect| defect.what == DefectKind::TooDeep));
    }
}
