//! The description of the API, made from the code.

use axum::Json;
use utoipa::OpenApi;

/// Everything under `/api/v1`, and what operators read.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "wasm-tracer collector",
        description = "Timelines of proxy-wasm plugins, and what is wrong with them"
    ),
    paths(
        super::timelines::list,
        super::timelines::one,
        super::findings::list,
        super::findings::diagnoses,
        super::live::live,
        super::operate::instances,
        super::operate::plugins,
        super::operate::healthz,
        super::operate::readyz,
        super::operate::metrics,
    )
)]
struct Description;

/// `GET /api/v1/openapi.json`
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}
