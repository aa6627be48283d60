//! `/api/v1/findings` and `/api/v1/diagnoses`: what was found, and what can be.

// What utoipa's macro writes.
#![allow(unused_qualifications)]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query as Parameters, State};
use serde::{Deserialize, Serialize};
use timeline::registry::DIAGNOSES;
use utoipa::{IntoParams, ToSchema};

use super::problem::Asked;
use super::view::ListedFinding;
use super::{Api, Problem};
use crate::store::Query;

/// Findings in one answer, at most from so many timelines.
const MOST: usize = 2000;

/// Since when.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Since {
    /// Of timelines that are open, or were closed at or after this time: milliseconds since 1970.
    pub since_ms: Option<i64>,
}

/// A list of findings.
#[derive(Serialize, ToSchema)]
pub struct FindingList {
    /// Of the latest timelines first.
    pub findings: Vec<ListedFinding>,
}

/// What was found
#[utoipa::path(get, path = "/api/v1/findings", params(Since), tag = "findings",
    responses((status = 200, body = FindingList), (status = 400, body = super::problem::ProblemView)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    since: Asked<Since>,
) -> Result<Json<FindingList>, Problem> {
    let Parameters(since) = since?;
    let query = Query { found: true, since_millis: since.since_ms, ..Query::default() };
    let listed = api.list(query, None, MOST).await?;
    let findings = listed.timelines.iter().flat_map(|t| ListedFinding::all_of(t)).collect();
    Ok(Json(FindingList { findings }))
}

/// A diagnosis that the collector knows.
#[derive(Serialize, ToSchema)]
pub struct DiagnosisView {
    /// Its code.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// The worst it can be.
    pub severity: &'static str,
    /// `cause` or `fact`.
    pub kind: &'static str,
    /// Markdown.
    pub explanation: &'static str,
    /// Public threads that it is known from; empty where none is known.
    pub known_from: Vec<ThreadView>,
    /// A timeline with it, in script notation.
    pub example: &'static str,
}

/// A public thread.
#[derive(Serialize, ToSchema)]
pub struct ThreadView {
    /// `owner/repository#number`.
    pub name: &'static str,
    /// Its address.
    pub url: String,
}

/// The diagnoses that the collector knows.
#[derive(Serialize, ToSchema)]
pub struct DiagnosisList {
    /// All of them.
    pub diagnoses: Vec<DiagnosisView>,
}

/// What can be found
#[utoipa::path(get, path = "/api/v1/diagnoses", tag = "findings",
    responses((status = 200, body = DiagnosisList)))]
pub async fn diagnoses() -> Json<DiagnosisList> {
    let diagnoses = DIAGNOSES
        .iter()
        .map(|d| DiagnosisView {
            code: d.code,
            title: d.title,
            severity: d.severity.name(),
            kind: d.kind(),
            explanation: d.explanation,
            known_from: d.threads().map(|(name, url)| ThreadView { name, url }).collect(),
            example: d.example,
        })
        .collect();
    Json(DiagnosisList { diagnoses })
}
