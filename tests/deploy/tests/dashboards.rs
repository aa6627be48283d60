//! The dashboards: every metric that they name exists, and they can be imported by hand.

use std::collections::BTreeSet;

use deploy::dashboards::{Dashboard, all};
use deploy::{grafana, output, repository, text, tool};
use serde_json::{Value, json};

const RULES: &str = "dashboards/rules/wasm-tracer.yaml";

/// The metrics that a text names, a histogram by the name of all its series.
fn named(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics = words.filter(|word| word.starts_with("wasm_tracer_"));
    let of_family = |word: &str| {
        let endings = ["_bucket", "_count", "_sum"];
        let family = endings.iter().find_map(|ending| word.strip_suffix(ending));
        family.filter(|family| known.contains(*family)).unwrap_or(word).to_owned()
    };
    metrics.map(of_family).collect()
}

#[test]
fn every_metric_that_is_named_exists_and_every_one_that_exists_is_shown() {
    let page = text("docs/metrics.md");
    let lines = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let known: BTreeSet<String> = lines.map(|(name, _)| name.to_owned()).collect();
    let boards = all().into_iter().map(|Dashboard { json, .. }| json.to_string());
    let shown = boards.fold(text(RULES), |all, board| all + &board);
    assert_eq!(named(&shown, &known), known);
}

#[test]
fn every_alert_fires_and_is_silent_when_it_should_and_has_a_section_in_the_runbook() {
    output(tool("PROMTOOL").args(["check", "rules", RULES]));
    let mut cases = tool("PROMTOOL");
    cases.current_dir(repository().join("dashboards/rules"));
    output(cases.args(["test", "rules", "wasm-tracer.test.yaml"]));
    let rules = deploy::yaml(&text(RULES)).remove(0);
    let tested = text("dashboards/rules/wasm-tracer.test.yaml");
    let runbook = text("docs/runbook.md");
    let alerts = rules["groups"][0]["rules"].as_array().expect("rules");
    assert!(!alerts.is_empty());
    for alert in alerts {
        let name = alert["alert"].as_str().expect("a name");
        for case in ["fires", "is silent"] {
            assert!(tested.contains(&format!("- name: {name} {case}\n")), "{name} {case}");
        }
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} has no section");
        let leads = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook"], leads.as_str());
    }
}

#[test]
fn a_dashboard_has_an_id_of_its_own_and_asks_for_its_data_source() {
    let mut ids = BTreeSet::new();
    for Dashboard { file, json: dashboard } in all() {
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

#[test]
fn dashboards_are_what_grafanas_own_types_say() {
    let dashboards = all();
    let complaints = grafana::complaints(dashboards.iter().map(|dashboard| &dashboard.json));
    for (Dashboard { file, .. }, complaints) in dashboards.iter().zip(complaints) {
        assert!(complaints.is_empty(), "{file}: {}", complaints.join("\n"));
    }
}

#[test]
fn grafanas_own_types_refuse_what_is_none_of_theirs() {
    let with = |options: Value| {
        json!({ "panels": [
            { "type": "heatmap", "fieldConfig": { "defaults": {}, "overrides": [] }, "options": options },
        ]})
    };
    let fields = |kind: &str, custom: Value| {
        json!({ "panels": [
            { "type": kind, "fieldConfig": { "defaults": { "custom": custom }, "overrides": [] } },
        ]})
    };
    let cases = [
        (true, json!({ "schemaVersion": 41, "panels": [] })),
        (false, json!({ "schemaVersion": "41" })),
        (false, json!({ "shemaVersion": 41 })),
        (
            false,
            json!({ "panels": [{ "type": "stat", "gridPos": { "h": 4, "w": "12", "x": 0, "y": 0 } }] }),
        ),
        (false, json!({ "templating": { "list": [{ "name": "plugin", "type": "kweri" }] } })),
        (true, with(json!({ "cellGap": 1, "color": { "mode": "scheme" } }))),
        (false, with(json!({ "cellGap": "1" }))),
        (false, with(json!({ "color": { "mode": "rainbow" } }))),
        (false, json!({ "panels": [{ "type": "stat", "options": { "colourMode": "value" } }] })),
        (true, fields("timeseries", json!({ "stacking": { "mode": "normal" } }))),
        (false, fields("timeseries", json!({ "stacking": { "mode": "piled" } }))),
        (false, fields("table", json!({ "alignment": "left" }))),
    ];
    let complaints = grafana::complaints(cases.iter().map(|(_, dashboard)| dashboard));
    for ((is_it, dashboard), complaints) in cases.iter().zip(complaints) {
        assert_eq!(complaints.is_empty(), *is_it, "{dashboard}: {complaints:?}");
    }
}
