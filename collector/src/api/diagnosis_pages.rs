//! The pages of diagnoses.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Html;
use timeline::registry;

use super::{Api, Problem};
use crate::store::Query;
use crate::ui::{self, Speech};

/// Cases on the page of a diagnosis; the list has them all.
const CASES: usize = 20;

/// `GET /diagnoses`
pub async fn list(speech: Speech) -> Html<String> {
    Html(ui::diagnoses_page(&speech))
}

/// `GET /diagnoses/{code}`
pub async fn one(
    State(api): State<Arc<Api>>,
    Path(code): Path<String>,
    speech: Speech,
) -> Result<Html<String>, Problem> {
    let diagnosis = registry::find(&code).ok_or_else(|| {
        let code = ui::shortened(&code, 80);
        Problem::NotFound(format!("there is no diagnosis {code:?}: /diagnoses lists them all"))
    })?;
    let query = Query { finding: Some(code), ..Query::default() };
    let listed = api.list(query, None, CASES).await?;
    let cases: Vec<ui::Row> = listed.timelines.iter().map(|t| ui::Row::of(t)).collect();
    Ok(Html(ui::diagnosis_page(&speech, diagnosis, &cases)))
}
