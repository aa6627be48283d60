//! One plugin of the field, or a chain of them, with the configuration and the requests that make it
//! work, and what must be seen then.

use serde_json::Value;

use crate::Request;

/// A plugin (or chain) at work.
#[derive(Clone, Debug)]
pub struct Case {
    pub(super) name: String,
    /// File names without their end, each with its configuration, in the order of the chain.
    pub(super) chain: Vec<(String, Value)>,
    pub(super) routed_by_header: bool,
    pub(super) exchanges: Vec<Exchange>,
    /// Keys of JSON whose values are times, and headers that are different each time.
    pub(super) varying: Vec<&'static str>,
}

/// A request, and what must be seen of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(super) what: &'static str,
    pub(super) request: Request,
    pub(super) arrivals: Vec<String>,
    pub(super) shows: Vec<String>,
}

impl Case {
    /// A case that shows what `name` says.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            chain: Vec::new(),
            routed_by_header: false,
            exchanges: Vec::new(),
            varying: Vec::new(),
        }
    }

    /// Adds a plugin to the chain.
    pub fn plugin(mut self, file: &str, configuration: Value) -> Self {
        self.chain.push((file.to_owned(), configuration));
        self
    }

    /// The cluster is the one that the header `x-higress-target-cluster` names.
    pub fn routed_by_header(self) -> Self {
        Self { routed_by_header: true, ..self }
    }

    /// Values under this key of JSON, or of this header, differ each time: times, rates.
    pub fn varies(mut self, key: &'static str) -> Self {
        self.varying.push(key);
        self
    }

    /// Adds a request.
    pub fn exchange(mut self, exchange: Exchange) -> Self {
        self.exchanges.push(exchange);
        self
    }
}

impl Exchange {
    /// The case where `what`: a request, answered with this status.
    pub fn new(what: &'static str, status: u16, request: Request) -> Self {
        let shows = vec![format!("client: {status}")];
        Self { what, request, arrivals: Vec::new(), shows }
    }

    /// This arrives at a server: `auth: GET /check`. All that arrive must be named.
    pub fn reaches(mut self, arrival: &str) -> Self {
        self.arrivals.push(arrival.to_owned());
        self
    }

    /// A line of the transcript has this: `model: x-user-id: 7`, `client: body … text`. What stands
    /// left of `…` is the line's begin, what stands right of it is somewhere in it.
    pub fn shows(mut self, line: &str) -> Self {
        self.shows.push(line.to_owned());
        self
    }
}

/// What was seen of an exchange, as lines: from the servers, then from the client.
pub(super) struct Transcript(Vec<String>);

impl Transcript {
    pub(super) fn of(
        arrivals: &[super::servers::Arrival],
        answer: &crate::Answer,
        varying: &[&str],
    ) -> Self {
        let mut servers: Vec<Vec<String>> = Vec::new();
        for arrival in arrivals {
            let server = arrival.server;
            let mut lines = vec![format!("{server}: {}", arrival.request.asked)];
            let mut headers: Vec<_> = arrival.request.headers.iter().collect();
            headers.sort();
            for (name, value) in headers.iter().filter(|(name, _)| name != "x-request-id") {
                lines.push(header(server, name, value, varying));
            }
            let body = String::from_utf8_lossy(&arrival.request.body);
            lines.push(format!("{server}: body {}", masked(&body, varying)));
            servers.push(lines);
        }
        servers.sort();
        let (status, headers, body) = answer.comparable();
        let mut lines: Vec<_> = servers.into_iter().flatten().collect();
        lines.push(format!("client: {status}"));
        lines.extend(headers.iter().map(|(name, value)| header("client", name, value, varying)));
        lines.push(format!("client: body {}", masked(&body, varying)));
        Self(lines)
    }

    pub(super) fn text(&self) -> String {
        self.0.join("\n")
    }

    pub(super) fn shows(&self, wanted: &str) -> bool {
        let (begin, part) = wanted.split_once('…').unwrap_or((wanted, ""));
        let exact = !wanted.contains('…');
        self.0.iter().any(|line| match exact {
            true => line == wanted,
            false => line.starts_with(begin) && line.contains(part.trim_start()),
        })
    }
}

fn header(who: &str, name: &str, value: &str, varying: &[&str]) -> String {
    let value = if varying.contains(&name) { "#" } else { value };
    format!("{who}: {name}: {value}")
}

/// The text in one line, with `#` in place of these keys and their values, and behind it which of them
/// were there: plugins in Go add several in an order that differs each time.
fn masked(text: &str, varying: &[&str]) -> String {
    let mut text = text.replace('\n', "⏎");
    let mut there = String::new();
    for key in varying {
        let quoted = format!("\"{key}\":");
        let mut rest = text.as_str();
        let mut done = String::new();
        while let Some((before, after)) = rest.split_once(&quoted) {
            done = done + before + "#";
            rest = match after.strip_prefix('"') {
                Some(after) => after.split_once('"').map_or("", |(_, behind)| behind),
                None => after.trim_start_matches(|c: char| "0123456789.-+eE ".contains(c)),
            };
        }
        if !done.is_empty() {
            there += &format!(" #{key}");
        }
        text = done + rest;
    }
    text + &there
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn what_varies_is_masked_in_whatever_order_it_stands() {
        let one = r#"{"usage":{"total":12,"rate":6.5,"first_ms":21},"id":"a"}"#;
        let other = r#"{"usage":{"total":12,"first_ms":7,"rate":1.25e3},"id":"b"}"#;
        let varying = ["rate", "first_ms", "id"];
        assert_eq!(masked(one, &varying), r##"{"usage":{"total":12,#,#},#} #rate #first_ms #id"##);
        assert_eq!(masked(other, &varying), masked(one, &varying));
    }
}
