//! Dashboards as TypeScript, checked against the types that Grafana's own package has for them.

use std::process::Command;

use serde_json::Value;

use crate::{place, try_output};

/// Panels whose options the package has types for, and the names of these.
const PANELS: [(&str, &str); 4] = [
    ("heatmap", "HeatmapPanelCfg"),
    ("stat", "StatPanelCfg"),
    ("table", "TablePanelCfg"),
    ("timeseries", "TimeSeriesPanelCfg"),
];
/// Panels that it has none for.
const UNTYPED: [&str; 1] = ["traces"];

/// A text of JSON is any member of an enum with that value. What a panel leaves out has a default.
const TYPES: &str = "\
type Json<T> = T extends string ? `${T}` : T extends (infer U)[] ? Json<U>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
type Some<T> = T extends string ? `${T}` : T extends (infer U)[] ? Some<U>[]
  : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;
";

/// What is wrong with each dashboard by Grafana's own types; empty: nothing.
///
/// # Panics
/// When the compiler cannot be run, or there is a panel of a kind that was not thought of.
pub fn complaints<'a>(dashboards: impl IntoIterator<Item = &'a Value>) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let modules = place("GRAFANA_SCHEMA").join("node_modules");
    std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).expect("a link");
    let mut compiler = Command::new(place("NODE"));
    compiler.current_dir(folder.path()).arg(modules.join("typescript/bin/tsc"));
    compiler.args(["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]);
    compiler.args(["--preserveSymlinks", "--pretty", "false"]);
    let mut complaints = Vec::new();
    for dashboard in dashboards {
        let file = format!("d{}.ts", complaints.len());
        std::fs::write(folder.path().join(&file), typescript(dashboard)).expect("written");
        compiler.arg(file);
        complaints.push(Vec::new());
    }
    let Err(said) = try_output(&mut compiler) else { return complaints };
    for line in said.lines().filter(|line| line.contains(": error TS")) {
        let number =
            line.strip_prefix('d').and_then(|rest| rest.split_once(".ts(")?.0.parse().ok());
        let of = number.and_then(|number: usize| complaints.get_mut(number));
        of.unwrap_or_else(|| panic!("this is about no dashboard: {line}")).push(line.to_owned());
    }
    assert!(complaints.iter().any(|of| !of.is_empty()), "{said}");
    complaints
}

/// One statement for the dashboard, one for each panel's options, one for each panel's own fields.
fn typescript(dashboard: &Value) -> String {
    let mut text = "import type { Dashboard } from '@grafana/schema';\n".to_owned();
    for (kind, name) in PANELS {
        let path = format!("composable/{kind}/panelcfg/x/{name}_types.gen");
        text += &format!("import type * as {kind} from '@grafana/schema/dist/esm/raw/{path}';\n");
    }
    text += TYPES;
    text += &format!("export const dashboard = {dashboard} satisfies Json<Partial<Dashboard>>;\n");
    let panels = dashboard["panels"].as_array().map_or(&[][..], Vec::as_slice);
    for (number, panel) in panels.iter().enumerate() {
        let kind = panel["type"].as_str().unwrap_or_default();
        if UNTYPED.contains(&kind) {
            continue;
        }
        assert!(PANELS.iter().any(|(known, _)| *known == kind), "no types for a panel {kind:?}");
        let fields = &panel["fieldConfig"]["defaults"]["custom"];
        for (name, value, of) in
            [("options", &panel["options"], "Options"), ("fields", fields, "FieldConfig")]
        {
            if !value.is_null() {
                text += &format!(
                    "export const {name}{number} = {value} satisfies Some<{kind}.{of}>;\n"
                );
            }
        }
    }
    text
}
