//! `/api/v1/requests`: the request view, all timelines of one request in chain order.
//!
//! Request ids repeat (clients choose them, redirects and shadows copy them), so passes of one request
//! are those on the same node that overlap in time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use timeline::timeline::Timeline;
use utoipa::ToSchema;

use super::view::Summary;
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
    /// Its timelines in the order in which the plugins had it.
    pub timelines: Vec<Summary>,
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
    let query = Query { request_id: Some(request_id.clone()), ..Query::default() };
    let listed = api.list(query, None, MOST).await?;
    if listed.timelines.is_empty() {
        return Err(Problem::NotFound(format!("no request {request_id:?}")));
    }
    let requests = requests(listed.timelines)
        .into_iter()
        .map(|timelines| RequestView {
            request_id: request_id.clone(),
            node: timelines.first().map_or_else(String::new, |t| t.node.to_string()),
            timelines: timelines.iter().map(|t| Summary::of(t)).collect(),
        })
        .collect();
    Ok(Json(RequestList { requests }))
}

/// Groups of the same node that overlap in time: latest first, each in the order of beginning.
fn requests(mut timelines: Vec<Arc<Timeline>>) -> Vec<Vec<Arc<Timeline>>> {
    timelines.sort_by_cached_key(|t| (t.node.clone(), span(t)));
    let mut groups: Vec<(u64, Vec<Arc<Timeline>>)> = Vec::new();
    for timeline in timelines {
        let (begin, end) = span(&timeline);
        match groups.last_mut() {
            Some((last, group)) if group[0].node == timeline.node && begin <= *last => {
                *last = end.max(*last);
                group.push(timeline);
            }
            _ => groups.push((end, vec![timeline])),
        }
    }
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.first().map(|t| span(t))));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// First and last moment of the stream's own events, in nanoseconds since 1970: a late response
/// callback does not make a request longer.
fn span(timeline: &Timeline) -> (u64, u64) {
    let own = || timeline.events.iter().filter(|e| e.context == timeline.context);
    let begin = own().map(|e| e.at).min().unwrap_or_else(|| timeline.started());
    let end = own().map(|e| e.at.after(e.took)).max().unwrap_or(begin);
    let wall = |at| timeline.wall_nanos(at).unwrap_or_default();
    (wall(begin), wall(end))
}
