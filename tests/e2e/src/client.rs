//! The client of the scenarios: sends one request, keeps everything of the answer.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    path: String,
    /// Beside `host`, `x-request-id` and `content-length`; `content-type` is text when not said.
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    patience: Duration,
    may_break_off: bool,
    /// Bytes of the body that do not come with the head, and when they come: None is never.
    held_back: (usize, Option<Duration>),
}

impl Request {
    /// A GET, without a body.
    pub fn get(path: impl Into<String>) -> Self {
        let patience = Duration::from_secs(20);
        Self {
            path: path.into(),
            headers: Vec::new(),
            body: None,
            patience,
            may_break_off: false,
            held_back: (0, None),
        }
    }

    /// A POST with a body.
    pub fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::get(path) }
    }

    /// Sends this header too.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The answer may break off in its body; then it counts as empty.
    pub fn may_break_off(self) -> Self {
        Self { may_break_off: true, ..self }
    }

    /// The last so many bytes of the body come so long after the rest; None: they never come.
    pub fn holds_back(self, bytes: usize, after: Option<Duration>) -> Self {
        Self { held_back: (bytes, after), ..self }
    }

    /// The same with one more segment in its path, behind the one that names the upstream's manner.
    pub fn labelled(mut self, label: &str) -> Self {
        let end = self.path.find('?').unwrap_or(self.path.len());
        self.path.insert_str(end, &format!("/{label}"));
        self
    }

    /// Where it goes, with its query.
    pub fn path(&self) -> &str {
        &self.path
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
///
/// By hand, because head and body must leave in one write: sent apart, an early upstream can answer
/// before the proxy has seen the body, and then there is no body phase to look at.
pub(crate) fn send(port: u16, request: &Request, request_id: &str) -> anyhow::Result<Answer> {
    send_when(port, request, request_id, || {})
}

/// The same, and what it holds back of its body waits for `then` too.
pub(crate) fn send_when(
    port: u16,
    request: &Request,
    request_id: &str,
    then: impl FnOnce(),
) -> anyhow::Result<Answer> {
    let mut answer = Answer {
        request_id: request_id.to_owned(),
        status: 0,
        headers: BTreeMap::new(),
        body: String::new(),
        took: Duration::ZERO,
    };
    let start = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(request.patience))?;
    // A proxy may stop reading in the middle of the body.
    stream.set_write_timeout(Some(request.patience))?;
    let bytes = request.bytes(request_id);
    let (at_once, rest) = bytes.split_at(bytes.len() - request.held_back.0);
    let mut sent = stream.write_all(at_once);
    if let Some(after) = request.held_back.1 {
        std::thread::sleep(after);
        then();
        sent = sent.and_then(|()| stream.write_all(rest));
    }
    let mut stream = BufReader::new(stream);
    let head = match read_head(&mut stream) {
        Ok(head) if !head.is_empty() => head,
        // The client gave up, or the connection ended without an answer.
        _ => {
            answer.took = start.elapsed();
            return Ok(answer);
        }
    };
    let mut lines = head.iter();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    answer.status = status.context("the answer has no status")?;
    for line in lines {
        let (name, value) = line.split_once(':').context("the answer has a malformed header")?;
        answer.headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    match read_body(&mut stream, &answer.headers) {
        Ok(body) => answer.body = body,
        Err(_) if request.may_break_off => {}
        Err(error) => return Err(error.context("the answer broke off")),
    }
    answer.took = start.elapsed();
    // An early answer may have closed the way for the rest of a large body; that is no failure.
    drop(sent);
    Ok(answer)
}

impl Request {
    fn bytes(&self, request_id: &str) -> Vec<u8> {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let path = &self.path;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: e2e\r\nx-request-id: {request_id}\r\n");
        if let Some(body) = &self.body {
            let length = body.len();
            head += &format!("content-length: {length}\r\n");
            if !self.headers.iter().any(|(name, _)| name == "content-type") {
                head += "content-type: text/plain\r\n";
            }
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// The lines before the empty one; none when the connection ended first.
fn read_head(stream: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(Vec::new());
        }
        match line.trim_end() {
            "" => return Ok(lines),
            text => lines.push(text.to_owned()),
        }
    }
}

fn read_body(
    stream: &mut impl BufRead,
    headers: &BTreeMap<String, String>,
) -> anyhow::Result<String> {
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length") {
        stream.take(length.parse()?).read_to_end(&mut body)?;
        anyhow::ensure!(body.len() == length.parse::<usize>()?, "the body is too short");
    } else if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16)?;
            stream.take(size).read_to_end(&mut body)?;
            stream.read_line(&mut line)?;
            if size == 0 {
                break;
            }
        }
    } else {
        stream.read_to_end(&mut body)?;
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
