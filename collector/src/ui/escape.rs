//! The one writer of markup: all data is escaped by construction.
//!
//! Names of elements and attributes are `&'static str`, so only the program can name them; every text
//! and every attribute value is escaped, and there is no way to add unescaped data.

use std::fmt::Write;

use super::language::{Language, Speech};
use super::phrases::Phrase;

/// Attributes of an element.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

/// Markup being written: HTML, or SVG that is valid XML.
#[derive(Debug, Default)]
pub struct Html {
    out: String,
    speech: Speech,
}

impl Html {
    /// Nothing yet, in a language.
    pub fn new(language: Language) -> Html {
        Html { out: String::new(), speech: Speech { language, ..Speech::default() } }
    }

    /// A page, from its `<!doctype html>`.
    pub fn page(speech: Speech) -> Html {
        Html { out: "<!doctype html>\n".to_owned(), speech }
    }

    /// How it speaks.
    pub fn speech(&self) -> &Speech {
        &self.speech
    }

    /// A fixed text in the page's language, for attributes and where data stands beside it.
    pub fn words(&self, phrase: &Phrase) -> &'static str {
        phrase.of(self.speech.language)
    }

    /// A fixed text with data in its places.
    pub fn filled(&self, phrase: &Phrase, data: &[&str]) -> String {
        phrase.with(self.speech.language, data)
    }

    /// A fixed text.
    pub fn say(&mut self, phrase: &Phrase) {
        self.text(self.words(phrase));
    }

    /// An element that holds one fixed text.
    pub fn said(&mut self, name: &'static str, attributes: Attributes<'_>, phrase: &Phrase) {
        self.leaf(name, attributes, self.words(phrase));
    }

    /// An element that holds one text in English, whatever the page's language.
    pub fn english(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.english_element(name, attributes, |html| html.text(text));
    }

    /// An element that holds English.
    pub fn english_element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Html),
    ) {
        match self.speech.language {
            Language::English => self.element(name, attributes, inside),
            Language::Chinese => {
                self.element(name, &[attributes, &[("lang", "en")]].concat(), inside);
            }
        }
    }

    /// An element with what `inside` writes in it.
    pub fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Html),
    ) {
        self.start(name, attributes);
        self.out.push('>');
        inside(self);
        let _ = write!(self.out, "</{name}>");
    }

    /// An element that holds one text.
    pub fn leaf(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element that holds nothing: `<br/>`, and the shapes of SVG.
    pub fn void(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.out.push_str("/>");
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    /// What another writer wrote.
    pub fn append(&mut self, other: Html) {
        self.out.push_str(&other.out);
    }

    /// A line end, so that what is written stays readable and comparable.
    pub fn line(&mut self) {
        self.out.push('\n');
    }

    /// The markup.
    pub fn finish(self) -> String {
        self.out
    }

    fn start(&mut self, name: &'static str, attributes: Attributes<'_>) {
        let _ = write!(self.out, "<{name}");
        for (attribute, value) in attributes {
            let _ = write!(self.out, " {attribute}=\"");
            match *attribute {
                "href" | "action" => escape(&mut self.out, &self.speech.kept(value)),
                _ => escape(&mut self.out, value),
            }
            self.out.push('"');
        }
    }
}

/// Escapes for text and for quoted attribute values alike.
///
/// Characters that XML does not allow, and those that turn the direction of writing (a path could
/// show itself as another one), become U+FFFD.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(character),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            _ => out.push(character),
        }
    }
}

/// A segment of the path of a link, or a value in its query: all but unreserved characters
/// percent-encoded.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_leave_their_place() {
        let mut html = Html::default();
        html.leaf("td", &[("title", "\"><script>alert('1')</script>")], "</td><script>&amp;");
        assert_eq!(
            html.finish(),
            "<td title=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\">\
             &lt;/td&gt;&lt;script&gt;&amp;amp;</td>"
        );
    }

    #[test]
    fn what_xml_forbids_and_what_turns_the_writing_is_replaced() {
        let mut html = Html::default();
        html.text("a\u{0}b\u{1b}c\u{202e}d\te");
        assert_eq!(html.finish(), "a\u{fffd}b\u{fffd}c\u{fffd}d\te");
    }

    #[test]
    fn a_query_value_cannot_add_another() {
        assert_eq!(encoded("a b&c=d/é"), "a%20b%26c%3Dd%2F%C3%A9");
    }
}
