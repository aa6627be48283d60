//! A timeline as a drawing: one module for page, command and docs.
//!
//! The SVG stands alone (colours are presentation attributes, no `style`), and a page that has its own
//! palette overrides them by class. Time runs to the right; long silences are compressed.

mod axis;
mod draw;
pub(crate) mod holds;
mod label;
mod layout;
mod palette;
mod words;

#[cfg(test)]
mod tests;

use ::timeline::Timeline;

use crate::ui::escape::Html;

/// Draws a timeline as a standalone SVG document.
pub fn draw(timeline: &Timeline) -> String {
    inline(timeline).finish()
}

/// The same for a page.
pub(super) fn inline(timeline: &Timeline) -> Html {
    draw::drawing(timeline)
}
