//! What all pages share: head, header, badges.

use ::timeline::finding::Severity;

use super::escape::{Attributes, Html};

/// A whole page. `live` adds the script of live rows.
pub fn page(title: &str, live: bool, main: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::page();
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            html.void(
                "meta",
                &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")],
            );
            html.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
            html.leaf("title", &[], &format!("{title} · wasm-tracer"));
            html.void("link", &[("rel", "icon"), ("href", "/assets/icon.svg")]);
            html.void("link", &[("rel", "stylesheet"), ("href", "/assets/style.css")]);
            if live {
                let script: Attributes = &[("type", "module"), ("src", "/assets/live.js")];
                html.leaf("script", script, "");
            }
        });
        html.line();
        html.element("body", &[], |html| {
            html.leaf("a", &[("class", "skip"), ("href", "#main")], "Skip to content");
            header(html);
            html.line();
            html.element("main", &[("id", "main")], main);
        });
    });
    html.line();
    html.finish()
}

fn header(html: &mut Html) {
    html.element("header", &[("class", "top")], |html| {
        html.element("a", &[("class", "brand"), ("href", "/")], |html| {
            html.void(
                "img",
                &[("src", "/assets/icon.svg"), ("alt", ""), ("width", "22"), ("height", "22")],
            );
            html.leaf("span", &[], "wasm-tracer");
        });
        html.element("nav", &[("aria-label", "Main")], |html| {
            html.leaf("a", &[("href", "/")], "Timelines");
            html.leaf("a", &[("href", "/plugins")], "Plugins");
            html.leaf("a", &[("href", "/instances")], "Instances");
            html.leaf("a", &[("href", "/diagnoses")], "Diagnoses");
            html.leaf("a", &[("href", "/metrics")], "Metrics");
        });
    });
}

/// A severity as a badge: sign, word and colour. None: nothing was found, so far if it is `open`.
pub fn badge(html: &mut Html, severity: Option<Severity>, open: bool) {
    let (class, sign, word) = match severity {
        Some(Severity::Lost) => ("badge lost", "✕", "lost"),
        Some(Severity::Hung) => ("badge hung", "‖", "hung"),
        Some(Severity::Failed) => ("badge failed", "!", "failed"),
        Some(Severity::Race) => ("badge race", "≈", "race"),
        Some(Severity::Note) => ("badge note", "i", "note"),
        None if open => ("badge watched", "…", "pending"),
        None => ("badge clear", "✓", "clear"),
    };
    html.element("span", &[("class", class)], |html| {
        html.leaf("span", &[("aria-hidden", "true")], sign);
        html.text(word);
    });
}

/// A text or, for an empty one, a dash that is read as "unknown".
pub fn text_or_dash(html: &mut Html, text: &str) {
    if text.is_empty() {
        html.leaf("span", &[("class", "faint"), ("aria-label", "unknown")], "–");
    } else {
        html.text(text);
    }
}
