//! Every way to refuse a batch: its code, its status and its sentence, together.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::decode::BadBatch;

/// Why a batch is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// No token, or another one.
    #[error(
        "batches need the ingest token as `Authorization: Bearer`; set WASM_TRACER_TOKEN in the plugin's VM environment"
    )]
    Unauthorized,
    /// Another media type.
    #[error("a batch must be sent as application/x-protobuf")]
    MediaType,
    /// Compressed.
    #[error("a batch must be sent without content-encoding")]
    Encoded,
    /// More than a batch may have.
    #[error(
        "the batch is larger than {most} bytes; send fewer events at once, or raise --max-body-kib"
    )]
    TooLarge {
        /// The limit.
        most: usize,
    },
    /// Too many at once.
    #[error("too many batches are being worked on; try again in a second")]
    NoRoom,
    /// The connection ended early.
    #[error("the body ended before its length")]
    Cut,
    /// No batch, or a senseless one.
    #[error(transparent)]
    Bad(#[from] BadBatch),
    /// A version of the wire that is not spoken here.
    #[error(
        "this collector speaks version v1 of the wire, not {0}; use a collector as new as the recorder"
    )]
    Version(String),
    /// It cannot be kept now.
    #[error("{0}")]
    Store(String),
    /// The process ends.
    #[error("the collector is stopping; try again")]
    Stopping,
}

impl Refusal {
    /// Its name in metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Unauthorized => "unauthorized",
            Refusal::MediaType => "media_type",
            Refusal::Encoded => "encoded",
            Refusal::TooLarge { .. } => "too_large",
            Refusal::NoRoom => "no_room",
            Refusal::Cut => "cut",
            Refusal::Bad(BadBatch::Malformed(_)) => "malformed",
            Refusal::Bad(BadBatch::Wrong(_)) => "wrong",
            Refusal::Version(_) => "version",
            Refusal::Store(_) => "store",
            Refusal::Stopping => "stopping",
        }
    }

    /// Its status: 400, 415 and 422 are for good, 429 and 503 are to be tried again.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
            Refusal::MediaType | Refusal::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::NoRoom => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Cut | Refusal::Bad(BadBatch::Malformed(_)) => StatusCode::BAD_REQUEST,
            Refusal::Bad(BadBatch::Wrong(_)) | Refusal::Version(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Refusal::Store(_) | Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let extra = match self {
            Refusal::Unauthorized => Some((header::WWW_AUTHENTICATE, "Bearer")),
            Refusal::NoRoom => Some((header::RETRY_AFTER, "1")),
            Refusal::Store(_) | Refusal::Stopping => Some((header::RETRY_AFTER, "2")),
            _ => None,
        };
        let mut response = (self.status(), format!("{self}\n")).into_response();
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
