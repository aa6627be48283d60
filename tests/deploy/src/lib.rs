//! What the tests of `deploy` and of `docker-compose.yml` share: the files, the programs that read
//! them, and a compose file's services run natively.

pub mod compose;
pub mod dashboards;
pub mod grafana;
pub mod native;
pub mod resources;
pub mod schemas;
mod topology;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

pub use topology::Topology;

/// The root of the repository.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A file of the repository.
///
/// # Panics
/// When it cannot be read.
pub fn text(path: &str) -> String {
    match std::fs::read_to_string(repository().join(path)) {
        Ok(text) => text,
        Err(error) => panic!("{path} cannot be read: {error}"),
    }
}

/// What `cargo xtask setup` has put somewhere, by the variable that says where.
///
/// # Panics
/// When the variable is not set.
pub fn place(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(place) => place.into(),
        None => panic!("{variable} is not set: run `cargo xtask test`"),
    }
}

/// A program that `cargo xtask setup` has built or fetched, to be run at the root of the repository.
///
/// # Panics
/// As [`place`].
pub fn tool(variable: &str) -> Command {
    let mut command = Command::new(place(variable));
    command.current_dir(repository());
    command
}

/// Runs to the end and answers standard output; or what it said when it failed.
pub fn try_output(command: &mut Command) -> Result<String, String> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return Err(format!("{:?} does not start: {error}", command.get_program())),
    };
    let [out, err] =
        [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    if output.status.success() { Ok(out) } else { Err(format!("{command:?} failed:\n{out}{err}")) }
}

/// Runs to the end and answers standard output.
///
/// # Panics
/// When it fails; with what it said.
pub fn output(command: &mut Command) -> String {
    try_output(command).unwrap_or_else(|said| panic!("{said}"))
}

/// The documents of a YAML text.
///
/// # Panics
/// When it is not YAML.
pub fn yaml(text: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(text).map(Value::deserialize);
    let read: Result<Vec<_>, _> = documents.collect();
    let read = read.unwrap_or_else(|error| panic!("this is not YAML ({error}):\n{text}"));
    read.into_iter().filter(|document| !document.is_null()).collect()
}

/// The texts of a list.
pub fn texts(list: &Value) -> Vec<String> {
    let all = list.as_array().map_or(&[][..], Vec::as_slice);
    all.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
}
