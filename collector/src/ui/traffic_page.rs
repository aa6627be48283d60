//! Live traffic: what plugins do and what is found in the last minute. It works without a script; with one it
//! is fetched anew every few seconds.

use super::escape::Html;
use super::language::Speech;
use super::page::page;
use super::table::first_rows;
use super::{diagnosis_page, phrases as said, plugin_page};
use crate::metrics::OTHER;
use crate::pipeline::TrafficReport;

/// The page.
pub fn traffic_page(speech: &Speech, report: &TrafficReport) -> String {
    page(speech, said::TRAFFIC.of(speech.language), Some("live.js"), |html| {
        html.said("h1", &[], &said::TRAFFIC);
        html.element("section", &[("id", "fresh")], |html| {
            let how = html.filled(&said::TRAFFIC_HOW, &[&report.seconds.to_string()]);
            html.leaf("p", &[("class", "faint")], &how);
            if report.begun.is_empty() && report.found.is_empty() {
                html.said("p", &[], &said::NO_TRAFFIC);
            }
            streams(html, report);
            findings(html, report);
        });
    })
}

fn streams(html: &mut Html, report: &TrafficReport) {
    let mut plugins: Vec<(&String, u64)> = report.begun.iter().map(|(p, n)| (p, *n)).collect();
    plugins.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let columns = [&said::PLUGIN, &said::STREAMS, &said::A_SECOND];
    first_rows(html, &said::TRAFFIC, &columns, plugins.iter(), |html, (plugin, count)| {
        labelled(html, plugin);
        counted(html, report, *count);
    });
}

fn findings(html: &mut Html, report: &TrafficReport) {
    if report.found.is_empty() {
        return;
    }
    html.said("h2", &[], &said::FINDINGS);
    let mut found: Vec<_> = report.found.iter().collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let columns = [&said::DIAGNOSIS, &said::PLUGIN, &said::FINDINGS, &said::A_SECOND];
    first_rows(html, &said::FINDINGS, &columns, found.iter(), |html, (key, count)| {
        let (plugin, code) = key;
        html.element("td", &[("class", "path")], |html| diagnosis_page::named(html, code));
        labelled(html, plugin);
        counted(html, report, **count);
    });
}

/// The names beyond those that are told apart have no page together.
fn labelled(html: &mut Html, plugin: &str) {
    match plugin {
        OTHER => html.leaf("td", &[("class", "path")], OTHER),
        plugin => plugin_page::named(html, plugin),
    }
}

fn counted(html: &mut Html, report: &TrafficReport, count: u64) {
    html.leaf("td", &[("class", "duration")], &count.to_string());
    let rate = format!("{:.2}", report.per_second(count));
    html.leaf("td", &[("class", "duration")], &rate);
}
