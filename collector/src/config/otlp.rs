//! Which trace backend timelines are sent to, and which of them. What is not set here is taken from
//! OpenTelemetry's own variables.

use clap::ValueEnum;
use serde::Deserialize;

use super::BadSettings;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// Where spans are posted to, or called; whole.
    pub endpoint: String,
    /// How.
    pub protocol: Protocol,
    /// Which; never [`Sample::Off`].
    pub sample: Sample,
}

const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

impl Otlp {
    /// From settings and environment; None: nothing is sent.
    pub fn of(
        endpoint: Option<String>,
        protocol: Option<Protocol>,
        sample: Option<Sample>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Otlp>, BadSettings> {
        let given = |name: &str| environment(name).filter(|value| !value.is_empty());
        let is_off = sample == Some(Sample::Off)
            || given("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || given("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if is_off {
            return Ok(None);
        }
        let protocol = match (protocol, PROTOCOLS.iter().find_map(|n| Some((n, given(n)?)))) {
            (Some(protocol), _) => protocol,
            (None, Some((name, value))) => Protocol::from_str(&value, false)
                .map_err(|_| BadSettings::BadProtocol { name, value })?,
            (None, None) => Protocol::Http,
        };
        let path = if protocol == Protocol::Http { "/v1/traces" } else { "" };
        let whole = |base: String| format!("{}{path}", base.trim_end_matches('/'));
        let (name, value, endpoint) = match (endpoint, given(OF_TRACES), given(OF_ALL)) {
            (Some(base), ..) => ("--otlp-endpoint", base.clone(), whole(base)),
            (None, Some(endpoint), _) => (OF_TRACES, endpoint.clone(), endpoint),
            (None, None, Some(base)) => (OF_ALL, base.clone(), whole(base)),
            (None, None, None) if sample.is_some() => return Err(BadSettings::NoEndpoint),
            (None, None, None) => return Ok(None),
        };
        // gRPC's may come without a scheme.
        let endpoint = match protocol {
            Protocol::Grpc if !endpoint.contains("://") => format!("http://{endpoint}"),
            _ => endpoint,
        };
        let uri: Result<axum::http::Uri, _> = endpoint.parse();
        match uri {
            Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => match uri.scheme_str() {
                Some("http") => {}
                Some("https") => return Err(BadSettings::NoTls(name)),
                _ => return Err(BadSettings::BadEndpoint { name, value }),
            },
            _ => return Err(BadSettings::BadEndpoint { name, value }),
        }
        Ok(Some(Otlp { endpoint, protocol, sample: sample.unwrap_or(Sample::All) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(environment: &[(&str, &str)], sample: Option<Sample>) -> Result<Option<Otlp>, String> {
        let read = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned())
        };
        Otlp::of(None, None, sample, read).map_err(|error| error.to_string())
    }

    fn endpoint(environment: &[(&str, &str)]) -> String {
        of(environment, None).expect("it holds").expect("an endpoint").endpoint
    }

    #[test]
    fn nothing_is_sent_unless_there_is_where_to() {
        assert_eq!(of(&[], None), Ok(None));
        assert!(of(&[], Some(Sample::Suspicious)).expect_err("nowhere").contains(OF_ALL));
        let set = (OF_ALL, "http://otel:4318");
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(of(&[set, off], None), Ok(None));
        }
        assert_eq!(of(&[set], Some(Sample::Off)), Ok(None));
        let sample = |sample| of(&[set], sample).expect("it holds").expect("a backend").sample;
        assert_eq!(sample(None), Sample::All);
        assert_eq!(sample(Some(Sample::Suspicious)), Sample::Suspicious);
    }

    #[test]
    fn endpoints_are_what_the_specification_makes_of_the_variables() {
        assert_eq!(endpoint(&[(OF_ALL, "http://otel:4318/")]), "http://otel:4318/v1/traces");
        assert_eq!(endpoint(&[(OF_ALL, "http://otel/a")]), "http://otel/a/v1/traces");
        let both = [(OF_ALL, "http://otel:4318"), (OF_TRACES, "http://traces:1/x")];
        assert_eq!(endpoint(&both), "http://traces:1/x");
        let grpc = (PROTOCOLS[1], "grpc");
        assert_eq!(endpoint(&[(OF_ALL, "http://otel:4317"), grpc]), "http://otel:4317");
        assert_eq!(endpoint(&[(OF_ALL, "otel:4317"), grpc]), "http://otel:4317");
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused_with_its_name() {
        for (environment, part) in [
            (&[(OF_ALL, "https://otel:4318")][..], "https"),
            (&[(OF_ALL, "otel")], "not \"otel\""),
            (&[(OF_TRACES, "ftp://otel")], OF_TRACES),
            (&[(OF_ALL, "http://otel"), (PROTOCOLS[0], "http/json")], "http/json"),
        ] {
            let error = of(environment, None).expect_err("refused");
            assert!(error.contains(part), "{error}");
        }
    }
}
