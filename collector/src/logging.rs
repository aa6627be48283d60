//! What the process says of itself: lines on standard error, and, if asked for, spans to a trace backend.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::Config;
use crate::export::own::{self, OwnSpans};
use crate::running::StartError;

/// Says what is written to the log, as `tracing_subscriber`'s filters are written.
pub const VARIABLE: &str = "WASM_TRACER_COLLECTOR_LOG";

/// Starts the logging of the process. To be called on a runtime, once. What sends spans is answered.
pub fn start(config: &Config) -> Result<Option<OwnSpans>, StartError> {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| "info".into());
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(filter);
    let backend = config.otlp.as_ref().filter(|backend| backend.own_spans);
    let (tracer, sender) =
        backend.map(|backend| own::open(backend, &config.naming)).transpose()?.unzip();
    // Its own filter: where no spans are asked for, none are made, whatever the lines' filter says.
    let spans = tracer.map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|at| at.is_span() && at.target() == own::TARGET))
    });
    // A process that hosts the collector may have a log of its own.
    if tracing_subscriber::registry().with(spans).with(lines).try_init().is_err() {
        tracing::warn!(
            "this process has a log already: {VARIABLE} and --otlp-own-spans do nothing"
        );
        return Ok(None);
    }
    Ok(sender)
}
