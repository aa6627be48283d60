//! How a plugin made for Higress behaves otherwise on stock Envoy, once it loads there. Only what can be
//! told from the module; host-semantics §1.1, §1.3, §2.2 have the sources.

use abi::{AbiVersion, Callback, Host, Hostcall, Origin};

use crate::module::Module;
use crate::plan::Plan;

/// A sentence for each difference; none for a plugin that stock Envoy takes as it is.
pub(crate) fn from_higress(module: &Module<'_>, plan: &Plan) -> Vec<String> {
    let stubbed = plan.stubbed(module);
    if plan.host != Host::Envoy || (plan.abi != AbiVersion::V0_2_100 && stubbed.is_empty()) {
        return Vec::new();
    }
    let mut sentences = Vec::new();
    let exports = |callback: Callback| plan.exported_callbacks.contains(&callback);
    let imports = |hostcall| plan.imports.iter().any(|import| import.hostcall == Some(hostcall));
    if plan.abi == AbiVersion::V0_2_100 {
        sentences.extend(headers_held(exports));
    }
    if stubbed.iter().any(|name| name.starts_with("proxy_redis_")) {
        let unanswered = if exports(Callback::RedisCallResponse) {
            ", so proxy_on_redis_call_response never comes"
        } else {
            ""
        };
        sentences.push(format!("redis: no connection is made and no call starts{unanswered}"));
    }
    for name in stubbed {
        let row = Hostcall::from_import("env", name).map(Hostcall::row);
        if let Some(row) = row.filter(|row| !row.import.starts_with("proxy_redis_")) {
            debug_assert!(row.origin == Origin::Higress);
            sentences.push(format!("{}: nothing happens", row.name));
        }
    }
    if imports(Hostcall::CallForeignFunction) {
        sentences.push(
            "foreign functions of Higress (inject_encoded_data_to_filter_chain, get_log_level, \
             set_global_max_requests_per_io_cycle) answer 1, NotFound"
                .to_owned(),
        );
    }
    if imports(Hostcall::SetProperty) {
        sentences.push(
            "properties by which Higress is told something (clear_route_cache, \
             set_decoder_buffer_limit, set_encoder_buffer_limit, trace_span_tag.*, \
             wasm_need_rebuild) are set and have no effect"
                .to_owned(),
        );
    }
    sentences.push(
        "a VM that trapped: Higress starts a new one; stock Envoy does so with failure_policy \
         FAIL_RELOAD only (1.33 and later)"
            .to_owned(),
    );
    sentences
}

/// Number 1 from a headers phase.
fn headers_held(exports: impl Fn(Callback) -> bool) -> Option<String> {
    let phases: Vec<&str> = [Callback::RequestHeaders, Callback::ResponseHeaders]
        .into_iter()
        .filter(|phase| exports(*phase))
        .map(|phase| phase.row().name)
        .collect();
    (!phases.is_empty()).then(|| {
        format!(
            "1 (HeaderStopIteration, ActionPause) from {}: Higress holds the headers and goes on to the \
             body phase; stock Envoy holds everything until continue_stream, unless the filter is \
             configured with allow_on_headers_stop_iteration: true (1.35 and later)",
            phases.join(" or ")
        )
    })
}
