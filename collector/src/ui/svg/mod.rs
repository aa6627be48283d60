//! A timeline as a drawing.
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

pub(super) use axis::Axis;
pub(super) use layout::shared_axis;

/// Draws a timeline as a part of a page, which scrolls where it is too wide.
pub(super) fn figure(html: &mut Html, timeline: &Timeline) {
    html.element("figure", &[("class", "drawing scroll"), ("tabindex", "0")], |html| {
        html.append(draw::drawing(timeline, &shared_axis([timeline]), html.speech().language));
    });
}

/// Draws a timeline on an axis that others are on too, in what scrolls with them.
pub(super) fn figure_on(html: &mut Html, timeline: &Timeline, axis: &Axis) {
    html.element("figure", &[("class", "drawing")], |html| {
        html.append(draw::drawing(timeline, axis, html.speech().language));
    });
}
