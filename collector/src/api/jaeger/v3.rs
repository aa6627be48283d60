//! What Jaeger's UI since 2.15, and Grafana with its toggle `jaegerEnableGrpcEndpoint`, ask of `/api/v3`
//! before a search: names of services and of operations. Traces they get from the older paths, or not at all.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query as Parameters, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::OperationView;
use super::{Pairs, Refusal};
use crate::api::Api;

/// Names of services.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServicesView {
    /// In alphabetical order.
    pub services: Vec<String>,
}

/// Names and kinds of spans.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperationsView {
    /// In alphabetical order.
    pub operations: Vec<OperationView>,
}

/// Names of services, as newer UIs of Jaeger ask for them
#[utoipa::path(get, path = "/api/v3/services", tag = "jaeger",
    responses((status = 200, body = ServicesView)))]
pub async fn services(State(api): State<Arc<Api>>) -> Result<Json<ServicesView>, Refusal> {
    Ok(Json(ServicesView { services: api.services().await?.into_iter().collect() }))
}

/// Names and kinds of a service's spans, as newer UIs of Jaeger ask for them
#[utoipa::path(get, path = "/api/v3/operations", tag = "jaeger",
    params(("service" = String, Query), ("span_kind" = Option<String>, Query)),
    responses((status = 200, body = OperationsView), (status = 400)))]
pub async fn operations(
    State(api): State<Arc<Api>>,
    pairs: Pairs,
) -> Result<Json<OperationsView>, Refusal> {
    let Parameters(pairs) = pairs?;
    Ok(Json(OperationsView { operations: api.operations_asked(&pairs, "span_kind").await? }))
}
