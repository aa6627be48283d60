//! `/api/v1/requests`: the request view, all timelines of one request in chain order, and in whose hands
//! it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use timeline::request::{Request, Whereabouts};
use utoipa::ToSchema;

use super::view::{ListedFinding, Summary};
use super::{Api, Problem};
use crate::store::Query;

/// Timelines in one answer.
const MOST: usize = 500;

/// One request.
#[derive(Serialize, ToSchema)]
pub struct RequestView {
    /// `x-request-id`
    pub request_id: String,
    /// Node that it passed; empty if not readable.
    pub node: String,
    /// In whose hands it is; absent once it was answered.
    pub whereabouts: Option<WhereaboutsView>,
    /// What is found that takes more than one of its timelines to see; each is one of its timeline's too.
    pub findings: Vec<ListedFinding>,
    /// Its timelines in the order in which the plugins had it.
    pub timelines: Vec<Summary>,
}

/// In whose hands a request is, or was when it ended.
#[derive(Serialize, ToSchema)]
pub struct WhereaboutsView {
    /// `request` or `response`: what is on its way.
    pub direction: &'static str,
    /// Timeline of the plugin that had it last.
    pub last: String,
    /// Sequence number of the event that stopped it there or let it go.
    pub event: u64,
    /// Does that plugin hold it?
    pub is_held: bool,
    /// Timeline of the plugin that should have got it next and never did.
    pub next: Option<String>,
    /// The stream has ended.
    pub is_over: bool,
    /// All that as a sentence.
    pub sentence: String,
}

impl WhereaboutsView {
    fn of(whereabouts: &Whereabouts<'_>) -> WhereaboutsView {
        WhereaboutsView {
            direction: whereabouts.direction.name(),
            last: whereabouts.last.id.to_string(),
            event: whereabouts.event.0,
            is_held: whereabouts.is_held,
            next: whereabouts.next.map(|next| next.id.to_string()),
            is_over: whereabouts.is_over,
            sentence: whereabouts.sentence(),
        }
    }
}

/// What has a request id.
#[derive(Serialize, ToSchema)]
pub struct RequestList {
    /// Latest first. More than one where the id was used again, or on several nodes.
    pub requests: Vec<RequestView>,
}

/// All timelines of a request, in chain order
#[utoipa::path(get, path = "/api/v1/requests/{request_id}", params(("request_id" = String, Path)),
    tag = "timelines",
    responses((status = 200, body = RequestList), (status = 404, body = super::problem::ProblemView)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    Path(request_id): Path<String>,
) -> Result<Json<RequestList>, Problem> {
    let requests = api.requests(&request_id).await?;
    let requests = requests
        .iter()
        .map(|request| RequestView {
            request_id: request_id.clone(),
            node: request.node().to_owned(),
            whereabouts: request.whereabouts().as_ref().map(WhereaboutsView::of),
            findings: request.findings().map(|(of, found)| ListedFinding::of(of, found)).collect(),
            timelines: request.timelines.iter().map(|t| Summary::of(t)).collect(),
        })
        .collect();
    Ok(Json(RequestList { requests }))
}

impl Api {
    /// The requests of an id, latest first; never none.
    pub async fn requests(self: &Arc<Self>, request_id: &str) -> Result<Vec<Request>, Problem> {
        let query = Query { request_id: Some(request_id.to_owned()), ..Query::default() };
        let listed = self.list(query, None, MOST).await?;
        if listed.timelines.is_empty() {
            return Err(Problem::NotFound(format!("no request {request_id:?}")));
        }
        Ok(Request::all(listed.timelines))
    }
}
