//! The diagnoses the project knows: one line each.

use crate::diagnose::Diagnosis;

/// All diagnoses.
pub static DIAGNOSES: &[&dyn Diagnosis] = &[];

/// The diagnosis of a code.
pub fn find(code: &str) -> Option<&'static dyn Diagnosis> {
    DIAGNOSES.iter().copied().find(|d| d.code() == code)
}

/// The page of all diagnoses, in Markdown: `docs/diagnoses.md`.
pub fn document() -> String {
    String::new()
}
