//! The field's own plugins: the compiled Higress plugins of PyPI (Go, Rust, C++), each instrumented
//! and driven beside its original with traffic that makes it work. One Envoy a group.

mod auth;
mod balance;
mod models;
mod proxies;

use e2e::Request;
use e2e::field::{Case, Field};

/// Drives the cases on the Envoy of that variable, and fails with all complaints at once.
fn work_alike(envoy: &str, cases: Vec<Case>) {
    let field = Field::start(envoy, cases).unwrap_or_else(|error| panic!("{error:#}"));
    let complaints = field.complaints().unwrap_or_else(|error| panic!("{error:#}"));
    let (count, text) = (complaints.len(), complaints.join("\n\n"));
    let last = field.envoy_said_last();
    assert!(complaints.is_empty(), "{count}:\n{text}\nEnvoy said last:\n{last}");
}

/// A POST of JSON.
fn json(path: &str, body: &str) -> Request {
    Request::post(path, body).header("content-type", "application/json")
}

#[test]
fn all_of_them_are_driven() {
    let cases = [auth::cases(), models::cases(), proxies::cases(), balance::cases()].concat();
    let idle = e2e::field::idle(&cases).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(idle.is_empty(), "no case for {idle:#?}");
}

#[test]
fn those_that_let_callers_in() {
    work_alike("ENVOY", auth::cases());
}

#[test]
fn those_that_look_for_the_model_and_change_messages() {
    work_alike("ENVOY", models::cases());
}

#[test]
fn those_that_speak_to_models_and_count() {
    work_alike("ENVOY", proxies::cases());
}

#[test]
fn those_that_balance_load() {
    work_alike("ENVOY", balance::cases());
}

/// One in C++, one in Rust, two in Go: what the older Envoys of the field are tried with.
fn four() -> Vec<Case> {
    vec![auth::ext_auth(), models::model_router(), models::masking(), models::transformer()]
}

#[test]
fn four_of_them_on_envoy_1_36() {
    work_alike("ENVOY_1_36", four());
}

#[test]
fn four_of_them_on_envoy_1_38() {
    work_alike("ENVOY_1_38", four());
}
