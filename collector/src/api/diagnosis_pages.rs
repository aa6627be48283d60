//! The pages of diagnoses.

use std::sync::Arc;

use axum::extract::{Path, Query as Parameters, State};
use axum::http::{HeaderMap, header};
use axum::response::Html;
use serde::Deserialize;
use timeline::registry;

use super::problem::Asked;
use super::{Api, Problem};
use crate::store::Query;
use crate::ui::{self, Language};

/// Cases on the page of a diagnosis; the list has them all.
const CASES: usize = 20;

/// In what language.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shown {
    lang: Option<String>,
}

/// `GET /diagnoses`
pub async fn list() -> Html<String> {
    Html(ui::diagnoses_page())
}

/// `GET /diagnoses/{code}`
pub async fn one(
    State(api): State<Arc<Api>>,
    Path(code): Path<String>,
    shown: Asked<Shown>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    let Parameters(shown) = shown?;
    let diagnosis = registry::find(&code).ok_or_else(|| {
        let code = ui::shortened(&code, 80);
        Problem::NotFound(format!("there is no diagnosis {code:?}: /diagnoses lists them all"))
    })?;
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::of(shown.lang.as_deref(), accepted);
    let query = Query { finding: Some(code), ..Query::default() };
    let listed = api.list(query, None, CASES).await?;
    let cases: Vec<ui::Row> = listed.timelines.iter().map(|t| ui::Row::of(t)).collect();
    Ok(Html(ui::diagnosis_page(diagnosis, &cases, language)))
}
