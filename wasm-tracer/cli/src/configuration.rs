//! `docs/configuration.md`: every setting of the recorder and of the collector, from their own definitions.
//! The test that compares the page writes it when blessed (`cargo xtask gen docs`).

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};
use collector::Settings;

use crate::commands::attach;

const PAGE: &str = "../../docs/configuration.md";

/// What is said of the recorder's settings that no option of `instrument` bakes in.
const NEVER_BAKED: [(&str, &str); 2] = [
    ("TOKEN", "Token that the collector demands of recorders; never baked in"),
    ("ENABLED", "`false` or 0 sends heartbeats only [default: true]"),
];

/// The page.
fn page() -> String {
    let cli = crate::Cli::command();
    let mut page = "# Configuration\n\n\
        Generated from the definitions of the settings by `cargo xtask gen docs`; do not edit.\n\n\
        ## The plugin\n\n\
        Options of `wasm-tracer instrument` are baked into the traced module. Of those with a variable the environment of the VM \
        overrides what is baked in (`vm_config.environment_variables` on Envoy, `vmConfig.env` on Higress): so a setting changes \
        without another module. A value that cannot be read changes nothing and is named in the host's log; a number beyond its \
        range is taken as the nearest.\n\n\
        | option | variable of the VM | meaning |\n|---|---|---|\n"
        .to_owned();
    let instrument = subcommand(&cli, "instrument");
    let mut left: Vec<&str> = attach::SETTINGS.to_vec();
    for arg in instrument.get_arguments().filter(|arg| is_told(arg)) {
        let variable = left.iter().position(|name| *name == variable_of(arg));
        let variable = variable.map(|at| format!("`{}{}`", attach::PREFIX, left.remove(at)));
        row(&mut page, &[option(arg), variable.unwrap_or_default(), meaning(arg)]);
    }
    for name in left {
        let told = NEVER_BAKED.iter().find(|(never, _)| *never == name);
        let told = told.map_or_else(|| panic!("nobody says what {name} means"), |(_, told)| told);
        row(&mut page, &[String::new(), format!("`{}{name}`", attach::PREFIX), (*told).to_owned()]);
    }
    page.push_str(
        "\n[Instrumenting](instrumenting.md) tells what each changes in the module.\n\n\
        ## The collector\n\n\
        An option counts before its variable, that before the key of the file that `--config` names (TOML), that before the \
        default. Unknown keys, and variables that begin like these and are none, are refused. `--check-config` says what is \
        wrong, or that all is fine.\n\n\
        | option | variable | key | meaning |\n|---|---|---|---|\n",
    );
    let keys = keys_of_the_file();
    for arg in subcommand(&cli, "collector").get_arguments().filter(|arg| is_told(arg)) {
        let key = keys.iter().find(|key| *key == arg.get_id().as_str());
        let key = key.map(|key| format!("`{key}`")).unwrap_or_default();
        row(&mut page, &[option(arg), environment(arg), key, meaning(arg)]);
    }
    page.push_str(
        "\nBeside these `WASM_TRACER_COLLECTOR_LOG` says what is logged, as `tracing`'s filters are written [info], and \
        OpenTelemetry's own variables are honoured as [OpenTelemetry](opentelemetry.md) says.\n\n\
        ## The other commands\n\n\
        | command | option | variable | meaning |\n|---|---|---|---|\n",
    );
    for command in cli.get_subcommands() {
        if !["instrument", "collector"].contains(&command.get_name()) {
            for arg in command.get_arguments().filter(|arg| arg.get_env().is_some()) {
                let name = format!("`{}`", command.get_name());
                row(&mut page, &[name, option(arg), environment(arg), meaning(arg)]);
            }
        }
    }
    page.push_str("\n`wasm-tracer COMMAND --help` tells of the options without a variable.\n");
    page
}

fn subcommand<'a>(cli: &'a Command, name: &str) -> &'a Command {
    cli.find_subcommand(name).unwrap_or_else(|| panic!("no {name}"))
}

/// What everybody knows is not told, nor what is no option.
fn is_told(arg: &Arg) -> bool {
    arg.get_long().is_some() && !["help", "output", "quiet"].contains(&arg.get_id().as_str())
}

fn option(arg: &Arg) -> String {
    let value = match arg.get_action() {
        ArgAction::SetTrue => None,
        _ => arg.get_value_names().and_then(<[_]>::first),
    };
    let long = arg.get_long().unwrap_or_default();
    match value {
        // Those that stand for `true` without a value.
        Some(value) if arg.get_num_args().is_some_and(|n| n.min_values() == 0) => {
            format!("`--{long}[={value}]`")
        }
        Some(value) => format!("`--{long} {value}`"),
        None => format!("`--{long}`"),
    }
}

fn environment(arg: &Arg) -> String {
    arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default()
}

/// The name that a setting of the recorder has, should the option bake one in.
fn variable_of(arg: &Arg) -> String {
    let name = arg.get_id().as_str();
    name.strip_prefix("collector_").unwrap_or(name).to_uppercase()
}

fn meaning(arg: &Arg) -> String {
    let mut told = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = arg.get_possible_values();
    let of_flag = matches!(arg.get_action(), ArgAction::SetTrue);
    if !of_flag && !values.is_empty() {
        let values: Vec<_> = values
            .iter()
            .map(|value| match value.get_help() {
                Some(help) => format!("`{}` ({help})", value.get_name()),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        let _ = write!(told, ": {}", values.join(", "));
    }
    if !of_flag && let Some(default) = arg.get_default_values().first() {
        let _ = write!(told, " [default: {}]", default.to_string_lossy());
    }
    told
}

fn row(page: &mut String, cells: &[String]) {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

/// What the file may hold, as its reader says when it refuses a key.
fn keys_of_the_file() -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "no_such_key = 1\n").expect("written");
    let settings = Settings { config: Some(file), ..Settings::default() };
    let error = settings.check().map(|_| ()).expect_err("it is refused").to_string();
    let list = error.split_once("expected one of ").expect("it says what it expects").1;
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_page_is_as_the_settings_are_defined() {
    let (page, place) = (page(), Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&place, &page).expect("written");
    }
    let written = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(written == page, "docs/configuration.md is not current: run `cargo xtask gen docs`");
}

#[test]
fn every_setting_of_the_collector_is_option_variable_and_key() {
    let cli = crate::Cli::command();
    let mut keys = keys_of_the_file();
    for arg in subcommand(&cli, "collector").get_arguments().filter(|arg| is_told(arg)) {
        let name = arg.get_id().as_str();
        let variable = format!("WASM_TRACER_COLLECTOR_{}", name.to_uppercase());
        match name {
            // They say where the others are, and that nothing is to be done with them.
            "config" => assert_eq!(environment(arg), format!("`{variable}`")),
            "check_config" => assert!(environment(arg).is_empty()),
            _ => {
                assert_eq!(arg.get_long(), Some(&*name.replace('_', "-")));
                assert_eq!(environment(arg), format!("`{variable}`"));
                let at = keys.iter().position(|key| key == name);
                keys.remove(at.unwrap_or_else(|| panic!("the file has no {name}")));
            }
        }
    }
    assert!(keys.is_empty(), "{keys:?} are no options");
}
