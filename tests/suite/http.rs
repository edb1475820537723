//! HTTP as small as tests need it: one request a connection, over plain sockets.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long a peer may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request or an answer, split.
#[derive(Debug)]
pub(crate) struct Message {
    /// The request line, or the status line.
    pub(crate) first: String,
    /// The header lines, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn read(stream: &TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let (mut length, mut head) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line.as_str(), ""));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            head.push_str(&line.to_ascii_lowercase());
        }
        let body = if head.contains("transfer-encoding: chunked") {
            chunks(&mut reader)?
        } else {
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            body
        };
        let body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(Self {
            first: first.trim_end().to_owned(),
            head,
            body,
        })
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        let code = self
            .first
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        code.unwrap_or_else(|| panic!("no status in `{}`", self.first))
    }

    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut values = lines.filter(|(key, _)| *key == name);
        values.next().map_or("", |(_, value)| value.trim())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A body in chunks, put together.
fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        let begin = body.len();
        // With the line end after it.
        body.resize(begin + length + 2, 0);
        reader.read_exact(&mut body[begin..])?;
        body.truncate(begin + length);
        if length == 0 {
            return Ok(body);
        }
    }
}

/// Sends a request and reads its answer.
pub(crate) fn send(to: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<Message> {
    send_with(to, method, path, "", body)
}

/// Sends a request with further header lines, each with its line end.
pub(crate) fn send_with(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> io::Result<Message> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )?;
    Message::read(&stream)
}

/// Sends a request whose body is no text.
pub(crate) fn send_bytes(
    to: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
) -> io::Result<Message> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    Message::read(&stream)
}

/// Answers a request with JSON.
pub(crate) fn answer(stream: &mut TcpStream, status: u16, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
