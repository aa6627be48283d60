//! Deliveries on their way to a collector, as a recorder would send them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use timeline::delivery::Delivery;
use ureq::Agent;

use crate::client;

/// So long a collector that has too much to do, or cannot write, is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries, as the collector wishes it.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends to a collector.
pub struct Sender {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl Sender {
    /// To a collector's address.
    pub fn to(url: &str, token: Option<&str>) -> Sender {
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .build();
        let url = url.trim_end_matches('/').to_owned();
        Sender { agent: agent.into(), url, token: token.map(str::to_owned) }
    }

    /// The collector's address without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends until it is stored there.
    pub fn send(&self, delivery: &Delivery) -> Result<()> {
        let body = collector::decode::encode(delivery);
        let begun = Instant::now();
        loop {
            let (status, said) = self.post(&body)?;
            match status {
                200..=299 => return Ok(()),
                429 | 503 if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                401 | 403 if self.token.is_some() => {
                    bail!("the collector at {} does not admit this --token for batches", self.url)
                }
                401 | 403 => bail!(
                    "the collector at {} demands its ingest token: give it with --token",
                    self.url
                ),
                404 | 405 => bail!("{} takes no batches: is this a collector?", self.url),
                429 | 503 => bail!(
                    "the collector at {} takes nothing now: {said}; import the log again later, what has \
                     come is not stored twice",
                    self.url
                ),
                _ => bail!("the collector at {} refused what was read: {status} {said}", self.url),
            }
        }
    }

    fn post(&self, body: &[u8]) -> Result<(u16, String)> {
        let mut request = self
            .agent
            .post(format!("{}/v1/batches", self.url))
            .header("content-type", "application/x-protobuf");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response =
            request.send(body).map_err(|error| client::no_answer(&self.url, error))?;
        let said = response.body_mut().read_to_string().unwrap_or_default();
        Ok((response.status().as_u16(), said.trim().to_owned()))
    }
}
