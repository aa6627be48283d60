//! As much HTTP/1.1 as the measurement needs: whole messages with a content-length, one after the
//! other on one connection.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One end of a keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that belong to the message returned last.
    returned: usize,
}

/// A request or a response.
pub struct Message<'a> {
    /// First line and header lines.
    pub head: &'a str,
    pub body: &'a [u8],
}

impl Connection {
    pub fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096), returned: 0 })
    }

    /// The next message, whole; `None` when the peer is done.
    pub async fn receive(&mut self) -> Result<Option<Message<'_>>> {
        self.buffer.drain(..self.returned);
        self.returned = 0;
        let (head, length) = loop {
            if let Some(end) = end_of_head(&self.buffer) {
                let length = content_length(text(&self.buffer[..end])?)?;
                if self.buffer.len() >= end + length {
                    break (end, length);
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        self.returned = head + length;
        let body = &self.buffer[head..self.returned];
        Ok(Some(Message { head: text(&self.buffer[..head])?, body }))
    }

    pub async fn send(&mut self, message: &[u8]) -> Result<()> {
        self.stream.write_all(message).await
    }

    /// Everything up to the peer's close.
    pub async fn rest(mut self) -> Result<String> {
        self.stream.read_to_end(&mut self.buffer).await?;
        Ok(String::from_utf8_lossy(&self.buffer).into_owned())
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "head is not text"))
}

fn content_length(head: &str) -> Result<usize> {
    for line in head.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Error::new(ErrorKind::Unsupported, "a chunked body was not expected here"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            return value
                .trim()
                .parse()
                .map_err(|_| Error::new(ErrorKind::InvalidData, "content-length is no number"));
        }
    }
    Ok(0)
}
