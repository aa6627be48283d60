//! What was read of a log and what was not.

use crate::reader::Defect;

/// Lines named one by one.
const NAMED: usize = 10;

/// Counts of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// All lines.
    pub lines: u64,
    /// Lines of the trace that were read.
    pub understood: u64,
    /// Lines that are pieces of another one.
    pub joined: u64,
    /// Lines of something else.
    pub others: u64,
    /// Lines of the trace that could not be read, or fit nowhere.
    pub defects: u64,
    /// The first of them.
    pub first: Vec<Defect>,
    /// Invocations that may have run in several VMs.
    pub unsure: u64,
}

impl Account {
    pub(crate) fn add(&mut self, defect: &Defect) {
        self.defects += 1;
        if self.first.len() < NAMED {
            self.first.push(defect.clone());
        }
    }
}
