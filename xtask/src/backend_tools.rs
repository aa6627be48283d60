//! Real trace backends, each with the variable by which the tests know it.

use std::path::PathBuf;

use crate::go_tool::GoTool;

const GO_TOOLS: [(&str, GoTool); 2] = [
    (
        "JAEGER",
        GoTool {
            name: "jaeger",
            package: "github.com/jaegertracing/jaeger/cmd/all-in-one",
            seconds: 180,
        },
    ),
    ("OTELCOL", GoTool { name: "otelcol", package: ".", seconds: 90 }),
];

/// All of them, building what is not there yet.
pub fn all() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    GO_TOOLS.iter().map(|(variable, tool)| Ok((*variable, tool.binary()?))).collect()
}
