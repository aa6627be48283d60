//! The page of what went wrong.

use super::language::Speech;
use super::page::page;
use super::phrases as said;

/// The page: a sentence, and the way back.
pub fn problem_page(speech: &Speech, sentence: &str) -> String {
    page(speech, said::PROBLEM.of(speech.language), None, |html| {
        html.element("section", &[("class", "empty")], |html| {
            html.said("h1", &[], &said::CANNOT_BE_SHOWN);
            html.english("p", &[("role", "alert")], sentence);
            html.element("p", &[], |html| {
                html.said("a", &[("href", "/")], &said::ALL_TIMELINES);
            });
        });
    })
}
