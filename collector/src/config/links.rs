//! Where else people look: Grafana and Jaeger, for the links of the pages.

use axum::http::Uri;
use timeline::Timeline;
use timeline::trace::TraceId;

use super::{BadSettings, Settings};

/// Base URLs, without a slash at their end.
#[derive(Clone, Debug, Default)]
pub struct Links {
    grafana: Option<String>,
    jaeger: Option<String>,
}

/// The dashboards of `dashboards/`, by their uids.
const PLUGIN: &str = "wasm-tracer-plugin";
const REQUEST: &str = "wasm-tracer-request";

impl Links {
    /// From settings.
    pub fn of(settings: &Settings) -> Result<Links, BadSettings> {
        Ok(Links {
            grafana: base("--grafana-url", settings.grafana_url.as_deref())?,
            jaeger: base("--jaeger-url", settings.jaeger_url.as_deref())?,
        })
    }

    /// The dashboard of one request, with a timeline's trace.
    pub fn grafana(&self, timeline: &Timeline) -> Option<String> {
        let base = self.grafana.as_ref()?;
        Some(format!("{base}/d/{REQUEST}?var-trace={}", TraceId::of(timeline)))
    }

    /// The dashboard of a plugin. `name`: encoded.
    pub fn grafana_of_plugin(&self, name: &str) -> Option<String> {
        let base = self.grafana.as_ref()?;
        Some(format!("{base}/d/{PLUGIN}?var-plugin={name}"))
    }

    /// A timeline's trace in Jaeger.
    pub fn jaeger(&self, timeline: &Timeline) -> Option<String> {
        let base = self.jaeger.as_ref()?;
        Some(format!("{base}/trace/{}", TraceId::of(timeline)))
    }
}

fn base(name: &'static str, url: Option<&str>) -> Result<Option<String>, BadSettings> {
    let Some(url) = url.filter(|url| !url.is_empty()) else { return Ok(None) };
    let is_base = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
    });
    match is_base && !url.contains('#') {
        true => Ok(Some(url.trim_end_matches('/').to_owned())),
        false => Err(BadSettings::BadBase { name, value: url.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use timeline::ids::{ContextId, InstanceId};

    use super::*;

    fn links(grafana: &str, jaeger: &str) -> Result<Links, BadSettings> {
        Links::of(&Settings {
            grafana_url: Some(grafana.to_owned()),
            jaeger_url: Some(jaeger.to_owned()),
            ..Settings::default()
        })
    }

    #[test]
    fn links_lead_to_the_trace_of_a_timeline() {
        let links = links("https://grafana.example/sub/", "http://[::1]:16686").expect("links");
        let mut timeline = Timeline::new(InstanceId([1; 16]), ContextId(2), 0);
        let (id, trace) = (timeline.id, "4bf92f3577b34da6a3ce929d0e0e4736");
        let own = format!("https://grafana.example/sub/d/wasm-tracer-request?var-trace={id}");
        assert_eq!(links.grafana(&timeline), Some(own));
        timeline.stream.traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(links.jaeger(&timeline), Some(format!("http://[::1]:16686/trace/{trace}")));
        let plugin = "https://grafana.example/sub/d/wasm-tracer-plugin?var-plugin=a%26b";
        assert_eq!(links.grafana_of_plugin("a%26b").as_deref(), Some(plugin));
        assert_eq!(Links::default().grafana(&timeline), None);
    }

    #[test]
    fn what_is_no_base_is_refused_and_nothing_is_none() {
        assert!(links("", "").is_ok_and(|links| links.grafana.is_none()));
        for bad in
            ["grafana:3000", "javascript:alert(1)", "http://x/?y=1", "http://x/#y", "//x", "/"]
        {
            let told = links(bad, "").expect_err(bad).to_string();
            assert!(told.starts_with("--grafana-url must be"), "{told}");
            assert!(links("", bad).is_err(), "{bad}");
        }
    }
}
