//! Names of spans: a plugin has few, and each says what its timeline must have.

use abi::{Callback, Hostcall};
use timeline::timeline::Timeline;

const STREAM: &str = "stream";
const ROOT: &str = "root";
const ERRAND: &str = "errand";
/// Before the name of a callback.
const ON: &str = "on_";
/// In place of a plugin's name.
const UNKNOWN: &str = "unknown";

/// The name of a stream's span.
pub fn of_stream(timeline: &Timeline) -> String {
    let plugin = Some(timeline.root.plugin.as_str()).filter(|name| !name.is_empty());
    let what = match () {
        () if timeline.is_errand() => ERRAND,
        () if timeline.is_root() => ROOT,
        () => STREAM,
    };
    format!("{} {what}", plugin.unwrap_or(UNKNOWN))
}

/// The name of an invocation's span.
pub fn of_invocation(callback: Callback) -> String {
    format!("{ON}{}", callback.row().name)
}

/// What the timeline of a span with some name must have; what is not set does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// It is this plugin's.
    pub plugin: Option<&'a str>,
    /// The callback of this name, or the call.
    pub deed: Option<&'a str>,
}

impl Named<'_> {
    /// What a name says. None: it is no span's.
    pub fn read(name: &str) -> Option<Named<'_>> {
        if let Some(callback) = name.strip_prefix(ON)
            && Callback::from_name(callback).is_some()
        {
            return Some(Named { deed: Some(callback), ..Named::default() });
        }
        let hostcall = name.split_once(' ').and_then(|(hostcall, _)| Hostcall::from_name(hostcall));
        let is_call = hostcall.is_some_and(Hostcall::is_dispatch);
        let mut whats = [STREAM, ROOT, ERRAND].into_iter();
        let plugin = whats.find_map(|what| name.strip_suffix(what)?.strip_suffix(' '));
        match plugin {
            None if is_call => Some(Named { deed: Some(name), ..Named::default() }),
            None => None,
            // A cluster's name may end so, and a plugin's begin so; and a plugin may be called unknown.
            Some(plugin) if is_call || plugin == UNKNOWN => Some(Named::default()),
            Some(_) => Some(Named { plugin, ..Named::default() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_its_timeline_must_have() {
        let of_plugin = |plugin| Some(Named { plugin: Some(plugin), deed: None });
        let deed = |deed| Some(Named { plugin: None, deed: Some(deed) });
        let unclear = Some(Named::default());
        for (name, says) in [
            ("auth stream", of_plugin("auth")),
            ("my auth root", of_plugin("my auth")),
            ("on_auth errand", of_plugin("on_auth")),
            ("on_request_headers", deed("request_headers")),
            ("on_nothing", None),
            ("http_call users", deed("http_call users")),
            ("redis_call outbound|6379||cache.svc", deed("redis_call outbound|6379||cache.svc")),
            ("http_call ", deed("http_call ")),
            ("http_call main stream", unclear),
            ("unknown stream", unclear),
            ("log users", None),
            ("http_call", None),
            ("stream", None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(Named::read(name), says, "{name:?}");
        }
    }
}
