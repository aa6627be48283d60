//! Who may read: a token as `Authorization: Bearer`, or, for the pages, a cookie after one form.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{Api, Problem, speech};
use crate::config::Token;
use crate::ingest::bearer;
use crate::ui::{self, Speech};

const COOKIE: &str = "wasm_tracer_read";

/// Lets a request through that may read.
pub async fn may_read(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let Some(token) = &api.config.read_token else { return next.run(request).await };
    if admits(token, request.headers()) {
        return next.run(request).await;
    }
    let path = request.uri().path();
    let is_page = !path.starts_with("/api/") && path != "/metrics";
    if is_page {
        let speech = speech::of(request.uri(), request.headers());
        return (StatusCode::UNAUTHORIZED, Html(ui::token_form(&speech, false))).into_response();
    }
    Problem::Unauthorized.into_response()
}

fn admits(token: &Token, headers: &HeaderMap) -> bool {
    if bearer(headers).is_some_and(|offered| token.admits(offered)) {
        return true;
    }
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .any(|(name, value)| name == COOKIE && token.admits_cookie(value))
}

/// The form's only field.
#[derive(Deserialize)]
pub struct Entered {
    token: String,
}

/// `POST /token`: the form. The cookie holds no secret that could be used elsewhere.
pub async fn enter(
    State(api): State<Arc<Api>>,
    speech: Speech,
    Form(entered): Form<Entered>,
) -> Response {
    let home = Redirect::to(&speech.kept("/"));
    let Some(token) = &api.config.read_token else { return home.into_response() };
    if !token.admits(entered.token.trim()) {
        // The form is at the address of the page that was asked for; there is none to come back to.
        let speech = Speech { here: "/".to_owned(), ..speech };
        return (StatusCode::UNAUTHORIZED, Html(ui::token_form(&speech, true))).into_response();
    }
    let cookie =
        format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000", token.cookie());
    ([(header::SET_COOKIE, cookie)], home).into_response()
}
