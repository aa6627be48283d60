//! What all pages share: head, header, badges.

use ::timeline::finding::Severity;

use super::escape::{Attributes, Html};
use super::language::Speech;
use super::phrases::{self as said, Phrase};

/// A whole page. `script`: what it is more with scripts, a file of the assets.
pub fn page(
    speech: &Speech,
    title: &str,
    script: Option<&str>,
    main: impl FnOnce(&mut Html),
) -> String {
    let mut html = Html::page(speech.clone());
    html.element("html", &[("lang", speech.language.tag())], |html| {
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
            if let Some(name) = script {
                let source = format!("/assets/{name}");
                html.leaf("script", &[("type", "module"), ("src", &source)], "");
            }
        });
        html.line();
        html.element("body", &[], |html| {
            html.said("a", &[("class", "skip"), ("href", "#main")], &said::SKIP);
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
        let label = html.words(&said::MAIN);
        html.element("nav", &[("aria-label", label)], |html| {
            html.said("a", &[("href", "/")], &said::TIMELINES);
            html.said("a", &[("href", "/traffic")], &said::TRAFFIC);
            html.said("a", &[("href", "/plugins")], &said::PLUGINS);
            html.said("a", &[("href", "/instances")], &said::INSTANCES);
            html.said("a", &[("href", "/diagnoses")], &said::DIAGNOSES);
            html.said("a", &[("href", "/metrics")], &said::METRICS);
        });
        let other = html.speech().language.other();
        let (link, tag) = (other.asked_at(&html.speech().here), other.tag());
        let attributes: Attributes =
            &[("class", "other"), ("href", &link), ("hreflang", tag), ("lang", tag)];
        html.leaf("a", attributes, other.name());
    });
}

/// The word of a severity.
pub fn severity(severity: Severity) -> &'static Phrase {
    match severity {
        Severity::Lost => &said::LOST,
        Severity::Hung => &said::HUNG,
        Severity::Failed => &said::FAILED,
        Severity::Race => &said::RACE,
        Severity::Note => &said::NOTE,
    }
}

/// A severity as a badge: sign, word and colour. None: nothing was found, so far if it is `open`.
pub fn badge(html: &mut Html, worst: Option<Severity>, open: bool) {
    let (class, sign) = match worst {
        Some(Severity::Lost) => ("badge lost", "✕"),
        Some(Severity::Hung) => ("badge hung", "‖"),
        Some(Severity::Failed) => ("badge failed", "!"),
        Some(Severity::Race) => ("badge race", "≈"),
        Some(Severity::Note) => ("badge note", "i"),
        None if open => ("badge watched", "…"),
        None => ("badge clear", "✓"),
    };
    let word = match worst {
        Some(worst) => severity(worst),
        None if open => &said::PENDING,
        None => &said::CLEAR,
    };
    // Where the page's word is another one, API and documents have this.
    let code = worst.map(Severity::name).filter(|name| *name != html.words(word));
    let titled: &[_] = &[("class", class), ("title", code.unwrap_or_default())];
    html.element("span", &titled[..if code.is_some() { 2 } else { 1 }], |html| {
        html.leaf("span", &[("aria-hidden", "true")], sign);
        html.say(word);
    });
}

/// A text or, for an empty one, a dash that is read as "unknown".
pub fn text_or_dash(html: &mut Html, text: &str) {
    if text.is_empty() {
        // A label needs a role that takes one.
        let label = html.words(&said::UNKNOWN);
        html.leaf("span", &[("class", "faint"), ("role", "img"), ("aria-label", label)], "–");
    } else {
        html.text(text);
    }
}
