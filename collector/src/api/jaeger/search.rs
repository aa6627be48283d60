//! What is searched for: the parameters of `/api/traces`, and whether spans are it.

use std::collections::BTreeMap;

use timeline::ids::TimelineId;
use timeline::trace::TraceId;
use utoipa::IntoParams;

use super::view;
use crate::api::{Problem, duration};
use crate::clock::wall_millis;
use crate::export::{Attributes, Named, Naming, Span, Spans};
use crate::store::{Cursor, Query};

/// Any service: what is no plugin's name.
const ANY: &str = "*";
/// Traces in one answer, unless told, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1_500;
/// How far back it looks, unless told.
const LOOKBACK_MICROS: i64 = 48 * 3_600 * 1_000_000;

/// Short names for tags that people type.
const ALIASES: [(&str, &str); 5] = [
    ("plugin", "proxy_wasm.plugin.name"),
    ("finding", "proxy_wasm.diagnosis"),
    ("diagnosis", "proxy_wasm.diagnosis"),
    ("severity", "proxy_wasm.severity"),
    ("request_id", "guid:x-request-id"),
];

/// The parameters as Jaeger's UI and Grafana send them. Others are let pass.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, since some come more than once")]
pub struct Parameters {
    /// A service's name; absent or `*`: any.
    service: Option<String>,
    /// Name of a span.
    operation: Option<String>,
    /// A JSON object of strings: tags, process tags and log fields of one span. `plugin`, `finding`,
    /// `severity` and `request_id` are short for ours.
    tags: Option<String>,
    /// The same as `name:value`; may come more than once.
    tag: Option<String>,
    /// Microseconds since 1970; default: 48 hours before the end.
    start: Option<i64>,
    /// Microseconds since 1970; default: now.
    end: Option<i64>,
    /// Before the end, where there is no start: like `1h`.
    lookback: Option<String>,
    /// Of one span, like `1.5s` or `300ms`.
    #[param(rename = "minDuration")]
    min_duration: Option<String>,
    /// Of one span.
    #[param(rename = "maxDuration")]
    max_duration: Option<String>,
    /// Traces, at most; default 100.
    limit: Option<usize>,
    /// Ids of traces, or of timelines; may come more than once. Nothing else counts then.
    #[param(rename = "traceID")]
    trace_id: Option<String>,
}

/// What is searched for.
#[derive(Debug, PartialEq)]
pub struct Search {
    /// None: any.
    pub service: Option<String>,
    operation: Option<String>,
    tags: BTreeMap<String, String>,
    start_micros: i64,
    end_micros: i64,
    min_nanos: Option<u64>,
    max_nanos: Option<u64>,
    /// Traces, at most.
    pub limit: usize,
    /// These and no others.
    pub traces: Vec<TraceId>,
}

impl Search {
    /// Reads parameters; an empty one is as none.
    pub fn read(pairs: &[(String, String)]) -> Result<Search, Problem> {
        let all = |name: &'static str| {
            let of_name = pairs.iter().filter(move |(key, value)| key == name && !value.is_empty());
            of_name.map(|(_, value)| value.as_str())
        };
        let one = |name| all(name).next();
        let end = one("end").map(|text| micros("end", text)).transpose()?;
        let end_micros = end.unwrap_or_else(|| wall_millis().saturating_mul(1_000));
        let start = one("start").map(|text| micros("start", text)).transpose()?;
        let lookback = one("lookback").map(|text| nanos("lookback", text)).transpose();
        let lookback = match (start, lookback) {
            (None, Ok(Some(nanos))) => i64::try_from(nanos / 1_000).unwrap_or(i64::MAX),
            // Jaeger's UI says "custom" where it gives a start.
            (Some(_), _) | (None, Ok(None)) => LOOKBACK_MICROS,
            (None, Err(problem)) => return Err(problem),
        };
        let search = Search {
            service: one("service").filter(|service| *service != ANY).map(str::to_owned),
            operation: one("operation").map(str::to_owned),
            tags: tags(all("tags"), all("tag"))?,
            start_micros: start.unwrap_or_else(|| end_micros.saturating_sub(lookback)),
            end_micros,
            min_nanos: one("minDuration").map(|text| nanos("minDuration", text)).transpose()?,
            max_nanos: one("maxDuration").map(|text| nanos("maxDuration", text)).transpose()?,
            limit: one("limit").map(limit).transpose()?.unwrap_or(LIMIT).min(MOST),
            traces: all("traceID").map(trace_id).collect::<Result<_, _>>()?,
        };
        match (search.min_nanos, search.max_nanos) {
            (Some(min), Some(max)) if max < min => Err(Problem::BadParameter(
                "maxDuration must not be less than minDuration".to_owned(),
            )),
            _ => Ok(search),
        }
    }

    /// What the store can tell apart; the rest is told by [`Search::finds`]. None: there can be none.
    pub fn query(&self, naming: &Naming) -> Option<Query> {
        let plugin = match &self.service {
            Some(service) => naming.plugin_of(service)?,
            None => None,
        };
        let named = match &self.operation {
            Some(name) => Named::read(name)?,
            None => Named::default(),
        };
        let tag = |name: &str| self.tags.get(name).cloned();
        let plugin = plugin.or_else(|| tag("proxy_wasm.plugin.name"));
        if plugin.as_deref().zip(named.plugin).is_some_and(|(asked, named)| asked != named) {
            return None;
        }
        let has_finding = |name: &&str| self.tags.contains_key(*name);
        Some(Query {
            plugin: plugin.or_else(|| named.plugin.map(str::to_owned)),
            deed: named.deed.map(str::to_owned),
            finding: tag("proxy_wasm.diagnosis"),
            found: ["proxy_wasm.diagnosis", "proxy_wasm.severity"].iter().any(has_finding),
            request_id: tag("guid:x-request-id"),
            longest_micros: self.min_nanos.map(|nanos| nanos / 1_000),
            begun_nanos: Some(self.start_micros.saturating_mul(1_000)),
            ..Query::default()
        })
    }

    /// Where a list of what began before the end begins.
    pub fn first(&self) -> Cursor {
        Cursor {
            started: self.end_micros.saturating_mul(1_000).saturating_add(999),
            id: TimelineId([0xff; 16]),
        }
    }

    /// Is there a span of which all holds? What Jaeger's own stores ask.
    pub fn finds(&self, spans: &Spans) -> bool {
        self.service.as_ref().is_none_or(|service| *service == spans.resource.service)
            && spans.spans.iter().any(|span| self.is_it(spans, span))
    }

    fn is_it(&self, spans: &Spans, span: &Span) -> bool {
        let took = span.end_nanos.saturating_sub(span.begin_nanos);
        self.operation.as_ref().is_none_or(|name| *name == span.name)
            && self.min_nanos.is_none_or(|min| took >= min)
            && self.max_nanos.is_none_or(|max| took <= max)
            && (self.tags.is_empty() || self.has_all_tags(spans, span))
    }

    fn has_all_tags(&self, spans: &Spans, span: &Span) -> bool {
        let own = [&span.attributes, &view::implied(span), &spans.resource.attributes];
        self.tags.iter().all(|(name, value)| has(own, span, name, value))
    }
}

fn has(own: [&Attributes; 3], span: &Span, name: &str, value: &str) -> bool {
    let fields = span.events.iter().map(|event| &event.attributes);
    let is_event = name == "event" && span.events.iter().any(|event| event.name == value);
    let of_name = |a: &&Attributes| a.get(name).is_some_and(|known| known.to_string() == value);
    is_event || own.into_iter().chain(fields).any(|a| of_name(&a))
}

/// Reads the id of a trace.
pub fn trace_id(text: &str) -> Result<TraceId, Problem> {
    text.parse().map_err(|()| {
        Problem::BadParameter(format!("a trace id must be up to 32 hex digits, not {text:?}"))
    })
}

fn tags<'a>(
    objects: impl Iterator<Item = &'a str>,
    pairs: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut tags = BTreeMap::new();
    for pair in pairs {
        let (name, value) = pair.split_once(':').ok_or_else(|| {
            Problem::BadParameter(format!("tag must be name:value, not {pair:?}"))
        })?;
        tags.insert(name.to_owned(), value.to_owned());
    }
    for object in objects {
        let more: BTreeMap<String, String> = serde_json::from_str(object).map_err(|error| {
            Problem::BadParameter(format!("tags must be a JSON object of strings: {error}"))
        })?;
        tags.extend(more);
    }
    let whole = |(name, value): (String, String)| {
        let alias = ALIASES.iter().find(|(short, _)| *short == name);
        (alias.map_or(name, |(_, long)| (*long).to_owned()), value)
    };
    Ok(tags.into_iter().map(whole).collect())
}

fn micros(name: &str, text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| {
        Problem::BadParameter(format!("{name} must be microseconds since 1970, not {text:?}"))
    })
}

fn limit(text: &str) -> Result<usize, Problem> {
    text.parse().map_err(|_| Problem::BadParameter(format!("limit must be a number, not {text:?}")))
}

fn nanos(name: &str, text: &str) -> Result<u64, Problem> {
    duration::nanos(text).ok_or_else(|| {
        Problem::BadParameter(format!("{name} must be a duration like 1.5s or 300ms, not {text:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Search, Problem> {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Search::read(&pairs)
    }

    #[test]
    fn what_grafana_and_jaegers_ui_send_is_read() {
        let search = read(&[
            ("service", "ext-auth"),
            ("operation", ""),
            ("tags", r#"{"error":"true","plugin":"ext-auth"}"#),
            ("minDuration", "100us"),
            ("start", "1000"),
            ("end", "2000"),
            ("lookback", "custom"),
            ("limit", "20"),
        ])
        .expect("read");
        assert_eq!(search.service.as_deref(), Some("ext-auth"));
        assert_eq!(search.operation, None);
        assert_eq!(search.tags["proxy_wasm.plugin.name"], "ext-auth");
        assert_eq!((search.start_micros, search.end_micros), (1000, 2000));
        assert_eq!(search.min_nanos, Some(100_000));
        assert_eq!(search.limit, 20);
        let search = read(&[("end", "7200000000"), ("lookback", "1h"), ("service", "*")]);
        assert_eq!(search.as_ref().map(|s| s.start_micros).ok(), Some(3_600_000_000));
        assert_eq!(search.expect("read").service, None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (name, value) in [
            ("start", "now"),
            ("tags", "error=true"),
            ("tag", "error"),
            ("limit", "-1"),
            ("traceID", "xyz"),
            ("minDuration", "5"),
            ("lookback", "long"),
        ] {
            match read(&[(name, value)]) {
                Err(Problem::BadParameter(sentence)) => assert!(!sentence.is_empty()),
                other => panic!("{name}={value}: {other:?}"),
            }
        }
        assert!(read(&[("minDuration", "2s"), ("maxDuration", "1s")]).is_err());
    }
}
