//! Colours of the drawing: presentation attributes of the light palette, so that the file stands
//! alone, and classes by which a page's style sheet puts its own in their place.

use super::label::Look;

/// Attributes of text.
pub const FONT: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";
/// Ink of text.
pub const INK: &str = "#1c2430";
/// Ink of what matters less.
pub const FAINT: &str = "#5b6675";
/// Ground.
pub const PAPER: &str = "#ffffff";
/// Lines between lanes.
pub const RULE: &str = "#d9dee6";
/// Ground of every second lane.
pub const BAND: &str = "#f5f7fa";
/// What lies after the end of the stream.
pub const AFTER: &str = "#e7eaf0";
/// What is held.
pub const HELD: &str = "#f2b134";
/// Ink on what is held.
pub const HELD_INK: &str = "#7a4d00";
/// The end of the stream.
pub const END: &str = "#1c2430";
/// Where events were lost.
pub const GAP: &str = "#8a63d2";

/// Ink that says that events were lost.
pub const GAP_INK: &str = "#6a3fbf";

impl Look {
    /// The class of a mark.
    pub fn class(self) -> &'static str {
        match self {
            Look::Plain => "wt-plain",
            Look::Go => "wt-go",
            Look::Stop => "wt-stop",
            Look::Call => "wt-call",
            Look::Bad => "wt-bad",
            Look::Lost => "wt-lost",
        }
    }

    /// The class of a text that stands out.
    pub fn ink_class(self) -> &'static str {
        match self {
            Look::Bad => "wt-bad-ink",
            Look::Lost => "wt-lost-ink",
            _ => "wt-ink",
        }
    }

    /// The colour of a mark in the light palette.
    pub fn color(self) -> &'static str {
        match self {
            Look::Plain => "#6b7686",
            Look::Go => "#23875a",
            Look::Stop => "#d07c00",
            Look::Call => "#2f6fd6",
            Look::Bad => "#b3470f",
            Look::Lost => "#cf222e",
        }
    }

    /// The colour of a text that stands out.
    pub fn ink(self) -> &'static str {
        match self {
            Look::Bad | Look::Lost => self.color(),
            _ => INK,
        }
    }
}
