//! A trace backend under the test's command.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use collector::Protocol;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::runtime::Runtime;
use tonic::{Request, Response, Status};

/// What it does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes it.
    Takes,
    /// It will never take it.
    Refuses,
    /// It asks to come again, once.
    BusyOnce,
}

#[derive(Clone)]
struct Desk {
    mood: Arc<Mutex<Mood>>,
    taken: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

/// A backend on a free port, until it is dropped.
pub struct Backend {
    pub protocol: Protocol,
    address: SocketAddr,
    desk: Desk,
    _runtime: Runtime,
}

impl Desk {
    fn take(&self, request: ExportTraceServiceRequest) -> Mood {
        let mut mood = self.mood.lock().expect("a mood");
        let now = *mood;
        match now {
            Mood::Takes => self.taken.lock().expect("a list").push(request),
            Mood::BusyOnce => *mood = Mood::Takes,
            Mood::Refuses => {}
        }
        now
    }
}

async fn over_http(State(desk): State<Desk>, body: Bytes) -> (StatusCode, Vec<u8>) {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return (StatusCode::BAD_REQUEST, Vec::new());
    };
    let status = match desk.take(request) {
        Mood::Takes => StatusCode::OK,
        Mood::Refuses => StatusCode::BAD_REQUEST,
        Mood::BusyOnce => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, ExportTraceServiceResponse::default().encode_to_vec())
}

#[tonic::async_trait]
impl TraceService for Desk {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        match self.take(request.into_inner()) {
            Mood::Takes => Ok(Response::new(ExportTraceServiceResponse::default())),
            Mood::Refuses => Err(Status::invalid_argument("no")),
            Mood::BusyOnce => Err(Status::unavailable("later")),
        }
    }
}

impl Backend {
    pub fn http() -> Backend {
        Backend::start(Protocol::Http)
    }

    pub fn grpc() -> Backend {
        Backend::start(Protocol::Grpc)
    }

    fn start(protocol: Protocol) -> Backend {
        let desk = Desk { mood: Arc::new(Mutex::new(Mood::Takes)), taken: Arc::default() };
        let runtime = Runtime::new().expect("a runtime");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let _on = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        match protocol {
            Protocol::Http => {
                let app =
                    Router::new().route("/v1/traces", post(over_http)).with_state(desk.clone());
                runtime.spawn(async move { axum::serve(listener, app).await });
            }
            Protocol::Grpc => {
                let service = TraceServiceServer::new(desk.clone());
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                let server = tonic::transport::Server::builder().add_service(service);
                runtime.spawn(server.serve_with_incoming(incoming));
            }
        }
        drop(_on);
        Backend { protocol, address, desk, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn be(&self, mood: Mood) {
        *self.desk.mood.lock().expect("a mood") = mood;
    }

    /// All spans taken, with their services.
    pub fn spans(&self) -> Vec<(String, Span)> {
        let mut spans = Vec::new();
        for request in self.desk.taken.lock().expect("a list").iter() {
            for resource in &request.resource_spans {
                let attributes = resource.resource.as_ref().map(|r| r.attributes.clone());
                let service = text(&attributes.unwrap_or_default(), "service.name");
                for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                    spans.push((service.clone().expect("a service"), span.clone()));
                }
            }
        }
        spans
    }
}

/// The text of an attribute.
pub fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}
