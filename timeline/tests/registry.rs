//! Every diagnosis is held to the same rules: its name, its pages, its example, its near misses.

use timeline::Diagnosis;
use timeline::finding::Finding;
use timeline::registry::{
    DIAGNOSES, HEADINGS, HEADINGS_ZH, KNOWN_FROM, KNOWN_FROM_ZH, document, document_zh, find,
};
use timeline::timeline::{Gap, Timeline};
use timeline::{Instant, diagnose, script};

fn read(diagnosis: &Diagnosis, text: &str) -> Timeline {
    script::parse(text).unwrap_or_else(|e| panic!("{}: {e}", diagnosis.code))
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|f| f.code.as_str()).collect()
}

#[test]
fn codes_are_unique_and_name_their_files() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnoses");
    for (at, diagnosis) in DIAGNOSES.iter().enumerate() {
        let code = diagnosis.code;
        assert!(
            code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{code} is not kebab-case"
        );
        assert!(folder.join(format!("{}.rs", code.replace('-', "_"))).exists(), "{code}.rs");
        assert!(folder.join(format!("{code}.zh-CN.md")).exists(), "{code}.zh-CN.md");
        assert_eq!(find(code).map(|d| d.code), Some(code));
        assert!(DIAGNOSES[..at].iter().all(|d| d.code != code), "{code} stands twice");
        assert!(!diagnosis.title.is_empty() && !diagnosis.title.ends_with('.'));
        let title = diagnosis.title_zh;
        assert!(!title.is_ascii() && !title.ends_with(['。', '.']), "{code}: {title}");
    }
    let files = std::fs::read_dir(folder).expect("the folder of the diagnoses");
    let pages = files.filter(|f| {
        f.as_ref().is_ok_and(|f| f.file_name().to_string_lossy().ends_with(".zh-CN.md"))
    });
    assert_eq!(pages.count(), DIAGNOSES.len(), "a Chinese page without a diagnosis");
}

#[test]
fn the_example_fires_it_and_only_what_it_says() {
    for diagnosis in DIAGNOSES {
        let timeline = read(diagnosis, diagnosis.example);
        let found = codes(&timeline.findings);
        assert!(found.contains(&diagnosis.code), "{}: found {found:?}", diagnosis.code);
        let mut expected = vec![diagnosis.code];
        expected.extend(diagnosis.overlaps);
        let all_said = found.iter().all(|code| expected.contains(code));
        let all_fire = expected.iter().all(|code| found.contains(code));
        assert!(all_said && all_fire, "{}: found {found:?}", diagnosis.code);
        assert_eq!(found[0], diagnosis.code, "the headline of its own example");
        assert!(timeline.unknown.is_empty(), "{}: {:?}", diagnosis.code, timeline.unknown);
    }
}

#[test]
fn near_misses_are_silent() {
    for diagnosis in DIAGNOSES {
        assert!(!diagnosis.near_misses.is_empty(), "{} has no near miss", diagnosis.code);
        for miss in diagnosis.near_misses {
            let found = read(diagnosis, miss.script).findings;
            let silent = !codes(&found).contains(&diagnosis.code);
            assert!(silent, "{}: not silent, although {}", diagnosis.code, miss.because);
        }
    }
}

#[test]
fn explanations_have_all_headings_in_both_languages() {
    for diagnosis in DIAGNOSES {
        for (page, headings) in
            [(diagnosis.explanation, HEADINGS), (diagnosis.explanation_zh, HEADINGS_ZH)]
        {
            let mut found = Vec::new();
            for section in format!("\n{page}").split("\n## ").skip(1) {
                let (heading, text) = section.split_once('\n').unwrap_or((section, ""));
                assert!(text.trim().len() > 40, "{}: {heading} is empty", diagnosis.code);
                found.push(heading.to_owned());
            }
            assert_eq!(found, headings, "{}", diagnosis.code);
            for needed in ["Envoy", "Higress", "```go", "```rust"] {
                assert!(page.contains(needed), "{}: no {needed}", diagnosis.code);
            }
        }
    }
}

/// `owner/repository#number`.
fn is_thread(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        !name.is_empty() && name.bytes().all(is_of_name)
    };
    let parts = text.split_once('#').and_then(|(of, number)| Some((of.split_once('/')?, number)));
    parts.is_some_and(|((owner, repository), number)| {
        is_name(owner) && is_name(repository) && number.parse::<u32>().is_ok_and(|n| n > 0)
    })
}

#[test]
fn every_diagnosis_names_the_threads_it_is_known_from_or_says_that_none_is_known() {
    for (page, [heading, none]) in [(document(), KNOWN_FROM), (document_zh(), KNOWN_FROM_ZH)] {
        for Diagnosis { code, known_from, .. } in DIAGNOSES {
            let of_code = page.split(&format!("\n## {code}\n")).nth(1).expect("it is there");
            let said = of_code.split(&format!("\n### {heading}\n\n")).nth(1).expect("a heading");
            let said = said.lines().next().unwrap_or_default();
            for (at, thread) in known_from.iter().enumerate() {
                assert!(is_thread(thread), "{code}: {thread}");
                assert!(!known_from[..at].contains(thread), "{code}: {thread} stands twice");
                let address = thread.replace('#', "/issues/");
                let link = format!("[{thread}](https://github.com/{address})");
                assert!(said.split(" · ").any(|part| part == link), "{code}: {said}");
            }
            assert_eq!(said == none, known_from.is_empty(), "{code}: {said}");
            // They stand nowhere else.
            let text = of_code.split(&format!("\n### {heading}\n")).next().unwrap_or_default();
            let mut words = text.split(|c: char| c.is_whitespace() || "()[],.;。，、".contains(c));
            assert!(!words.any(is_thread), "{code}: a thread stands in its text");
        }
    }
}

/// Starts with a capital (or a quoted name) and ends with a full stop.
fn is_sentence(text: &str) -> bool {
    text.starts_with(char::is_uppercase) && text.ends_with('.') && !text.contains("  ")
}

#[test]
fn findings_speak_in_whole_sentences() {
    for diagnosis in DIAGNOSES {
        let scripts = diagnosis.near_misses.iter().map(|m| m.script);
        for script in scripts.chain([diagnosis.example]) {
            for finding in read(diagnosis, script).findings {
                let said = [&finding.headline].into_iter().chain(&finding.details);
                let advice = finding.advice.iter().map(|a| a.text);
                for text in said.map(String::as_str).chain(advice) {
                    assert!(is_sentence(text), "{}: {text}", finding.code);
                }
                assert!(!finding.details.is_empty() && !finding.advice.is_empty());
                let worst = find(&finding.code).map(|d| d.severity);
                assert!(Some(finding.severity) <= worst, "{} is worse than it says", finding.code);
                assert_eq!(Some(finding.is_fact), find(&finding.code).map(|d| d.is_fact));
            }
        }
    }
}

#[test]
fn a_gap_in_the_window_turns_found_into_unknown() {
    for diagnosis in DIAGNOSES.iter().filter(|d| d.argues_from_absence) {
        let mut timeline = read(diagnosis, diagnosis.example);
        let last = timeline.events.iter().map(|e| e.sequence).max().expect("events");
        let number = timeline::ids::Sequence(last.0 + 1);
        timeline.gaps.push(Gap { from: number, to: number, reason: "buffer full".to_owned() });
        let verdicts = diagnose(&timeline, Instant::at(timeline.known_until));
        let code = diagnosis.code;
        assert!(!codes(&verdicts.findings).contains(&code), "{code} is found in spite of a gap");
        let unknown = verdicts.unknown.iter().find(|u| u.code == code);
        assert!(unknown.is_some_and(|u| is_sentence(&u.gap)), "{code}: {:?}", verdicts.unknown);
    }
}

#[test]
fn an_absence_is_found_only_when_known_until_is_past_the_deadline() {
    for diagnosis in DIAGNOSES.iter().filter(|d| d.argues_from_absence) {
        let timeline = read(diagnosis, diagnosis.example);
        let mut before = timeline.clone();
        before.known_until = before.started().after(before.duration());
        let early = diagnose(&before, Instant::at(before.known_until));
        let code = diagnosis.code;
        assert!(!codes(&early.findings).contains(&code), "{code} is found too early");
        let until = early.pending.iter().find(|p| p.code == code).map(|p| p.until);
        let until = until.unwrap_or_else(|| panic!("{code} is not pending"));
        let at = diagnose(&timeline, Instant::at(until));
        assert!(!codes(&at.findings).contains(&code), "{code} is found at its deadline");
        let past = diagnose(&timeline, Instant::at(until.after(timeline::ids::Micros(1))));
        assert!(codes(&past.findings).contains(&code), "{code} is not found past its deadline");
    }
}

#[test]
fn the_documents_show_every_diagnosis_and_are_current() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for (name, page) in [("diagnoses.md", document()), ("diagnoses.zh-CN.md", document_zh())] {
        for diagnosis in DIAGNOSES {
            assert!(page.contains(&format!("\n## {}\n", diagnosis.code)));
            assert!(page.contains(diagnosis.example.trim()));
        }
        let file = docs.join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &page).expect("docs/ can be written");
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(written == page, "docs/{name} is not current: run cargo xtask gen docs");
    }
}

/// `cargo fmt` does not see the files that the registry's macro declares.
#[test]
fn the_files_of_the_diagnoses_are_formatted() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = DIAGNOSES
        .iter()
        .map(|d| root.join("src/diagnoses").join(format!("{}.rs", d.code.replace('-', "_"))))
        .chain(
            ["failed_call", "kinds", "let_go", "phrases", "precedence", "refused", "stuck"]
                .map(|file| root.join(format!("src/diagnoses/{file}.rs"))),
        );
    let said = std::process::Command::new("rustfmt")
        .args(["--check", "--edition", "2024", "--config-path"])
        .arg(root.join("../rustfmt.toml"))
        .args(files)
        .output()
        .expect("rustfmt is a component of the pinned toolchain");
    let diff = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "run rustfmt on timeline/src/diagnoses/*.rs: {diff}");
}
