//! Reads from a collector over HTTP.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::Response;

/// What comes from a stream of events.
pub enum Event<'a> {
    /// The collector is there.
    Alive,
    /// Name and `data` of an event.
    Named(&'a str, &'a str),
}

/// The collector cannot be reached, or not any more: that may pass.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// Where the collector is.
#[derive(Clone, clap::Args)]
pub struct Client {
    /// Address of the collector
    #[arg(
        long = "collector",
        value_name = "URL",
        env = "WASM_TRACER_URL",
        default_value = "http://127.0.0.1:4000",
        value_parser = with_scheme
    )]
    url: String,
    /// Token for reading, where the collector demands one
    #[arg(long, env = "WASM_TRACER_READ_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// An address as `--listen` takes it is meant as a URL.
pub fn with_scheme(text: &str) -> std::result::Result<String, std::convert::Infallible> {
    Ok(if text.contains("://") { text.to_owned() } else { format!("http://{text}") })
}

/// Nobody is there.
pub fn no_answer(url: &str, error: ureq::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(NoAnswer(format!(
        "no collector answers at {url}; start one with `wasm-tracer collector`, or name another with \
         --collector"
    )))
}

impl Client {
    /// The collector's address without a slash at its end.
    pub fn url(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// A JSON answer, or None where the collector knows no such thing.
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let Some(mut response) = self.get(path, Some(Duration::from_secs(30)))? else {
            return Ok(None);
        };
        let text = self.read(&mut response)?;
        let value = serde_json::from_str(&text).with_context(|| {
            format!("{}{path} is not what this version of wasm-tracer expects", self.url())
        })?;
        Ok(Some(value))
    }

    /// A text answer, or None where the collector knows no such thing.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        match self.get(path, Some(Duration::from_secs(30)))? {
            Some(mut response) => Ok(Some(self.read(&mut response)?)),
            None => Ok(None),
        }
    }

    /// Asks a path that answers 200, or 503 with a sentence about what is wrong; in time for a probe.
    pub fn probe(&self, path: &str) -> Result<()> {
        match self.get(path, Some(Duration::from_secs(4)))? {
            Some(_) => Ok(()),
            None => bail!("{}{path} does not exist: is this a collector?", self.url()),
        }
    }

    /// Gives each server-sent event until the collector ends the stream or `each` says no; why it ended.
    pub fn events(&self, path: &str, mut each: impl FnMut(Event<'_>) -> bool) -> anyhow::Error {
        let response = match self.get(path, None) {
            Ok(Some(response)) => response,
            Ok(None) => {
                return anyhow!("{}{path} does not exist: is this a collector?", self.url());
            }
            Err(error) => return error,
        };
        let mut goes_on = each(Event::Alive);
        let (mut event, mut data) = (String::new(), String::new());
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let Ok(line) = line else { break };
            match line.split_once(':') {
                Some(("event", value)) => event = value.trim().to_owned(),
                Some(("data", value)) => data.push_str(value.strip_prefix(' ').unwrap_or(value)),
                None if line.is_empty() => {
                    if !data.is_empty() {
                        goes_on &= each(Event::Named(&event, &data));
                    }
                    event.clear();
                    data.clear();
                }
                Some(("", _)) => goes_on &= each(Event::Alive),
                _ => {}
            }
            if !goes_on {
                break;
            }
        }
        NoAnswer(format!("the collector at {} ended the stream", self.url())).into()
    }

    /// The whole body. One that breaks off is no answer; one that is too large is no better the next time.
    fn read(&self, response: &mut Response<ureq::Body>) -> Result<String> {
        response.body_mut().read_to_string().map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => error.into(),
            _ => anyhow::Error::new(error)
                .context(NoAnswer(format!("the collector at {} broke off its answer", self.url()))),
        })
    }

    fn get(&self, path: &str, timeout: Option<Duration>) -> Result<Option<Response<ureq::Body>>> {
        let agent: Agent = Agent::config_builder()
            .timeout_global(timeout)
            .http_status_as_error(false)
            .build()
            .into();
        let mut request = agent.get(format!("{}{path}", self.url()));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(|error| no_answer(self.url(), error))?;
        match response.status().as_u16() {
            200..=299 => Ok(Some(response)),
            404 => Ok(None),
            401 | 403 if self.token.is_some() => {
                bail!("the collector at {} does not admit this --token for reading", self.url())
            }
            401 | 403 => {
                bail!("the collector at {} demands a token for reading: give --token", self.url())
            }
            status => {
                let said = response.body_mut().read_to_string().unwrap_or_default();
                let said = format!("{} answered {status}: {}", self.url(), said.trim());
                // What the collector cannot do now it may do in a moment.
                Err(if status >= 500 { NoAnswer(said).into() } else { anyhow!(said) })
            }
        }
    }
}
