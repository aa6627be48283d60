//! The page of what went wrong.

use super::page::page;

/// The page: a sentence, and the way back.
pub fn problem_page(sentence: &str) -> String {
    page("Problem", false, |html| {
        html.element("section", &[("class", "empty")], |html| {
            html.leaf("h1", &[], "This cannot be shown");
            html.leaf("p", &[("role", "alert")], sentence);
            html.element("p", &[], |html| {
                html.leaf("a", &[("href", "/")], "All timelines");
            });
        });
    })
}
