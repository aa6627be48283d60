//! For operators: health, readiness, metrics, instances, plugins.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::instance_view::InstanceView;
use super::{Api, Problem};
use crate::metrics::CONTENT_TYPE;
use crate::pipeline::Report;

/// Is the collector well
#[utoipa::path(get, path = "/healthz", tag = "operate",
    responses((status = 200, body = String), (status = 503, body = String, description = "What is wrong")))]
pub async fn healthz(State(api): State<Arc<Api>>) -> (StatusCode, String) {
    match api.health.wrong() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(wrong) => (StatusCode::SERVICE_UNAVAILABLE, format!("{wrong}\n")),
    }
}

/// Does the collector serve: true from the start to the stop, also when ingest is refused
#[utoipa::path(get, path = "/readyz", tag = "operate",
    responses((status = 200, body = String), (status = 503, body = String)))]
pub async fn readyz(State(api): State<Arc<Api>>) -> (StatusCode, &'static str) {
    if *api.stopping.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "the collector is stopping\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

/// Metrics, in OpenMetrics' text form
#[utoipa::path(get, path = "/metrics", tag = "operate", responses((status = 200, body = String)))]
pub async fn metrics(State(api): State<Arc<Api>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], api.metrics.text()).into_response()
}

/// A list of instances.
#[derive(Serialize, ToSchema)]
pub struct InstanceList {
    /// Those heard of lately.
    pub instances: Vec<InstanceView>,
}

/// VMs heard of lately
#[utoipa::path(get, path = "/api/v1/instances", tag = "operate",
    responses((status = 200, body = InstanceList)))]
pub async fn instances(State(api): State<Arc<Api>>) -> Result<Json<InstanceList>, Problem> {
    let mut instances: Vec<_> = api.instances().await?.iter().map(InstanceView::of).collect();
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(InstanceList { instances }))
}

/// A plugin.
#[derive(Serialize, ToSchema)]
pub struct PluginView {
    /// Its name.
    pub plugin: String,
    /// Instances that run it: 0 when it was removed from all of them.
    pub instances: usize,
}

/// A list of plugins.
#[derive(Serialize, ToSchema)]
pub struct PluginList {
    /// Those heard of lately.
    pub plugins: Vec<PluginView>,
}

/// Plugins heard of lately
#[utoipa::path(get, path = "/api/v1/plugins", tag = "operate",
    responses((status = 200, body = PluginList)))]
pub async fn plugins(State(api): State<Arc<Api>>) -> Result<Json<PluginList>, Problem> {
    let plugins = running(&api.instances().await?);
    let plugins =
        plugins.into_iter().map(|(plugin, instances)| PluginView { plugin, instances }).collect();
    Ok(Json(PluginList { plugins }))
}

/// How many instances run each plugin that was heard of lately.
pub fn running(instances: &[Report]) -> BTreeMap<String, usize> {
    let mut plugins = BTreeMap::<String, usize>::new();
    for instance in instances {
        // Several configurations of one plugin may run side by side.
        let mut here = BTreeMap::<&str, bool>::new();
        for root in &instance.status.roots {
            *here.entry(&root.plugin).or_default() |= !root.ended;
        }
        for (name, runs) in here {
            *plugins.entry(name.to_owned()).or_default() += usize::from(runs);
        }
    }
    plugins
}
