//! The client of the scenarios: sends one request, keeps everything of the answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    path: String,
    body: Option<Vec<u8>>,
    patience: Duration,
}

impl Request {
    /// A GET, without a body.
    pub fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), body: None, patience: Duration::from_secs(20) }
    }

    /// A POST with a body.
    pub fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::get(path) }
    }

    /// After how long the client gives up; 20 s when not said.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

/// What the client got.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request's id, as sent in `x-request-id`.
    pub request_id: String,
    /// Status; 0 when the client gave up or the connection ended without an answer.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body as text.
    pub body: String,
    /// From sending to the whole answer.
    pub took: Duration,
}

impl Answer {
    /// What must be the same with the original and the instrumented plugin: status, headers but for
    /// those that differ from answer to answer, body.
    pub fn comparable(&self) -> (u16, BTreeMap<String, String>, String) {
        let mut headers = self.headers.clone();
        for varying in ["date", "x-request-id", "x-envoy-upstream-service-time"] {
            headers.remove(varying);
        }
        (self.status, headers, self.body.clone())
    }
}

/// Sends `request` to a listener.
pub(crate) fn send(port: u16, request: &Request, request_id: &str) -> anyhow::Result<Answer> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(request.patience))
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let url = format!("http://127.0.0.1:{port}{}", request.path);
    let start = Instant::now();
    let sent = match &request.body {
        Some(body) => agent
            .post(&url)
            .header("x-request-id", request_id)
            .header("content-type", "text/plain")
            .send(&body[..]),
        None => agent.get(&url).header("x-request-id", request_id).call(),
    };
    let mut answer = Answer {
        request_id: request_id.to_owned(),
        status: 0,
        headers: BTreeMap::new(),
        body: String::new(),
        took: start.elapsed(),
    };
    let Ok(mut response) = sent else { return Ok(answer) };
    answer.status = response.status().as_u16();
    for (name, value) in response.headers() {
        answer.headers.insert(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into());
    }
    answer.body = response.body_mut().read_to_string().context("the body could not be read")?;
    answer.took = start.elapsed();
    Ok(answer)
}
