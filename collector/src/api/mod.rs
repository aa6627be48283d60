//! The HTTP surface: routes of both listeners, who may see what, the description of it.

mod access;
mod chrome;
mod diagnosis_pages;
mod duration;
mod findings;
mod instance_pages;
mod instance_view;
mod jaeger;
mod live;
mod openapi;
mod operate;
mod pages;
mod plugin_pages;
mod problem;
pub mod recording;
mod requests;
mod speech;
mod timelines;
mod traffic;
pub mod view;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use timeline::ids::TimelineId;
use timeline::timeline::Timeline;
use tokio::sync::{mpsc, oneshot, watch};

pub use problem::Problem;

use crate::config::Config;
use crate::health::Health;
use crate::ingest::{self, Ingest};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::pipeline::{Input, Question, Report};
use crate::store::{Cursor, Page, Query, Store};

/// What the routes work with.
pub struct Api {
    /// Settings.
    pub config: Config,
    /// Where recorders ship to.
    pub ingest_address: SocketAddr,
    /// Stored timelines.
    pub store: Arc<dyn Store>,
    /// Those not stored yet.
    pub pipeline: mpsc::UnboundedSender<Input>,
    /// Changes.
    pub live: Live,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What is wrong.
    pub health: Arc<Health>,
    /// True when the process is to end: streams end then.
    pub stopping: watch::Receiver<bool>,
}

/// Timelines of a list.
pub struct Listed {
    /// Latest begun first.
    pub timelines: Vec<Arc<Timeline>>,
    /// Where it goes on.
    pub next: Option<Cursor>,
}

impl Api {
    /// The timeline of an id.
    pub async fn timeline(self: &Arc<Self>, id: TimelineId) -> Result<Arc<Timeline>, Problem> {
        let fresh = self.ask(|reply| Question::Timeline(id, reply)).await?;
        let store = self.store.clone();
        let found = blocking(move || match fresh {
            Some(kept) => Ok(Some(kept.whole())),
            None => store.get(id).map(|found| found.map(Arc::new)),
        });
        found.await??.ok_or_else(|| Problem::NotFound(format!("no timeline {id}")))
    }

    /// Timelines that match, stored or not, in one order: each is on one page.
    pub async fn list(
        self: &Arc<Self>,
        query: Query,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Listed, Problem> {
        // In this order: what is stored between the two is in both.
        let asked = query.clone();
        let fresh = self.ask(|reply| Question::List(asked, after, limit, reply)).await?;
        let store = self.store.clone();
        let listed = blocking(move || {
            let fresh = fresh
                .into_iter()
                .filter(|(_, kept)| !query.names_streams() || query.is_of(&kept.stream()))
                .map(|(place, kept)| (place, kept.whole()))
                .filter(|(_, timeline)| query.matches(timeline));
            let fresh = fresh.take(limit).collect();
            store.list(&query, after, limit).map(|page| joined(fresh, page, limit))
        });
        Ok(listed.await??)
    }

    /// All instances.
    pub async fn instances(&self) -> Result<Vec<Report>, Problem> {
        self.ask(Question::Instances).await
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        self.pipeline.send(Input::Ask(question(reply))).map_err(|_| Problem::Stopping)?;
        answer.await.map_err(|_| Problem::Stopping)
    }
}

/// One page of timelines not stored yet, latest begun first, and of stored ones.
fn joined(fresh: Vec<(Cursor, Arc<Timeline>)>, page: Page, limit: usize) -> Listed {
    // Each part is complete as far as it goes, so both are down to the later end.
    let end_of_fresh = fresh.last().filter(|_| fresh.len() >= limit).map(|(place, _)| *place);
    let end = page.next.max(end_of_fresh);
    let known: HashSet<TimelineId> = fresh.iter().map(|(_, t)| t.id).collect();
    let stored = page.found.into_iter().filter(|f| !known.contains(&f.timeline.id));
    let mut all = fresh;
    all.extend(stored.map(|found| (found.place, Arc::new(found.timeline))));
    all.retain(|(place, _)| end.is_none_or(|end| *place >= end));
    all.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
    let next = match all.get(limit) {
        Some(_) => all.get(limit.saturating_sub(1)).map(|(place, _)| *place),
        None => end,
    };
    all.truncate(limit);
    Listed { timelines: all.into_iter().map(|(_, timeline)| timeline).collect(), next }
}

/// Runs what blocks on its own thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::Stopping)
}

/// What a token guards, where there is one.
fn guarded() -> Vec<(&'static str, MethodRouter<Arc<Api>>)> {
    vec![
        ("/", get(pages::list)),
        ("/timelines/{id}", get(pages::timeline)),
        ("/requests/{request_id}", get(pages::request)),
        ("/traffic", get(traffic::page)),
        ("/plugins", get(plugin_pages::list)),
        ("/plugins/{name}", get(plugin_pages::one)),
        ("/instances", get(instance_pages::list)),
        ("/instances/{id}", get(instance_pages::one)),
        ("/diagnoses", get(diagnosis_pages::list)),
        ("/diagnoses/{code}", get(diagnosis_pages::one)),
        ("/api/v1/timelines", get(timelines::list)),
        ("/api/v1/timelines/{id}", get(timelines::one)),
        ("/api/v1/requests/{request_id}", get(requests::one)),
        ("/api/v1/findings", get(findings::list)),
        ("/api/v1/live", get(live::live)),
        ("/api/v1/instances", get(operate::instances)),
        ("/api/v1/plugins", get(operate::plugins)),
        ("/api/v1/diagnoses", get(findings::diagnoses)),
        ("/api/v1/traffic", get(traffic::traffic)),
        ("/api/services", get(jaeger::services)),
        ("/api/services/{service}/operations", get(jaeger::operations_of)),
        ("/api/operations", get(jaeger::operations)),
        ("/api/traces", get(jaeger::find)),
        ("/api/traces/{id}", get(jaeger::one)),
        ("/api/dependencies", get(jaeger::dependencies)),
        ("/api/v3/services", get(jaeger::v3::services)),
        ("/api/v3/operations", get(jaeger::v3::operations)),
        (openapi::PATH, get(openapi::document)),
        ("/metrics", get(operate::metrics)),
    ]
}

/// What anyone sees who reaches the address.
fn open() -> Vec<(&'static str, MethodRouter<Arc<Api>>)> {
    vec![
        (crate::ui::TOKEN_PATH, post(access::enter)),
        ("/assets/{name}", get(pages::asset)),
        ("/healthz", get(operate::healthz)),
        ("/readyz", get(operate::readyz)),
    ]
}

fn router(routes: Vec<(&'static str, MethodRouter<Arc<Api>>)>) -> Router<Arc<Api>> {
    routes.into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route))
}

/// Everything but ingest.
pub fn reading(api: Arc<Api>) -> Router {
    let guard = middleware::from_fn_with_state(api.clone(), access::may_read);
    router(guarded())
        .layer(guard)
        .merge(router(open()))
        .fallback(problem::nowhere)
        .layer(middleware::from_fn(problem::as_page))
        .layer(middleware::from_fn(harden))
        .with_state(api)
}

/// Ingest alone.
pub fn taking(ingest: Arc<Ingest>) -> Router {
    Router::new()
        .route("/v1/batches", post(ingest::batches))
        .route("/{version}/batches", post(ingest::other_version))
        .with_state(ingest)
}

/// Headers of every answer: no other site may frame it, feed it, or learn of it.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, crate::ui::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
