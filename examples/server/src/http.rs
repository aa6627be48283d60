//! As much HTTP/1.1 as a server needs that wants to be rude: heads, bodies by length or in chunks,
//! plain responses.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A request head is refused beyond this many bytes.
const MAX_HEAD: usize = 128 * 1024;

/// A request line and its headers.
#[derive(Debug)]
pub(crate) struct Head {
    path: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head from the bytes before the empty line.
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("head is not UTF-8"))?;
        let mut lines = text.split("\r\n");
        let path = lines.next().and_then(|line| line.split(' ').nth(1));
        let path = path.ok_or_else(|| malformed("request line has no path"))?.to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Ok(Self { path, headers })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The first value of a header; `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        found.next().map(|(_, value)| value.as_str())
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.contains("chunked"))
    }
}

/// A connection with what was read ahead of its use.
pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    ahead: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// The next request's head, or `None` where the peer closed between two requests.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        match self.until(b"\r\n\r\n", MAX_HEAD).await {
            Ok(bytes) => Head::parse(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.ahead.is_empty() => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads and drops the body that belongs to `head`; answers its length in bytes.
    pub(crate) async fn body(&mut self, head: &Head) -> io::Result<usize> {
        if !head.is_chunked() {
            let length = head.header("content-length").unwrap_or("0");
            let length = length.parse().map_err(|_| malformed("content-length is no number"))?;
            self.skip(length).await?;
            return Ok(length);
        }
        let mut total = 0;
        loop {
            let line = self.until(b"\r\n", 1024).await?;
            let line = String::from_utf8_lossy(&line);
            let size = line.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(size, 16).map_err(|_| malformed("chunk has no size"))?;
            if size == 0 {
                // Trailers, if any, end with an empty line.
                while !self.until(b"\r\n", MAX_HEAD).await?.is_empty() {}
                return Ok(total);
            }
            self.skip(size).await?;
            self.until(b"\r\n", 2).await?;
            total += size;
        }
    }

    /// Sends a whole response with a plain-text body.
    pub(crate) async fn answer(&mut self, status: u16, body: &str, last: bool) -> io::Result<()> {
        let connection = if last { "connection: close\r\n" } else { "" };
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status} {}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n{connection}\r\n{body}",
            reason(status)
        );
        self.stream.write_all(response.as_bytes()).await
    }

    /// Bytes up to `end`, which is consumed but not answered.
    async fn until(&mut self, end: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let found = self.ahead[searched..].windows(end.len()).position(|window| window == end);
            if let Some(at) = found.map(|at| at + searched) {
                let rest = self.ahead.split_off(at + end.len());
                let mut bytes = std::mem::replace(&mut self.ahead, rest);
                bytes.truncate(at);
                return Ok(bytes);
            }
            if self.ahead.len() > limit + end.len() {
                return Err(malformed("a line is longer than allowed"));
            }
            searched = self.ahead.len().saturating_sub(end.len() - 1);
            self.read_more().await?;
        }
    }

    async fn skip(&mut self, mut bytes: usize) -> io::Result<()> {
        loop {
            let available = self.ahead.len().min(bytes);
            self.ahead.drain(..available);
            bytes -= available;
            if bytes == 0 {
                return Ok(());
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.ahead).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
