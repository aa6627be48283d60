//! The description of the API, made from the code.

use axum::Json;
use utoipa::OpenApi;

/// Everything under `/api`, and what operators read.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "wasm-tracer collector",
        description = "Timelines of proxy-wasm plugins, and what is wrong with them"
    ),
    paths(
        super::timelines::list,
        super::timelines::one,
        super::requests::one,
        super::findings::list,
        super::findings::diagnoses,
        super::live::live,
        super::traffic::traffic,
        super::jaeger::services,
        super::jaeger::operations_of,
        super::jaeger::operations,
        super::jaeger::find,
        super::jaeger::one,
        super::jaeger::dependencies,
        super::jaeger::v3::services,
        super::jaeger::v3::operations,
        super::operate::instances,
        super::operate::plugins,
        super::operate::healthz,
        super::operate::readyz,
        super::operate::metrics,
    )
)]
struct Description;

/// Where the description is: the one route of the API that it does not describe.
pub const PATH: &str = "/api/v1/openapi.json";

/// `GET /api/v1/openapi.json`
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{guarded, open};

    #[test]
    fn every_route_of_the_api_is_described_and_nothing_else() {
        let is_api = |path: &&str| {
            let operates = ["/metrics", "/healthz", "/readyz"].contains(path);
            *path != PATH && (path.starts_with("/api/") || operates)
        };
        let served = guarded().into_iter().chain(open()).map(|(path, _)| path);
        let mut served: Vec<_> = served.filter(is_api).collect();
        served.sort_unstable();
        let description = Description::openapi();
        let described: Vec<_> = description.paths.paths.keys().collect();
        assert_eq!(described, served);
        let json = serde_json::to_value(&description).expect("JSON");
        assert!(json["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
        refers_to_what_there_is(&json, &json);
    }

    /// Every `$ref` leads somewhere.
    fn refers_to_what_there_is(part: &serde_json::Value, whole: &serde_json::Value) {
        if let Some(place) = part.get("$ref").and_then(|place| place.as_str()) {
            let pointer = place.trim_start_matches('#');
            assert!(whole.pointer(pointer).is_some(), "{place} leads nowhere");
        }
        let parts: Vec<_> = match part {
            serde_json::Value::Object(fields) => fields.values().collect(),
            serde_json::Value::Array(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        for part in parts {
            refers_to_what_there_is(part, whole);
        }
    }
}
