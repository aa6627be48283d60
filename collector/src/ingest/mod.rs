//! `POST /v1/batches`: judged from the outside in (token, room, size, shape), kept, answered.

mod commit;
mod refusal;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::field::Empty;
use tracing::{Instrument, Span, debug_span};

pub use commit::{Command, Committer, Outcome};
pub use refusal::Refusal;

use crate::config::{Limits, Token};
use crate::decode;
use crate::export::own::TARGET;
use crate::health::{Health, sentence};
use crate::metrics::Metrics;

/// Media type of batches and answers.
pub const MEDIA_TYPE: &str = "application/x-protobuf";

/// A body larger than the limit by at most this factor is read to its end and dropped: a client that
/// is cut off while it sends does not see the answer.
const DRAIN: usize = 8;

/// What ingest works with.
pub struct Ingest {
    limits: Limits,
    token: Option<Token>,
    /// One permit a KiB.
    room: Arc<Semaphore>,
    committer: mpsc::UnboundedSender<Command>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Ingest {
    /// Hands batches to a committer.
    pub fn new(
        limits: Limits,
        token: Option<Token>,
        committer: mpsc::UnboundedSender<Command>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
    ) -> Ingest {
        let room = Arc::new(Semaphore::new(limits.in_flight_bytes >> 10));
        Ingest { limits, token, room, committer, metrics, health }
    }

    async fn take(&self, headers: &HeaderMap, body: Body) -> Result<Outcome, Refusal> {
        self.admit(headers)?;
        let most = self.limits.body_bytes;
        let said = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        if let Some(length) = said.filter(|length: &usize| *length > most) {
            if length <= most.saturating_mul(DRAIN) {
                drain(body).await;
            }
            return Err(Refusal::TooLarge { most });
        }
        let kib = said.unwrap_or(most).div_ceil(1024).max(1);
        let permits = u32::try_from(kib).unwrap_or(u32::MAX);
        let permit =
            self.room.clone().try_acquire_many_owned(permits).map_err(|_| Refusal::NoRoom)?;
        let body = read(body, most).await?;
        let begun = std::time::Instant::now();
        let now = jiff::Timestamp::now().as_nanosecond();
        let decoded = debug_span!(target: TARGET, "decode", bytes = body.len())
            .in_scope(|| decode::decode(&body, &self.limits, u64::try_from(now).unwrap_or(0)))?;
        self.metrics.stage("decode", begun.elapsed());
        let (reply, outcome) = oneshot::channel();
        let arrival = commit::Arrival { body, decoded, permit, span: Span::current(), reply };
        self.committer.send(Command::Append(Box::new(arrival))).map_err(|_| Refusal::Stopping)?;
        match outcome.await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(error)) => Err(Refusal::Store(sentence(&*error))),
            Err(_) => Err(Refusal::Stopping),
        }
    }

    /// Before the body is read: who sends it, what it says it is, whether it could be kept.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if let Some(token) = &self.token
            && !bearer(headers).is_some_and(|offered| token.admits(offered))
        {
            return Err(Refusal::Unauthorized);
        }
        match headers.get(header::CONTENT_TYPE) {
            Some(kind) if kind.as_bytes() != MEDIA_TYPE.as_bytes() => {
                return Err(Refusal::MediaType);
            }
            _ => {}
        }
        if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
            && encoding.as_bytes() != b"identity"
        {
            return Err(Refusal::Encoded);
        }
        match self.health.slices_wrong() {
            Some(wrong) => Err(Refusal::Store(wrong)),
            None => Ok(()),
        }
    }
}

/// The token of `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn drain(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

async fn read(body: Body, most: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge { most }),
        Err(_) => Err(Refusal::Cut),
    }
}

/// `POST /v1/batches`
pub async fn batches(
    State(ingest): State<Arc<Ingest>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let span = debug_span!(target: TARGET, "ingest", result = Empty);
    let result = ingest.take(&headers, body).instrument(span.clone()).await;
    let word = match &result {
        Ok(Outcome::Accepted) => "accepted",
        Ok(Outcome::Duplicate) => "duplicate",
        Err(refusal) => refusal.code(),
    };
    span.record("result", word);
    ingest.metrics.batch(word);
    match result {
        Ok(_) => {
            (StatusCode::OK, [(header::CONTENT_TYPE, MEDIA_TYPE)], decode::answer()).into_response()
        }
        Err(refusal) => {
            tracing::debug!(code = refusal.code(), "batch refused: {refusal}");
            refusal.into_response()
        }
    }
}

/// `POST /v2/batches` and the like.
pub async fn other_version(
    State(ingest): State<Arc<Ingest>>,
    Path(version): Path<String>,
    headers: HeaderMap,
) -> Response {
    let refusal = match ingest.admit(&headers) {
        Err(refusal @ Refusal::Unauthorized) => refusal,
        _ => Refusal::Version(version.chars().take(16).collect()),
    };
    ingest.metrics.batch(refusal.code());
    refusal.into_response()
}
