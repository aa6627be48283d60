//! The first page: timelines, newest first, with filters that work without a script and rows that
//! come live with one.

use ::timeline::finding::Severity;
use ::timeline::ids::{Micros, TimelineId};
use ::timeline::{State, Timeline};

use super::escape::{Html, encoded};
use super::page::{badge, page, text_or_dash};
use super::troubles::{Trouble, troubles};
use super::words;

/// What the first page shows.
#[derive(Clone, Debug, Default)]
pub struct ListView {
    /// Newest first.
    pub rows: Vec<Row>,
    /// What was asked for.
    pub filter: Filter,
    /// Plugins to choose from.
    pub plugins: Vec<String>,
    /// Codes of findings to choose from.
    pub codes: Vec<String>,
    /// Where the next older rows begin; None: there are none.
    pub cursor: Option<String>,
    /// Instances that trapped, fell silent or were turned down.
    pub troubles: Vec<Trouble>,
    /// Where recorders ship to, e.g. `127.0.0.1:4000`: shown while there is nothing yet.
    pub ingest: String,
}

/// What was asked for; empty: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Name of a plugin.
    pub plugin: String,
    /// Code of a finding.
    pub finding: String,
    /// Word of a severity.
    pub severity: String,
    /// A request id.
    pub request_id: String,
}

/// A timeline in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: TimelineId,
    /// Name of the plugin.
    pub plugin: String,
    /// `:method`
    pub method: String,
    /// `:path` without the query.
    pub path: String,
    /// `x-request-id`
    pub request_id: String,
    /// Code of the response.
    pub code: Option<u32>,
    /// RFC 3339; None if no clock was read.
    pub started: Option<String>,
    /// From its first to its last event.
    pub duration: Micros,
    /// Open or closed.
    pub state: State,
    /// The worst; None if nothing was found.
    pub severity: Option<Severity>,
    /// Code and sentence of the finding to name first.
    pub headline: Option<(String, String)>,
    /// Number of diagnoses that cannot answer yet.
    pub pending: usize,
}

impl Row {
    /// A timeline's row.
    pub fn of(timeline: &Timeline) -> Row {
        let stream = &timeline.stream;
        Row {
            id: timeline.id,
            plugin: timeline.root.plugin.clone(),
            method: stream.method.clone(),
            path: timeline.root_phrase().unwrap_or_else(|| stream.path.clone()),
            request_id: stream.request_id.clone(),
            code: stream.response_code,
            started: timeline.wall_nanos(timeline.started()).and_then(words::rfc3339),
            duration: timeline.duration(),
            state: timeline.state,
            severity: timeline.severity(),
            headline: timeline.headline().map(|f| (f.code.clone(), f.headline.clone())),
            pending: timeline.pending.len(),
        }
    }
}

impl Filter {
    fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    fn query(&self) -> String {
        let named = [
            ("plugin", &self.plugin),
            ("finding", &self.finding),
            ("severity", &self.severity),
            ("request_id", &self.request_id),
        ];
        let parts = named.iter().filter(|(_, value)| !value.is_empty());
        parts.map(|(name, value)| format!("{name}={}&", encoded(value))).collect()
    }
}

/// The page.
pub fn list_page(view: &ListView) -> String {
    page("Timelines", true, |html| {
        html.element("div", &[("class", "heading")], |html| {
            html.leaf("h1", &[], "Timelines");
            html.leaf("p", &[("id", "live"), ("class", "live"), ("role", "status")], "");
        });
        troubles(html, &view.troubles);
        filters(html, view);
        if view.rows.is_empty() {
            empty(html, view);
        }
        table(html, &view.rows);
        if let Some(cursor) = &view.cursor {
            let link = format!("/?{}cursor={}", view.filter.query(), encoded(cursor));
            html.element("p", &[("class", "more")], |html| {
                html.leaf("a", &[("href", &link), ("rel", "next")], "Older timelines");
            });
        }
    })
}

fn filters(html: &mut Html, view: &ListView) {
    let filter = &view.filter;
    html.element("form", &[("method", "get"), ("action", "/"), ("class", "filters")], |html| {
        choice(html, "plugin", "Plugin", &filter.plugin, &view.plugins);
        choice(html, "finding", "Finding", &filter.finding, &view.codes);
        let severities: Vec<String> =
            Severity::ALL.iter().rev().map(|s| s.name().to_owned()).collect();
        choice(html, "severity", "Severity", &filter.severity, &severities);
        html.element("label", &[], |html| {
            html.leaf("span", &[], "Request id");
            html.void(
                "input",
                &[
                    ("type", "search"),
                    ("name", "request_id"),
                    ("value", &filter.request_id),
                    ("autocomplete", "off"),
                    ("spellcheck", "false"),
                ],
            );
        });
        html.leaf("button", &[("type", "submit")], "Filter");
        if !filter.is_empty() {
            html.leaf("a", &[("href", "/")], "Clear");
        }
    });
    html.line();
}

fn choice(html: &mut Html, name: &'static str, label: &str, chosen: &str, among: &[String]) {
    html.element("label", &[], |html| {
        html.leaf("span", &[], label);
        html.element("select", &[("name", name)], |html| {
            html.leaf("option", &[("value", "")], "all");
            let unlisted = Some(chosen).filter(|c| !c.is_empty() && !among.iter().any(|a| a == c));
            for value in among.iter().map(String::as_str).chain(unlisted) {
                if value == chosen {
                    html.leaf("option", &[("value", value), ("selected", "")], value);
                } else {
                    html.leaf("option", &[("value", value)], value);
                }
            }
        });
    });
}

fn empty(html: &mut Html, view: &ListView) {
    html.element("section", &[("class", "empty"), ("id", "empty")], |html| {
        if !view.filter.is_empty() {
            html.leaf("h2", &[], "No timeline fits this filter");
            html.element("p", &[], |html| {
                html.leaf("a", &[("href", "/")], "Show all timelines");
            });
            return;
        }
        html.leaf("h2", &[], "No timeline yet");
        html.leaf(
            "p",
            &[],
            "A timeline appears here as soon as an instrumented plugin sees a request:",
        );
        html.element("ol", &[], |html| {
            html.element("li", &[], |html| {
                html.text("Rewrite the plugin: ");
                let command = "wasm-tracer instrument plugin.wasm -o plugin.traced.wasm \
                               --collector-cluster wasm-tracer";
                html.leaf("code", &[("class", "command")], command);
            });
            html.element("li", &[], |html| {
                html.text("Give the proxy a cluster named ");
                html.leaf("code", &[], "wasm-tracer");
                html.text(" that leads to this collector");
                if !view.ingest.is_empty() {
                    html.text(", ");
                    html.leaf("code", &[], &view.ingest);
                }
                html.text(".");
            });
            html.element("li", &[], |html| {
                html.text("Let the proxy load ");
                html.leaf("code", &[], "plugin.traced.wasm");
                html.text(" instead of the original, and send a request through it.");
            });
        });
    });
}

const COLUMNS: [(&str, &str); 8] = [
    ("severity", "Severity"),
    ("what", "What was found"),
    ("plugin", "Plugin"),
    ("request", "Request"),
    ("code", "Code"),
    ("started", "Started (UTC)"),
    ("duration", "Duration"),
    ("state", "State"),
];

/// The table of rows; there, but hidden, while it is empty: live rows come into it.
pub fn table(html: &mut Html, rows: &[Row]) {
    let class = if rows.is_empty() { "scroll hidden" } else { "scroll" };
    let region = [("class", class), ("id", "scroll"), ("tabindex", "0"), ("role", "region")];
    html.element("div", &[&region[..], &[("aria-label", "Timelines")]].concat(), |html| {
        html.element("table", &[("class", "list")], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for (class, name) in COLUMNS {
                        html.leaf("th", &[("scope", "col"), ("class", class)], name);
                    }
                });
            });
            html.line();
            html.element("tbody", &[("id", "rows")], |html| {
                for one in rows {
                    row(html, one);
                }
            });
        });
    });
}

fn row(html: &mut Html, row: &Row) {
    let id = row.id.to_string();
    let link = format!("/timelines/{id}");
    let class = row.severity.map_or("clear", Severity::name);
    html.line();
    html.element("tr", &[("class", class), ("data-id", &id)], |html| {
        html.element("td", &[("class", "severity")], |html| {
            badge(html, row.severity, row.state == State::Open || row.pending > 0)
        });
        html.element("td", &[("class", "what")], |html| {
            html.element("a", &[("href", &link)], |html| match &row.headline {
                Some((code, headline)) => {
                    html.leaf("b", &[], code);
                    html.leaf("span", &[], headline);
                }
                None if row.state == State::Open || row.pending > 0 => {
                    html.leaf("span", &[], "nothing so far");
                }
                None => html.leaf("span", &[], "nothing found"),
            });
        });
        html.element("td", &[("class", "plugin")], |html| text_or_dash(html, &row.plugin));
        html.element("td", &[("class", "request")], |html| {
            html.element("span", &[("class", "path")], |html| {
                html.leaf("b", &[], &row.method);
                html.text(" ");
                text_or_dash(html, &row.path);
            });
            if !row.request_id.is_empty() {
                html.leaf("small", &[], &row.request_id);
            }
        });
        html.element("td", &[("class", "code")], |html| {
            text_or_dash(html, &row.code.map(|c| c.to_string()).unwrap_or_default());
        });
        html.element("td", &[("class", "started")], |html| started(html, row.started.as_deref()));
        html.leaf("td", &[("class", "duration")], &words::span(row.duration));
        html.leaf("td", &[("class", "state")], words::state(row.state));
    });
}

fn started(html: &mut Html, started: Option<&str>) {
    match started {
        Some(time) => {
            let shown = words::readable_time(time);
            html.element("time", &[("datetime", time)], |html| {
                html.text(shown.trim_end_matches(" UTC"));
            });
        }
        None => text_or_dash(html, ""),
    }
}
