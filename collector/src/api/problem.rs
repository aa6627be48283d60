//! What can go wrong when something is read: status and sentence, together; as JSON, and as a page for
//! who asks for pages.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::speech;
use crate::health::sentence;
use crate::store::StoreError;
use crate::ui;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// A parameter is wrong.
    #[error("{0}")]
    BadParameter(String),
    /// No token, or another one.
    #[error("reading needs the read token as `Authorization: Bearer`")]
    Unauthorized,
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The process ends.
    #[error("the collector is stopping")]
    Stopping,
}

/// Parameters after the `?` of a path, or what is wrong with them.
pub type Asked<T> = Result<Query<T>, QueryRejection>;

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Problem {
        Problem::BadParameter(rejection.body_text())
    }
}

/// The body of an answer that is none.
#[derive(Clone, Serialize, ToSchema)]
pub struct ProblemView {
    /// What was wrong, a sentence.
    pub error: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match &self {
            Problem::NotFound(_) => StatusCode::NOT_FOUND,
            Problem::BadParameter(_) => StatusCode::BAD_REQUEST,
            Problem::Unauthorized => StatusCode::UNAUTHORIZED,
            Problem::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Problem::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        if let Problem::Store(error) = &self {
            tracing::error!("{}", sentence(error));
        }
        let view = ProblemView { error: self.to_string() };
        let mut response = (status, Json(view.clone())).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(view);
        response
    }
}

/// What no route leads to.
pub async fn nowhere(uri: Uri) -> Problem {
    Problem::NotFound(format!("nothing is at {}", uri.path()))
}

/// Answers a problem with a page if pages are asked for.
pub async fn as_page(request: Request, next: Next) -> Response {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let wants_page = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    let speech = wants_page.then(|| speech::of(request.uri(), request.headers()));
    let response = next.run(request).await;
    match response.extensions().get::<ProblemView>().zip(speech) {
        Some((view, speech)) => {
            let page = Html(ui::problem_page(&speech, &view.error));
            (response.status(), page).into_response()
        }
        None => response,
    }
}
