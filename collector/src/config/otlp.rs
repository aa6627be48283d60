//! Which trace backend timelines are sent to, and which of them. What is not set here is taken from
//! OpenTelemetry's own variables.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use clap::ValueEnum;
use rustls::ClientConfig;
use serde::Deserialize;

use super::{BadSettings, Settings, tls};

/// How a trace backend is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
pub enum Protocol {
    /// OTLP over HTTP with protobuf
    #[value(name = "http/protobuf")]
    #[serde(rename = "http/protobuf")]
    Http,
    /// OTLP over gRPC
    #[value(name = "grpc")]
    #[serde(rename = "grpc")]
    Grpc,
}

/// Which closed timelines are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sample {
    /// None
    Off,
    /// Those with a finding worse than a note
    Suspicious,
    /// Those, and those whose request's own trace is kept
    Sampled,
    /// All
    All,
}

/// A trace backend.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Where spans are posted to, or called; whole.
    pub endpoint: Uri,
    /// How.
    pub protocol: Protocol,
    /// Which timelines. None are, and it is here for the collector's own spans: [`Sample::Off`].
    pub sample: Sample,
    /// Whether the collector's own spans go there.
    pub own_spans: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// Whom it is believed, should the endpoint speak TLS.
    pub tls: Arc<ClientConfig>,
}

const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const INSECURE: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"];
/// What the specification says of a request's time.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Otlp {
    /// From settings and environment; None: nothing is sent.
    pub fn of(
        settings: &Settings,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Otlp>, BadSettings> {
        let given = |name: &str| environment(name).filter(|value| !value.is_empty());
        let first = |names: [&'static str; 2]| names.into_iter().find_map(|n| Some((n, given(n)?)));
        let sample = settings.otlp_sample;
        let own_spans = settings.otlp_own_spans == Some(true);
        let is_off = (sample == Some(Sample::Off) && !own_spans)
            || given("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || given("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if is_off {
            return Ok(None);
        }
        let protocol = match (settings.otlp_protocol, first(PROTOCOLS)) {
            (Some(protocol), _) => protocol,
            (None, Some((name, value))) => Protocol::from_str(&value, false)
                .map_err(|_| BadSettings::BadProtocol { name, value })?,
            (None, None) => Protocol::Http,
        };
        let path = if protocol == Protocol::Http { "/v1/traces" } else { "" };
        let whole = |base: String| format!("{}{path}", base.trim_end_matches('/'));
        let set = settings.otlp_endpoint.clone();
        let (name, value, endpoint) = match (set, given(OF_TRACES), given(OF_ALL)) {
            (Some(base), ..) => ("--otlp-endpoint", base.clone(), whole(base)),
            (None, Some(endpoint), _) => (OF_TRACES, endpoint.clone(), endpoint),
            (None, None, Some(base)) => (OF_ALL, base.clone(), whole(base)),
            (None, None, None) if sample.is_some() || own_spans => {
                return Err(BadSettings::NoEndpoint);
            }
            (None, None, None) => return Ok(None),
        };
        // gRPC's may come without a scheme.
        let endpoint = match protocol {
            Protocol::Grpc if !endpoint.contains("://") => {
                let is_plain = first(INSECURE).is_some_and(|(_, v)| v.eq_ignore_ascii_case("true"));
                format!("{}://{endpoint}", if is_plain { "http" } else { "https" })
            }
            _ => endpoint,
        };
        let bad = || BadSettings::BadEndpoint { name, value };
        let endpoint: Uri = match endpoint.parse() {
            Ok(endpoint) => endpoint,
            Err(_) => return Err(bad()),
        };
        let tls = match (endpoint.host(), endpoint.scheme_str()) {
            (None | Some(""), _) => return Err(bad()),
            (_, Some("http")) => tls::unused()?,
            (_, Some("https")) => tls::of(settings, given)?,
            _ => return Err(bad()),
        };
        let timeout = match first(TIMEOUTS) {
            Some((name, value)) => Duration::from_millis(
                value.parse().map_err(|_| BadSettings::BadTimeout { name, value })?,
            ),
            None => TIMEOUT,
        };
        let sample = sample.unwrap_or(Sample::All);
        Ok(Some(Otlp { endpoint, protocol, sample, own_spans, timeout, tls }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(environment: &[(&str, &str)], sample: Option<Sample>) -> Result<Option<Otlp>, String> {
        let read = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned())
        };
        let settings = Settings { otlp_sample: sample, ..Settings::default() };
        Otlp::of(&settings, read).map_err(|error| error.to_string())
    }

    fn endpoint(environment: &[(&str, &str)]) -> String {
        of(environment, None).expect("it holds").expect("an endpoint").endpoint.to_string()
    }

    #[test]
    fn nothing_is_sent_unless_there_is_where_to() {
        let is_none = |is: Result<Option<Otlp>, String>| is.expect("it holds").is_none();
        assert!(is_none(of(&[], None)));
        assert!(of(&[], Some(Sample::Suspicious)).expect_err("nowhere").contains(OF_ALL));
        let set = (OF_ALL, "http://otel:4318");
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(is_none(of(&[set, off], None)));
        }
        assert!(is_none(of(&[set], Some(Sample::Off))));
        let sample = |sample| of(&[set], sample).expect("it holds").expect("a backend").sample;
        assert_eq!(sample(None), Sample::All);
        let own = |sample| {
            let settings = Settings {
                otlp_own_spans: Some(true),
                otlp_sample: sample,
                otlp_endpoint: Some("http://otel".to_owned()),
                ..Settings::default()
            };
            Otlp::of(&settings, |_| None).expect("it holds").expect("a backend")
        };
        assert!(own(None).own_spans && own(None).sample == Sample::All);
        let without_timelines = own(Some(Sample::Off));
        assert!(without_timelines.own_spans && without_timelines.sample == Sample::Off);
        assert_eq!(sample(Some(Sample::Suspicious)), Sample::Suspicious);
    }

    #[test]
    fn endpoints_are_what_the_specification_makes_of_the_variables() {
        assert_eq!(endpoint(&[(OF_ALL, "http://otel:4318/")]), "http://otel:4318/v1/traces");
        assert_eq!(endpoint(&[(OF_ALL, "http://otel/a")]), "http://otel/a/v1/traces");
        let both = [(OF_ALL, "http://otel:4318"), (OF_TRACES, "http://traces:1/x")];
        assert_eq!(endpoint(&both), "http://traces:1/x");
        let grpc = (PROTOCOLS[1], "grpc");
        assert_eq!(endpoint(&[(OF_ALL, "http://otel:4317"), grpc]), "http://otel:4317/");
        assert_eq!(endpoint(&[(OF_ALL, "otel:4317"), grpc]), "https://otel:4317/");
        let plain = (INSECURE[1], "true");
        assert_eq!(endpoint(&[(OF_ALL, "otel:4317"), grpc, plain]), "http://otel:4317/");
        assert_eq!(endpoint(&[(OF_ALL, "https://otel:4317"), grpc, plain]), "https://otel:4317/");
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused_with_its_name() {
        for (environment, part) in [
            (&[(OF_ALL, "otel")][..], "not \"otel\""),
            (&[(OF_ALL, "http://otel"), (TIMEOUTS[1], "10s")], "milliseconds"),
            (&[(OF_TRACES, "ftp://otel")], OF_TRACES),
            (&[(OF_ALL, "http://otel"), (PROTOCOLS[0], "http/json")], "http/json"),
        ] {
            let error = of(environment, None).expect_err("refused");
            assert!(error.contains(part), "{error}");
        }
    }
}
