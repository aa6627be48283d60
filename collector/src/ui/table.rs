//! A plain table: columns, and a row for each item.

use super::escape::Html;

/// Rows of one table on a page.
const MOST: usize = 300;

/// A table of what may be many: the first rows, and how many more there are.
pub fn first_rows<T>(
    html: &mut Html,
    label: &str,
    columns: &[&str],
    items: impl ExactSizeIterator<Item = T>,
    cells: impl Fn(&mut Html, T),
) {
    let more = items.len().saturating_sub(MOST);
    table(html, label, columns, items.take(MOST), cells);
    if more > 0 {
        html.leaf("p", &[("class", "faint")], &format!("{more} more are not shown here."));
    }
}

/// Nothing if there is no item. `cells` writes the cells of one.
pub fn table<T>(
    html: &mut Html,
    label: &str,
    columns: &[&str],
    items: impl Iterator<Item = T>,
    cells: impl Fn(&mut Html, T),
) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    let region =
        [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", label)];
    html.element("div", &region, |html| {
        html.element("table", &[], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for name in columns {
                        html.leaf("th", &[("scope", "col")], name);
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
