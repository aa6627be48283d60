//! Requests as the servers of the scenarios read them: HTTP/1.1, bodies by length or in chunks.

use std::io::{BufRead, Read};

/// A request.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST /v1/messages`.
    pub asked: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As much of it as came.
    pub body: Vec<u8>,
}

impl Received {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The next request; None where the peer closed between two.
///
/// # Errors
/// When the connection breaks.
pub fn read_request(stream: &mut impl BufRead) -> std::io::Result<Option<Received>> {
    let first = read_line(stream)?;
    if first.is_empty() {
        return Ok(None);
    }
    let asked = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = Vec::new();
    while let Some((name, value)) = read_line(stream)?.trim_end().split_once(':') {
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Received { asked, headers, body: Vec::new() };
    let mut body = Vec::new();
    if let Some(length) = request.header("content-length") {
        stream.take(length.parse().unwrap_or(0)).read_to_end(&mut body)?;
    } else if request.header("transfer-encoding").is_some() {
        read_chunks(stream, &mut body)?;
    }
    request.body = body;
    Ok(Some(request))
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let size = u64::from_str_radix(read_line(stream)?.trim(), 16).unwrap_or(0);
        stream.take(size).read_to_end(body)?;
        read_line(stream)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn read_line(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line)
}
