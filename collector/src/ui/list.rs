//! The first page: timelines, newest first, with filters that work without a script and rows that
//! come live with one.

use std::collections::BTreeMap;

use ::timeline::finding::Severity;
use ::timeline::ids::{Micros, TimelineId};
use ::timeline::registry::DIAGNOSES;
use ::timeline::{Reason, State, Timeline};

use super::escape::{Attributes, Html, encoded};
use super::language::Speech;
use super::page::{badge, page, severity, text_or_dash};
use super::phrases::{self as said, Phrase};
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
    /// How long ago it was closed at most, or since when, as the API reads it.
    pub since: String,
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
            ("since", &self.since),
            ("request_id", &self.request_id),
        ];
        let parts = named.iter().filter(|(_, value)| !value.is_empty());
        parts.map(|(name, value)| format!("{name}={}&", encoded(value))).collect()
    }
}

/// Times to choose from: as the API reads them, and for people.
static SINCE: [(&str, &Phrase); 6] = [
    ("1m", &said::LAST_MINUTE),
    ("5m", &said::LAST_5_MINUTES),
    ("15m", &said::LAST_15_MINUTES),
    ("1h", &said::LAST_HOUR),
    ("6h", &said::LAST_6_HOURS),
    ("24h", &said::LAST_24_HOURS),
];

/// The page.
pub fn list_page(speech: &Speech, view: &ListView) -> String {
    page(speech, said::TIMELINES.of(speech.language), Some("live.js"), |html| {
        html.element("div", &[("class", "heading")], |html| {
            html.said("h1", &[], &said::TIMELINES);
            let words = words_of_script(html);
            let status =
                [("id", "live"), ("class", "live"), ("role", "status"), ("data-words", &words)];
            html.leaf("p", &status, "");
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
                html.said("a", &[("href", &link), ("rel", "next")], &said::OLDER);
            });
        }
    })
}

fn filters(html: &mut Html, view: &ListView) {
    let filter = &view.filter;
    html.element("form", &[("method", "get"), ("action", "/"), ("class", "filters")], |html| {
        if html.speech().is_asked {
            let tag = html.speech().language.tag();
            html.void("input", &[("type", "hidden"), ("name", "lang"), ("value", tag)]);
        }
        choice(html, "plugin", &said::PLUGIN, &filter.plugin, as_they_are(&view.plugins));
        choice(html, "finding", &said::FINDING, &filter.finding, as_they_are(&view.codes));
        let language = html.speech().language;
        let severities =
            Severity::ALL.iter().rev().map(|one| (one.name(), severity(*one).of(language)));
        choice(html, "severity", &said::SEVERITY, &filter.severity, severities);
        let since = SINCE.iter().map(|(ago, shown)| (*ago, shown.of(language)));
        choice(html, "since", &said::OPEN_OR_ENDED_IN, &filter.since, since);
        html.element("label", &[], |html| {
            html.said("span", &[], &said::REQUEST_ID);
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
        html.said("button", &[("type", "submit")], &said::FILTER);
        if !filter.is_empty() {
            html.said("a", &[("href", "/")], &said::CLEAR_FILTER);
        }
    });
    html.line();
}

fn as_they_are(names: &[String]) -> impl Iterator<Item = (&str, &str)> + Clone {
    names.iter().map(|name| (name.as_str(), name.as_str()))
}

/// `among`: values, and how they are shown.
fn choice<'a>(
    html: &mut Html,
    name: &'static str,
    label: &Phrase,
    chosen: &'a str,
    among: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) {
    html.element("label", &[], |html| {
        html.said("span", &[], label);
        html.element("select", &[("name", name)], |html| {
            html.said("option", &[("value", "")], &said::ALL);
            let is_listed = among.clone().any(|(value, _)| value == chosen);
            let unlisted = Some((chosen, chosen)).filter(|_| !chosen.is_empty() && !is_listed);
            for (value, shown) in among.chain(unlisted) {
                if value == chosen {
                    html.leaf("option", &[("value", value), ("selected", "")], shown);
                } else {
                    html.leaf("option", &[("value", value)], shown);
                }
            }
        });
    });
}

fn empty(html: &mut Html, view: &ListView) {
    html.element("section", &[("class", "empty"), ("id", "empty")], |html| {
        if !view.filter.is_empty() {
            html.said("h2", &[], &said::NO_FIT);
            html.element("p", &[], |html| {
                html.said("a", &[("href", "/")], &said::SHOW_ALL);
            });
            return;
        }
        html.said("h2", &[], &said::NONE_YET);
        html.said("p", &[], &said::APPEARS);
        html.element("ol", &[], |html| {
            html.element("li", &[], |html| {
                html.say(&said::REWRITE);
                let command = "wasm-tracer instrument plugin.wasm -o plugin.traced.wasm \
                               --collector-cluster wasm-tracer";
                html.leaf("code", &[("class", "command")], command);
            });
            html.element("li", &[], |html| {
                html.say(&said::CLUSTER_BEFORE);
                html.leaf("code", &[], "wasm-tracer");
                html.say(&said::CLUSTER_AFTER);
                if !view.ingest.is_empty() {
                    html.say(&said::COMMA);
                    html.leaf("code", &[], &view.ingest);
                }
                html.say(&said::STOP);
            });
            html.element("li", &[], |html| {
                html.say(&said::LOAD_BEFORE);
                html.leaf("code", &[], "plugin.traced.wasm");
                html.say(&said::LOAD_AFTER);
            });
        });
    });
}

/// What the script of live rows writes, by the names that it knows.
fn words_of_script(html: &Html) -> String {
    let severities = Severity::ALL.iter().map(|one| (one.name(), severity(*one)));
    let reasons = Reason::ALL.iter().map(|reason| (reason.name(), words::closed(*reason)));
    let others = [
        ("clear", &said::CLEAR),
        ("watched", &said::PENDING),
        ("open", &said::OPEN),
        ("closed", &said::CLOSED),
        ("unknown", &said::UNKNOWN),
        ("nothing_so_far", &said::NOTHING_SO_FAR),
        ("nothing_found", &said::NOTHING_FOUND),
        ("live", &said::LIVE),
        ("reconnecting", &said::RECONNECTING),
    ];
    let all = severities.chain(reasons).chain(others);
    let mut words: BTreeMap<&str, &str> =
        all.map(|(name, phrase)| (name, html.words(phrase))).collect();
    let codes = DIAGNOSES.iter().map(|diagnosis| diagnosis.code);
    let language = html.speech().language;
    words.extend(codes.filter_map(|code| Some((code, words::meaning(code, language)?))));
    // Strings always become JSON.
    serde_json::to_string(&words).unwrap_or_default()
}

const COLUMNS: [(&str, &Phrase); 8] = [
    ("severity", &said::SEVERITY),
    ("what", &said::WHAT_FOUND),
    ("plugin", &said::PLUGIN),
    ("request", &said::REQUEST_COLUMN),
    ("code", &said::CODE),
    ("started", &said::STARTED_UTC),
    ("duration", &said::DURATION),
    ("state", &said::STATE),
];

/// The table of rows; there, but hidden, while it is empty: live rows come into it.
pub fn table(html: &mut Html, rows: &[Row]) {
    let class = if rows.is_empty() { "scroll hidden" } else { "scroll" };
    let label = html.words(&said::TIMELINES);
    let region = [("class", class), ("id", "scroll"), ("tabindex", "0"), ("role", "region")];
    html.element("div", &[&region[..], &[("aria-label", label)]].concat(), |html| {
        html.element("table", &[("class", "list")], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for (class, name) in COLUMNS {
                        html.said("th", &[("scope", "col"), ("class", class)], name);
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

/// A text that may be as long as a stranger likes: the style sheet shows its first lines.
const FEW: Attributes<'static> = &[("class", "few")];

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
                    let meaning = words::meaning(code, html.speech().language);
                    if let Some(meaning) = meaning {
                        html.leaf("span", &[], meaning);
                    }
                    html.english("span", FEW, headline);
                }
                None if row.state == State::Open || row.pending > 0 => {
                    html.said("span", &[], &said::NOTHING_SO_FAR);
                }
                None => html.said("span", &[], &said::NOTHING_FOUND),
            });
        });
        html.element("td", &[("class", "plugin")], |html| {
            html.element("span", FEW, |html| text_or_dash(html, &row.plugin));
        });
        html.element("td", &[("class", "request")], |html| {
            html.element("span", &[("class", "path few")], |html| {
                html.leaf("b", &[], &row.method);
                html.text(" ");
                text_or_dash(html, &row.path);
            });
            if !row.request_id.is_empty() {
                html.leaf("small", FEW, &row.request_id);
            }
        });
        html.element("td", &[("class", "code")], |html| {
            text_or_dash(html, &row.code.map(|c| c.to_string()).unwrap_or_default());
        });
        html.element("td", &[("class", "started")], |html| started(html, row.started.as_deref()));
        html.leaf("td", &[("class", "duration")], &words::span(row.duration));
        html.said("td", &[("class", "state")], words::state(row.state));
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
