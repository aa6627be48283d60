//! The dashboards as Grafana reads them: what they ask Prometheus, with the variables filled in.

use serde_json::Value;

use crate::repository;

/// A dashboard.
pub struct Dashboard {
    /// Name of its file.
    pub file: String,
    /// What is in it.
    pub json: Value,
}

/// All of them.
///
/// # Panics
/// When one is not JSON.
pub fn all() -> Vec<Dashboard> {
    let folder = std::fs::read_dir(repository().join("dashboards")).into_iter().flatten();
    let files = folder.flatten().map(|file| file.path());
    let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let read = json.map(|path| {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let json = serde_json::from_str(&text);
        Dashboard { json: json.unwrap_or_else(|error| panic!("{file}: {error}")), file }
    });
    read.collect()
}

/// What the panels of a dashboard ask Prometheus.
pub fn questions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().map_or(&[][..], Vec::as_slice);
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked = targets.filter_map(|target| target["expr"].as_str());
    asked.map(filled_in).collect()
}

/// The series and the label of `label_values(series, label)`.
pub fn label_values(question: &str) -> Option<(String, String)> {
    let inner = question.strip_prefix("label_values(")?.strip_suffix(')')?;
    let (series, label) = inner.rsplit_once(',')?;
    Some((filled_in(series), label.trim().to_owned()))
}

/// With values for the variables: all of everything, and spans that suit a test.
fn filled_in(question: &str) -> String {
    let values =
        [("$__rate_interval", "30s"), ("$__range", "5m"), ("$plugin", ".*"), ("$cluster", ".*")];
    values.into_iter().fold(question.to_owned(), |text, (name, value)| text.replace(name, value))
}
