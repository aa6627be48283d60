//! Live traffic: `/traffic`, the page, and `/api/v1/traffic`.

// What utoipa's macro writes.
#![allow(unused_qualifications)]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Html;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, Problem};
use crate::pipeline::{Question, TrafficReport};
use crate::ui::{self, Speech};

/// What came in the last minute.
#[derive(Serialize, ToSchema)]
pub struct TrafficView {
    /// How many seconds were counted: fewer than 60 after a start.
    pub seconds: u64,
    /// Streams that recorders recorded, by plugin.
    pub plugins: Vec<PluginTraffic>,
    /// Findings of timelines that were closed, by plugin and code.
    pub findings: Vec<FindingTraffic>,
}

/// How much a plugin does.
#[derive(Serialize, ToSchema)]
pub struct PluginTraffic {
    /// Its name; `other` for those beyond what metrics tell apart.
    pub plugin: String,
    /// Streams begun.
    pub streams: u64,
    /// Of these a second.
    pub streams_per_second: f64,
}

/// How often something is found.
#[derive(Serialize, ToSchema)]
pub struct FindingTraffic {
    /// Name of the plugin.
    pub plugin: String,
    /// Code of the diagnosis.
    pub code: String,
    /// Findings.
    pub findings: u64,
    /// Of these a second.
    pub findings_per_second: f64,
}

impl TrafficView {
    fn of(report: &TrafficReport) -> TrafficView {
        let plugins = report.begun.iter().map(|(plugin, streams)| PluginTraffic {
            plugin: plugin.clone(),
            streams: *streams,
            streams_per_second: report.per_second(*streams),
        });
        let findings = report.found.iter().map(|((plugin, code), findings)| FindingTraffic {
            plugin: plugin.clone(),
            code: code.clone(),
            findings: *findings,
            findings_per_second: report.per_second(*findings),
        });
        let (plugins, findings) = (plugins.collect(), findings.collect());
        TrafficView { seconds: report.seconds, plugins, findings }
    }
}

/// Streams and findings of the last minute, by plugin
#[utoipa::path(get, path = "/api/v1/traffic", tag = "operate",
    responses((status = 200, body = TrafficView)))]
pub async fn traffic(State(api): State<Arc<Api>>) -> Result<Json<TrafficView>, Problem> {
    Ok(Json(TrafficView::of(&api.ask(Question::Traffic).await?)))
}

/// `GET /traffic`
pub async fn page(State(api): State<Arc<Api>>, speech: Speech) -> Result<Html<String>, Problem> {
    Ok(Html(ui::traffic_page(&speech, &api.ask(Question::Traffic).await?)))
}
