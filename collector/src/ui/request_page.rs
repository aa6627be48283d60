//! A request: the plugins that it passed, in chain order, and in whose hands it is.

use std::sync::Arc;

use ::timeline::Timeline;
use ::timeline::request::Request;

use super::escape::{Html, encoded};
use super::language::Speech;
use super::list::{Row, table};
use super::page::{badge, page};
use super::phrases as said;
use super::{svg, words};

/// Link to the page of a request.
pub fn link(request_id: &str) -> String {
    format!("/requests/{}", encoded(request_id))
}

/// The page. `requests`: latest first; several where the id was used again, or on several nodes.
pub fn request_page(speech: &Speech, request_id: &str, requests: &[Request]) -> String {
    let shown = words::shortened(request_id, 80);
    let title = said::REQUEST_OF.with(speech.language, &[&shown]);
    page(speech, &title, None, |html| {
        let head = html.filled(&said::REQUEST_OF, &[request_id]);
        html.leaf("h1", &[("class", "path")], &head);
        for request in requests {
            pass(html, request);
        }
    })
}

fn pass(html: &mut Html, request: &Request) {
    html.element("section", &[], |html| {
        if !request.node().is_empty() {
            let head = html.filled(&said::ON_NODE, &[request.node()]);
            html.leaf("h2", &[("class", "path")], &head);
        }
        if let Some(whereabouts) = request.whereabouts() {
            let language = html.speech().language;
            let sentence = language.choose(whereabouts.sentence(), whereabouts.sentence_zh());
            html.leaf("p", &[("class", "headline")], &sentence);
        }
        for (timeline, finding) in request.findings() {
            html.element("p", &[], |html| {
                badge(html, Some(finding.severity), false);
                html.leaf("code", &[], &finding.code);
                html.text(&format!(" {}: ", timeline.root.plugin));
                let meaning = words::meaning(&finding.code, html.speech().language);
                if let Some(meaning) = meaning {
                    html.leaf("span", &[], meaning);
                    html.void("br", &[]);
                }
                html.english("span", &[], &finding.headline);
            });
        }
        let rows: Vec<Row> = request.timelines.iter().map(|t| Row::of(t)).collect();
        table(html, &rows);
        for timelines in request.timelines.chunk_by(|a, b| a.shares_clock(b)) {
            match timelines {
                [timeline] => {
                    name(html, timeline);
                    svg::figure(html, timeline);
                }
                _ => side_by_side(html, timelines),
            }
        }
    });
}

/// What plugins did whose times are of one clock.
fn side_by_side(html: &mut Html, timelines: &[Arc<Timeline>]) {
    let axis = svg::shared_axis(timelines.iter().map(|timeline| &**timeline));
    html.element("figure", &[("class", "lanes scroll"), ("tabindex", "0")], |html| {
        html.said("figcaption", &[("class", "faint")], &said::ONE_AXIS);
        for timeline in timelines {
            name(html, timeline);
            svg::figure_on(html, timeline, &axis);
        }
    });
}

/// The plugin of a drawing.
fn name(html: &mut Html, timeline: &Timeline) {
    let link = format!("/timelines/{}", timeline.id);
    html.element("h3", &[("class", "lane path")], |html| {
        html.element("a", &[("href", &link)], |html| match timeline.root.plugin.as_str() {
            "" => html.text(&timeline.id.to_string()),
            plugin => html.text(plugin),
        });
    });
}
