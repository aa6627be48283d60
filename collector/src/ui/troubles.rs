//! Instances to look at: that trapped, fell silent, or whose recorder turned itself down.

use super::escape::Html;
use super::instance_page;

/// An instance and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its id.
    pub instance: String,
    /// Names of its plugins.
    pub plugins: String,
    /// What is wrong, a clause.
    pub what: String,
}

/// Lines shown; the API has them all.
const MOST: usize = 20;

/// Nothing if all is well.
pub fn troubles(html: &mut Html, troubles: &[Trouble]) {
    if troubles.is_empty() {
        return;
    }
    html.element("section", &[("class", "troubles")], |html| {
        html.leaf("h2", &[], "Instances to look at");
        html.element("ul", &[], |html| {
            for one in troubles.iter().take(MOST) {
                html.element("li", &[], |html| {
                    html.leaf("b", &[], &one.plugins);
                    html.text(", instance ");
                    let link = instance_page::link(&one.instance);
                    html.leaf("a", &[("href", &link)], &one.instance);
                    html.text(&format!(": {}", one.what));
                });
            }
        });
        html.element("p", &[("class", "links")], |html| {
            html.leaf("a", &[("href", "/instances")], "all instances");
        });
    });
}
