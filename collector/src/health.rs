//! Is the collector well, and if not, why.

use std::sync::{Mutex, PoisonError};

/// A part of the store that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Raw batches.
    Journal,
    /// Timelines.
    Slices,
    /// Timelines written, surviving a power cut. Until it works again batches pile up in the journal,
    /// which refuses more when it is full.
    Settling,
}

/// What is wrong now, by part.
#[derive(Debug, Default)]
pub struct Health {
    wrong: Mutex<[Option<String>; 3]>,
}

impl Health {
    /// Notes how a part's last write went. True if that changed it.
    pub fn note(&self, part: Part, wrong: Option<String>) -> bool {
        let mut all = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut all[part as usize];
        let changed = *slot != wrong;
        *slot = wrong;
        changed
    }

    /// What is wrong with the slices. While nothing can leave the journal, none is let in.
    pub fn slices_wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)[Part::Slices as usize].clone()
    }

    /// What is wrong; None if all is well.
    pub fn wrong(&self) -> Option<String> {
        let all = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let sentences: Vec<_> = all.iter().flatten().cloned().collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }
}

/// An error and all its causes in one line.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
