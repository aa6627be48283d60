//! What stands in two languages says the same in both: no name, number or host is in one of them alone.

mod recordings;

use std::collections::BTreeSet;

use timeline::registry::DIAGNOSES;
use timeline::script;

/// Words in Latin letters and numbers.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(move |c| !of_word(c)).filter(|word| !word.is_empty())
}

/// Is it a name or a number, which no language changes?
fn is_name(word: &str) -> bool {
    let is_within = |c: char| c == '_' || c.is_ascii_uppercase();
    let is_number = word.contains(|c: char| c.is_ascii_digit());
    // That of a machine is a word in Chinese.
    word != "VM" && (is_number || word.chars().skip(1).any(is_within))
}

fn check(english: &str, chinese: &str) {
    for word in words(chinese) {
        let is_said = words(english).any(|said| said.starts_with(word));
        assert!(is_said, "{word} is not in English: {english} / {chinese}");
    }
    for word in words(english).filter(|word| is_name(word)) {
        assert!(words(chinese).any(|said| said == word), "{word}: {english} / {chinese}");
    }
    for host in ["Envoy", "Higress"] {
        assert_eq!(english.contains(host), chinese.contains(host), "{english} / {chinese}");
    }
}

#[test]
fn titles_say_the_same() {
    for diagnosis in DIAGNOSES {
        check(diagnosis.title, diagnosis.title_zh);
    }
}

#[test]
fn advice_says_the_same() {
    let misses = DIAGNOSES.iter().flat_map(|d| d.near_misses).map(|miss| miss.script.to_owned());
    let examples = DIAGNOSES.iter().map(|d| d.example.to_owned());
    let recorded = recordings::all().into_iter().map(|(_, text)| text);
    let mut all = BTreeSet::new();
    for text in misses.chain(examples).chain(recorded) {
        let timeline = script::parse(&text).unwrap_or_else(|e| panic!("{e} in {text}"));
        let advice = timeline.findings.iter().flat_map(|finding| &finding.advice);
        all.extend(advice.map(|one| (one.text, one.text_zh)));
    }
    for (english, chinese) in &all {
        check(english, chinese);
        let is_whole = chinese.ends_with('。') && !chinese.starts_with(' ');
        assert!(is_whole && !chinese.contains("  "), "{chinese}");
    }
    assert!(all.len() > 90, "only {} were met", all.len());
}
