//! Instances to look at: that trapped, fell silent, or whose recorder turned itself down.

use super::escape::Html;
use super::instance_page;
use super::phrases as said;

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
        html.said("h2", &[], &said::TO_LOOK_AT);
        html.element("ul", &[], |html| {
            for one in troubles.iter().take(MOST) {
                html.element("li", &[], |html| {
                    html.leaf("b", &[], &one.plugins);
                    html.say(&said::OF_INSTANCE);
                    let link = instance_page::link(&one.instance);
                    html.leaf("a", &[("href", &link)], &one.instance);
                    html.text(&format!(": {}", one.what));
                });
            }
        });
        html.element("p", &[("class", "links")], |html| {
            html.said("a", &[("href", "/instances")], &said::ALL_INSTANCES);
        });
    });
}
