//! The dashboards: every metric that they name exists, and they can be imported by hand.

use deploy::{repository, text};
use serde_json::Value;

fn dashboards() -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(repository().join("dashboards")).expect("the folder");
    let files = folder.map(|file| file.expect("a file").path());
    let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let read = json.map(|path| {
        let text = std::fs::read_to_string(&path).expect("text");
        (path.display().to_string(), serde_json::from_str(&text).expect("JSON"))
    });
    read.collect()
}

#[test]
fn every_metric_that_a_dashboard_names_exists() {
    let known = text("docs/metrics.md");
    let mut count = 0;
    for (file, dashboard) in dashboards() {
        let text = dashboard.to_string();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("wasm_tracer_")) {
            let is_known = |name: &str| known.contains(&format!("| `{name}` |"));
            let of_histogram = ["_bucket", "_count", "_sum"].map(|end| word.strip_suffix(end));
            let is_series = of_histogram.iter().flatten().any(|name| is_known(name));
            assert!(is_known(word) || is_series, "{file} names {word}");
            count += 1;
        }
    }
    assert!(count > 0, "no dashboard names a metric");
}

#[test]
fn a_dashboard_has_an_id_of_its_own_and_asks_for_its_data_source() {
    let mut ids = std::collections::BTreeSet::new();
    for (file, dashboard) in dashboards() {
        let id = dashboard["uid"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && ids.insert(id), "{file}");
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        assert!(variables.iter().any(|variable| variable["type"] == "datasource"), "{file}");
        for panel in dashboard["panels"].as_array().expect("panels") {
            let source = panel["datasource"]["uid"].as_str().unwrap_or_default();
            let named =
                |one: &Value| one["name"].as_str().is_some_and(|n| source == format!("${{{n}}}"));
            assert!(variables.iter().any(named), "{file}: {} asks {source}", panel["title"]);
        }
    }
}
