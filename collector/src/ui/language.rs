//! The language of pages: what was asked for, else what the browser prefers.

use std::borrow::Cow;

/// A language that pages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese.
    Chinese,
}

impl Language {
    /// `asked`: the value of `?lang=`. `accepted`: the header Accept-Language.
    pub fn of(asked: Option<&str>, accepted: Option<&str>) -> Language {
        asked
            .and_then(Language::from_tag)
            .unwrap_or_else(|| preferred(accepted.unwrap_or_default()))
    }

    /// Its tag, for `lang=`.
    pub fn tag(self) -> &'static str {
        self.choose("en", "zh-CN")
    }

    /// Of what is said in both, what is said in this one.
    pub fn choose<T>(self, english: T, chinese: T) -> T {
        match self {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    /// A link with the language asked for.
    pub fn asked_at(self, link: &str) -> String {
        let (page, place) = link.split_at(link.find('#').unwrap_or(link.len()));
        let and = if page.contains('?') { '&' } else { '?' };
        format!("{page}{and}{ASKED}={}{place}", self.tag())
    }

    /// The other one.
    pub fn other(self) -> Language {
        self.choose(Language::Chinese, Language::English)
    }

    /// Its name in itself.
    pub fn name(self) -> &'static str {
        self.choose("English", "中文")
    }

    /// Of a language tag with or without a region, e.g. `zh-CN`.
    fn from_tag(tag: &str) -> Option<Language> {
        let name = tag.trim().split(['-', '_']).next().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "en" => Some(Language::English),
            "zh" => Some(Language::Chinese),
            _ => None,
        }
    }
}

/// How a page speaks, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    /// Its language.
    pub language: Language,
    /// It was asked for: the links of the page keep it.
    pub is_asked: bool,
    /// Path and query of the page, without the language.
    pub here: String,
}

/// What asks for a language.
const ASKED: &str = "lang";

/// Links to what has no language, or asks for none.
const SPEECHLESS: [&str; 3] = ["/api/", "/assets/", "/metrics"];

impl Speech {
    /// Of a page at a path with a query. `accepted`: the header Accept-Language.
    pub fn at(path: &str, query: &str, accepted: Option<&str>) -> Speech {
        let is_tag = |part: &&str| part.split('=').next() == Some(ASKED);
        let asked = query.split('&').find(is_tag).and_then(|part| part.split_once('='));
        let rest: Vec<&str> =
            query.split('&').filter(|part| !part.is_empty() && !is_tag(part)).collect();
        let here = match rest.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", rest.join("&")),
        };
        let tag = asked.map(|(_, tag)| tag);
        let is_asked = tag.and_then(Language::from_tag).is_some();
        Speech { language: Language::of(tag, accepted), is_asked, here }
    }

    /// A link of the page, which keeps the language that was asked for, if it asks for none itself.
    pub fn kept<'a>(&self, link: &'a str) -> Cow<'a, str> {
        let has_language = link.starts_with('/') && !SPEECHLESS.iter().any(|p| link.starts_with(p));
        let is_said = link.contains("?lang=") || link.contains("&lang=");
        if self.is_asked && has_language && !is_said {
            self.language.asked_at(link).into()
        } else {
            link.into()
        }
    }
}

/// The one with the highest weight; the first of several.
fn preferred(accepted: &str) -> Language {
    let mut best = (0.0, Language::default());
    for part in accepted.split(',') {
        let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
        if let (Some(language), Some(weight)) = (Language::from_tag(tag), weight)
            && weight > best.0
        {
            best = (weight, language);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::Language::{self, Chinese, English};
    use super::Speech;

    #[test]
    fn links_keep_a_language_that_was_asked_for() {
        let asked = Speech::at("/plugins/a%26b", "x=1&lang=zh&&y=2", Some("en"));
        assert_eq!((asked.language, asked.here.as_str()), (Chinese, "/plugins/a%26b?x=1&y=2"));
        for (link, kept) in [
            ("/", "/?lang=zh-CN"),
            ("/?plugin=a&cursor=b", "/?plugin=a&cursor=b&lang=zh-CN"),
            ("/timelines/1#e2", "/timelines/1?lang=zh-CN#e2"),
            ("#f1", "#f1"),
            ("/assets/style.css", "/assets/style.css"),
            ("/api/v1/timelines/1?as=json", "/api/v1/timelines/1?as=json"),
            ("/metrics", "/metrics"),
        ] {
            assert_eq!(asked.kept(link), kept);
        }
        let preferred = Speech::at("/", "", Some("zh"));
        assert_eq!(
            (preferred.language, preferred.kept("/plugins").as_ref()),
            (Chinese, "/plugins")
        );
        let unknown = Speech::at("/", "lang=xx", None);
        assert_eq!((unknown.language, unknown.is_asked), (English, false));
    }

    #[test]
    fn what_is_asked_for_goes_before_what_the_browser_prefers() {
        for (asked, accepted, language) in [
            (None, None, English),
            (Some("zh"), None, Chinese),
            (Some("en"), Some("zh-CN"), English),
            (Some("<b>"), Some("zh-CN"), Chinese),
            (None, Some("zh-CN,zh;q=0.9,en;q=0.8"), Chinese),
            (None, Some("en-GB, zh;q=0.9"), English),
            (None, Some("fr, en;q=0.2, zh-TW;q=0.7"), Chinese),
            (None, Some("zh;q=0"), English),
            (None, Some(";q=,zh;q=x,,"), English),
        ] {
            assert_eq!(Language::of(asked, accepted), language, "{asked:?} {accepted:?}");
        }
    }
}
