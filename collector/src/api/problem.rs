//! What can go wrong when something is read: status and sentence, together.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::health::sentence;
use crate::store::StoreError;

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
#[derive(Serialize, ToSchema)]
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
        let body = Json(ProblemView { error: self.to_string() });
        match self {
            Problem::Unauthorized => {
                (status, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response()
            }
            _ => (status, body).into_response(),
        }
    }
}
