//! The language of explanations: what was asked for, else what the browser prefers.

/// A language that explanations are written in.
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
        match self {
            Language::English => "en",
            Language::Chinese => "zh",
        }
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
