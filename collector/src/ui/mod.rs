//! The pages, rendered on the server: pure functions from data to markup.
//!
//! They hold no script and no style of their own ([`CONTENT_SECURITY_POLICY`]), all data in them is
//! escaped by construction (`escape`), and they work without the two small scripts: `live.js`, which
//! adds live rows and keeps `/traffic` fresh, and `copy.js`, which copies. The drawing of a
//! timeline ([`svg`]) stands alone too.

mod assets;
mod bars;
mod diagnosis_page;
mod escape;
mod evidence;
mod instance_page;
mod language;
mod list;
mod page;
pub(crate) mod phrases;
mod plugin_page;
mod plugin_versions;
mod problem;
mod prose;
mod request_page;
pub mod svg;
mod table;
mod timeline_page;
mod token;
mod traffic_page;
mod troubles;
mod words;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use assets::asset;
pub use diagnosis_page::{diagnoses_page, diagnosis_page};
pub use instance_page::{Instance, instance_page, instances_page};
pub use language::{Language, Speech};
pub use list::{Filter, ListView, Row, list_page};
pub use plugin_page::{PluginLine, PluginView, plugin_page, plugins_page};
pub use problem::problem_page;
pub use request_page::request_page;
pub use timeline_page::timeline_page;
pub use token::{TOKEN_PATH, token_form};
pub use traffic_page::traffic_page;
pub use troubles::Trouble;
pub(crate) use words::fuse;
pub use words::{hex, shortened};

/// The policy that pages are to be served under.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'; \
     form-action 'self'; frame-ancestors 'none'";
