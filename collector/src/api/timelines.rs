//! `/api/v1/timelines`: the list, and one.

// What utoipa's macro writes.
#![allow(unused_qualifications)]

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query as Parameters, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use timeline::finding::Severity;
use timeline::ids::BadId;
use timeline::script;
use utoipa::{IntoParams, ToSchema};

use super::problem::Asked;
use super::view::{Detail, Summary};
use super::{Api, Problem, chrome, duration};
use crate::clock::wall_millis;
use crate::store::{Cursor, Query};

const MOST: usize = 500;

/// Which timelines.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Of this plugin.
    pub plugin: Option<String>,
    /// With this finding.
    pub finding: Option<String>,
    /// With a headline of this severity.
    pub severity: Option<String>,
    /// Open, or closed at or after this time: so long ago, like `15m`, or milliseconds since 1970, or RFC
    /// 3339.
    pub since: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// Goes on where an answer ended.
    pub cursor: Option<String>,
    /// At most so many, 1 to 500.
    pub limit: Option<usize>,
    /// Language of the page at `/`; the API has none.
    #[param(ignore)]
    pub lang: Option<String>,
}

/// A list of timelines.
#[derive(Serialize, ToSchema)]
pub struct TimelineList {
    /// Latest begun first, open or closed.
    pub timelines: Vec<Summary>,
    /// For the next part; absent at the end.
    pub cursor: Option<String>,
}

impl Filter {
    /// What the store understands. Empty values do not filter: forms send them.
    pub fn query(&self) -> Result<Query, Problem> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let severity = given(&self.severity)
            .map(|word| {
                Severity::from_name(&word).ok_or_else(|| {
                    Problem::BadParameter(format!(
                        "severity must be note, race, failed, hung or lost, not {word:?}"
                    ))
                })
            })
            .transpose()?;
        Ok(Query {
            plugin: given(&self.plugin),
            finding: given(&self.finding),
            severity,
            found: false,
            since_millis: given(&self.since)
                .map(|at| since_millis(&at, wall_millis()))
                .transpose()?,
            request_id: given(&self.request_id),
            ..Query::default()
        })
    }

    /// Where to go on.
    pub fn after(&self) -> Result<Option<Cursor>, Problem> {
        let cursor = self.cursor.as_ref().filter(|cursor| !cursor.is_empty());
        cursor
            .map(|cursor| {
                cursor.parse().map_err(|()| {
                    Problem::BadParameter(
                        "cursor must be one that an answer to the same question gave".to_owned(),
                    )
                })
            })
            .transpose()
    }

    fn limit(&self, default: usize) -> usize {
        self.limit.unwrap_or(default).clamp(1, MOST)
    }
}

/// Milliseconds since 1970: written so, in RFC 3339, or as how long ago it is `now`.
fn since_millis(since: &str, now: i64) -> Result<i64, Problem> {
    let written = || since.parse::<i64>().ok();
    let rfc3339 = || since.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond());
    let ago = || {
        let millis = i64::try_from(duration::nanos(since)? / 1_000_000).ok()?;
        Some(now.saturating_sub(millis))
    };
    written().or_else(rfc3339).or_else(ago).ok_or_else(|| {
        Problem::BadParameter(format!(
            "since must be so long ago, like 15m, or milliseconds since 1970, or RFC 3339, not \
             {since:?}"
        ))
    })
}

/// Timelines, latest begun first
#[utoipa::path(get, path = "/api/v1/timelines", params(Filter), tag = "timelines",
    responses((status = 200, body = TimelineList), (status = 400, body = super::problem::ProblemView)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    filter: Asked<Filter>,
) -> Result<Json<TimelineList>, Problem> {
    let Parameters(filter) = filter?;
    let listed = api.list(filter.query()?, filter.after()?, filter.limit(50)).await?;
    Ok(Json(TimelineList {
        timelines: listed.timelines.iter().map(|t| Summary::of(t)).collect(),
        cursor: listed.next.map(|cursor| cursor.to_string()),
    }))
}

/// In what form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Shape {
    /// `json`, or `text`: the script notation. Named so, it comes as a file to be saved; either can be
    /// read by `wasm-tracer show FILE`. Or `chrome`: a trace for Perfetto and chrome://tracing.
    #[serde(rename = "as")]
    #[param(rename = "as")]
    pub shape: Option<String>,
}

/// One timeline
#[utoipa::path(get, path = "/api/v1/timelines/{id}", params(("id" = String, Path), Shape), tag = "timelines",
    responses((status = 200, body = Detail),
        (status = 400, body = super::problem::ProblemView), (status = 404, body = super::problem::ProblemView)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    shape: Asked<Shape>,
) -> Result<Response, Problem> {
    let Parameters(shape) = shape?;
    let timeline = api.timeline(parse_id(&id)?).await?;
    let saved = |extension: &str| {
        let file = format!("attachment; filename=\"timeline-{}.{extension}\"", timeline.id);
        [(header::CONTENT_DISPOSITION, file)]
    };
    match shape.shape.as_deref() {
        None => Ok(Json(Detail::of(&timeline)).into_response()),
        Some("json") => Ok((saved("json"), Json(Detail::of(&timeline))).into_response()),
        Some("text") => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            Ok((kind, saved("txt"), script::print(&timeline)).into_response())
        }
        Some("chrome") => Ok((saved("trace.json"), Json(chrome::trace(&timeline))).into_response()),
        Some(other) => {
            Err(Problem::BadParameter(format!("as must be json, text or chrome, not {other:?}")))
        }
    }
}

/// Reads an id.
pub fn parse_id<T: FromStr<Err = BadId>>(id: &str) -> Result<T, Problem> {
    id.parse().map_err(|error: BadId| Problem::BadParameter(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::since_millis;

    #[test]
    fn a_time_is_read_in_each_of_its_forms() {
        let now = 1_700_000_000_000;
        for (text, millis) in [
            ("1699999999999", 1_699_999_999_999),
            ("0", 0),
            ("2023-11-14T22:13:19Z", 1_699_999_999_000),
            ("2023-11-15T00:13:19.5+02:00", 1_699_999_999_500),
            ("15m", now - 900_000),
            ("1h30m", now - 5_400_000),
            ("2d", now - 172_800_000),
        ] {
            assert_eq!(since_millis(text, now).ok(), Some(millis), "{text}");
        }
        for text in ["yesterday", "15", "15 m", "-15m", "2023-11-14"] {
            let read = since_millis(text, now).ok();
            assert_eq!(read, text.parse().ok(), "{text}");
        }
    }
}
