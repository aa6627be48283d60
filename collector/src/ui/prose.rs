//! Explanations as markup: the few forms of Markdown that they use, which are headings, paragraphs,
//! fenced code, and code in a line. Anything else stays the text that it is.

use super::escape::Html;

/// Writes a text, with headings of this level.
pub fn prose(html: &mut Html, heading: &'static str, markdown: &str) {
    let mut lines = markdown.lines();
    let mut paragraph: Vec<&str> = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            end(html, &mut paragraph);
            let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            html.element("pre", &[("class", "scroll"), ("tabindex", "0")], |html| {
                html.leaf("code", &[], &code.join("\n"));
            });
            html.line();
        } else if let Some(words) = line.strip_prefix("## ") {
            end(html, &mut paragraph);
            html.leaf(heading, &[], words);
            html.line();
        } else if line.trim().is_empty() {
            end(html, &mut paragraph);
        } else {
            paragraph.push(line);
        }
    }
    end(html, &mut paragraph);
}

fn end(html: &mut Html, paragraph: &mut Vec<&str>) {
    if paragraph.is_empty() {
        return;
    }
    let text = joined(paragraph);
    paragraph.clear();
    html.element("p", &[], |html| {
        for (at, part) in text.split('`').enumerate() {
            if at % 2 == 1 {
                html.leaf("code", &[], part);
            } else {
                html.text(part);
            }
        }
    });
    html.line();
}

/// Lines as one: with a space between, but for Chinese, which has none.
fn joined(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let is_wide = |c: char| c > '\u{2e7f}';
        let glued = text.chars().last().is_none_or(is_wide) && line.starts_with(is_wide);
        if !text.is_empty() && !glued {
            text.push(' ');
        }
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_paragraphs_and_code_are_markup_and_the_rest_is_text() {
        let mut html = Html::default();
        prose(
            &mut html,
            "h2",
            "## What\n\nOne `a<b`\ntwo <i>.\n```go\nif a < b {\n\n}\n```\n中文，\n两行\n",
        );
        assert_eq!(
            html.finish(),
            "<h2>What</h2>\n<p>One <code>a&lt;b</code> two &lt;i&gt;.</p>\n\
             <pre class=\"scroll\" tabindex=\"0\"><code>if a &lt; b {\n\n}</code></pre>\n\
             <p>中文，两行</p>\n"
        );
    }

    #[test]
    fn every_explanation_is_only_of_these_forms() {
        for diagnosis in ::timeline::registry::DIAGNOSES {
            for text in [diagnosis.explanation, diagnosis.explanation_zh] {
                let mut html = Html::default();
                prose(&mut html, "h2", text);
                let written = html.finish();
                assert!(!written.contains('`'), "{}: a ` is left over", diagnosis.code);
                let plain = written
                    .split("<pre")
                    .map(|part| part.split_once("</pre>").map_or(part, |(_, after)| after));
                for mark in ["<p>#", "<p>- ", "<p>* ", "<p>1. ", "<p>|", "**", "]("] {
                    let is_left = plain.clone().any(|part| part.contains(mark));
                    assert!(!is_left, "{}: {mark} is left over", diagnosis.code);
                }
            }
        }
    }
}
