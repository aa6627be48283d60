//! A plain table: columns, and a row for each item.

use super::escape::Html;
use super::phrases::{self as said, Phrase};

/// Rows of one table on a page.
const MOST: usize = 300;

/// A table of what may be many: the first rows, and how many more there are.
pub fn first_rows<T>(
    html: &mut Html,
    label: &Phrase,
    columns: &[&Phrase],
    items: impl ExactSizeIterator<Item = T>,
    cells: impl Fn(&mut Html, T),
) {
    let more = items.len().saturating_sub(MOST);
    table(html, label, columns, items.take(MOST), cells);
    if more > 0 {
        let words = html.filled(&said::MORE, &[&more.to_string()]);
        html.leaf("p", &[("class", "faint")], &words);
    }
}

/// Nothing if there is no item. `cells` writes the cells of one.
pub fn table<T>(
    html: &mut Html,
    label: &Phrase,
    columns: &[&Phrase],
    items: impl Iterator<Item = T>,
    cells: impl Fn(&mut Html, T),
) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    let label = html.words(label);
    let region =
        [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", label)];
    html.element("div", &region, |html| {
        html.element("table", &[], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for name in columns {
                        html.said("th", &[("scope", "col")], name);
                    }
                });
            });
            html.element("tbody", &[], |html| {
                for item in items {
                    html.line();
                    html.element("tr", &[], |html| cells(html, item));
                }
            });
        });
    });
    html.line();
}
