//! How a trace backend is reached, with TLS or without, and what went wrong on the way: the exporter over
//! HTTP says "network error" of everything.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tonic::transport::Endpoint;

use crate::config::{Otlp, Protocol};

/// A backend, and whether it takes what it gets.
pub struct Backend {
    exporter: SpanExporter,
    trouble: Trouble,
    is_failing: bool,
}

impl Backend {
    /// To be called on a runtime; nothing is connected yet.
    pub fn new(backend: &Otlp) -> Result<Backend, ExporterBuildError> {
        let trouble = Trouble::default();
        let exporter = exporter(backend, &trouble)?;
        Ok(Backend { exporter, trouble, is_failing: false })
    }

    /// What all that follows is of.
    pub fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }

    /// Sends spans. False: it did not take them, which is told when it begins. `what` these are, and
    /// what to call none of them.
    pub async fn export(&mut self, spans: Vec<SpanData>, what: (&str, &str)) -> bool {
        let (some, none) = what;
        match self.exporter.export(spans).await {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the trace backend takes {some} again");
                }
                true
            }
            Err(error) => {
                let cause = self.trouble.take();
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, cause, "the trace backend takes {none}; they are counted and dropped");
                }
                false
            }
        }
    }
}

/// Why the last request over HTTP had no answer.
#[derive(Clone, Debug, Default)]
struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// What it was, once.
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is(&self, error: &(dyn Error + 'static)) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain(error));
    }
}

/// An error with its causes, each once: some say their cause themselves.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    said
}

/// What sends spans to a backend.
fn exporter(backend: &Otlp, trouble: &Trouble) -> Result<SpanExporter, ExporterBuildError> {
    let retry = RetryPolicy::recommended();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config((*backend.tls).clone()).https_or_http();
    match backend.protocol {
        Protocol::Http => {
            let connector = connector.enable_http1().build();
            let client = HyperClient::new(connector, backend.timeout, None);
            SpanExporter::builder()
                .with_http()
                .with_http_client(Client { client, trouble: trouble.clone() })
                .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
                .with_endpoint(backend.endpoint.to_string())
                .with_timeout(backend.timeout)
                .with_retry_policy(retry)
                .build()
        }
        Protocol::Grpc => {
            let channel = Endpoint::from(backend.endpoint.clone())
                .timeout(backend.timeout)
                .connect_with_connector_lazy(connector.enable_http2().build());
            SpanExporter::builder()
                .with_tonic()
                .with_channel(channel)
                .with_timeout(backend.timeout)
                .with_retry_policy(retry)
                .build()
        }
    }
}

/// Remembers why there was no answer.
#[derive(Debug)]
struct Client {
    client: HyperClient<HttpsConnector<HttpConnector>>,
    trouble: Trouble,
}

#[tonic::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.client.send_bytes(request).await;
        if let Err(error) = &answer {
            self.trouble.is(error.as_ref());
        }
        answer
    }
}
