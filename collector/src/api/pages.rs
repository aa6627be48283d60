//! The pages: what `ui` draws, with the data it needs.

use std::sync::Arc;

use axum::extract::{Path, Query as Parameters, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use timeline::registry::DIAGNOSES;
use timeline::script;

use super::instance_pages::wrong;
use super::instance_view::InstanceView;
use super::problem::Asked;
use super::timelines::{Filter, parse_id};
use super::{Api, Problem};
use crate::pipeline::Report;
use crate::ui::{self, Speech};

/// Rows on one page.
const ROWS: usize = 100;

/// `GET /`
pub async fn list(
    State(api): State<Arc<Api>>,
    speech: Speech,
    filter: Asked<Filter>,
) -> Result<Html<String>, Problem> {
    let Parameters(filter) = filter?;
    let listed = api.list(filter.query()?, filter.after()?, ROWS).await?;
    let instances = api.instances().await?;
    let mut plugins: Vec<String> = instances
        .iter()
        .flat_map(|instance| instance.status.roots.iter().map(|root| root.plugin.clone()))
        .chain(listed.timelines.iter().map(|timeline| timeline.root.plugin.clone()))
        .collect();
    plugins.sort();
    plugins.dedup();
    let word = |value: &Option<String>| value.clone().unwrap_or_default();
    let view = ui::ListView {
        rows: listed.timelines.iter().map(|t| ui::Row::of(t)).collect(),
        filter: ui::Filter {
            plugin: word(&filter.plugin),
            finding: word(&filter.finding),
            severity: word(&filter.severity),
            since: word(&filter.since),
            request_id: word(&filter.request_id),
        },
        plugins,
        codes: DIAGNOSES.iter().map(|diagnosis| diagnosis.code.to_owned()).collect(),
        troubles: instances.iter().flat_map(|report| troubles(&speech, report)).collect(),
        cursor: listed.next.map(|cursor| cursor.to_string()),
        ingest: api.ingest_address.to_string(),
    };
    Ok(Html(ui::list_page(&speech, &view)))
}

/// What is wrong with an instance, a line each.
fn troubles(speech: &Speech, report: &Report) -> Vec<ui::Trouble> {
    let instance = InstanceView::of(report);
    let trouble = |what| ui::Trouble {
        instance: instance.id.clone(),
        plugins: instance.plugins.join(", "),
        what,
    };
    wrong(speech.language, &instance).into_iter().map(trouble).collect()
}

/// `GET /timelines/{id}`
pub async fn timeline(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    speech: Speech,
) -> Result<Html<String>, Problem> {
    let timeline = api.timeline(parse_id(&id)?).await?;
    let script = script::print(&timeline);
    Ok(Html(ui::timeline_page(&speech, &api.config.links, &timeline, &script)))
}

/// `GET /requests/{request_id}`
pub async fn request(
    State(api): State<Arc<Api>>,
    Path(request_id): Path<String>,
    speech: Speech,
) -> Result<Html<String>, Problem> {
    let requests = api.requests(&request_id).await?;
    Ok(Html(ui::request_page(&speech, &request_id, &requests)))
}

/// `GET /assets/{name}`
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((kind, bytes, tag)) = ui::asset(&name) else {
        return Problem::NotFound(format!("no file {name:?}")).into_response();
    };
    let cache = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache")];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, cache).into_response();
    }
    (cache, [(header::CONTENT_TYPE, kind)], bytes).into_response()
}
