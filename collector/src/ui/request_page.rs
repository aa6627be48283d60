//! A request: the plugins that it passed, in chain order, and in whose hands it is.

use ::timeline::request::Request;

use super::escape::{Html, encoded};
use super::list::{Row, table};
use super::page::{badge, page};

/// Link to the page of a request.
pub fn link(request_id: &str) -> String {
    format!("/requests/{}", encoded(request_id))
}

/// The page. `requests`: latest first; several where the id was used again, or on several nodes.
pub fn request_page(request_id: &str, requests: &[Request]) -> String {
    page(&format!("Request {request_id}"), false, |html| {
        html.leaf("h1", &[], &format!("Request {request_id}"));
        for request in requests {
            pass(html, request);
        }
    })
}

fn pass(html: &mut Html, request: &Request) {
    html.element("section", &[], |html| {
        if !request.node().is_empty() {
            html.leaf("h2", &[], &format!("On {}", request.node()));
        }
        if let Some(whereabouts) = request.whereabouts() {
            html.leaf("p", &[("class", "headline")], &whereabouts.sentence());
        }
        for (timeline, finding) in request.findings() {
            html.element("p", &[], |html| {
                badge(html, Some(finding.severity), false);
                html.leaf("code", &[], &finding.code);
                html.text(&format!(" {}: {}", timeline.root.plugin, finding.headline));
            });
        }
        let rows: Vec<Row> = request.timelines.iter().map(|t| Row::of(t)).collect();
        table(html, &rows);
    });
}
