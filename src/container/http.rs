//! HTTP/1.1 over a Unix socket, one request per connection: all that Docker's API needs.
//!
//! The head is read by `httparse`, the parser of hyper; the rest is a length, chunks, or the end of the connection.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::kernel::effect;

/// How long one read waits before it is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);
/// No answer of Docker's has so many headers.
const MOST_HEADERS: usize = 64;
/// An answer that is longer is no answer to a question of ours.
const MOST_BYTES: usize = 64 << 20;

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST`, `DELETE`.
    pub method: &'static str,
    /// The path with its query.
    pub path: &'a str,
    /// The body, as JSON.
    pub body: Option<&'a str>,
    /// How long an answer may take.
    pub patience: Duration,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, for example 404.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Sends a request and waits for the answer. `go_on` is asked some twenty times a second.
///
/// # Errors
/// Those of connect(2) as they are; `TimedOut`, `Interrupted` when `go_on` says no, `InvalidData` for what is no HTTP.
pub fn ask(socket: &Path, request: Request<'_>, go_on: &dyn Fn() -> bool) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    let deadline = Instant::now() + request.patience;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(request.patience))?;
    let Request { method, path, body, .. } = request;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
    if let Some(body) = body {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    } else if method != "GET" {
        text.push_str("Content-Length: 0\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    stream.write_all(text.as_bytes())?;
    if method != "GET" {
        // From here on the daemon does it, whether somebody waits for the answer or not.
        effect::here();
    }
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let is_end = match stream.read(&mut buffer) {
            Ok(0) => true,
            Ok(n) => {
                bytes.extend_from_slice(&buffer[..n]);
                false
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                if !go_on() {
                    return Err(ErrorKind::Interrupted.into());
                }
                if Instant::now() >= deadline {
                    return Err(ErrorKind::TimedOut.into());
                }
                continue;
            }
            Err(e) => return Err(e),
        };
        if let Some(answer) = parse(&bytes, is_end)? {
            return Ok(answer);
        }
        if is_end || bytes.len() > MOST_BYTES {
            return Err(bad("the answer has no end"));
        }
    }
}

/// The answer, if all of it is there.
fn parse(bytes: &[u8], is_end: bool) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let start = match head.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(bad(&format!("this is no HTTP: {e}"))),
    };
    let status = head.code.unwrap_or(0);
    let header = |name: &str| {
        head.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).and_then(|h| std::str::from_utf8(h.value).ok())
    };
    let body = &bytes[start..];
    let whole = if status == 204 || status == 304 {
        Some(Vec::new())
    } else if header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        dechunk(body)?
    } else if let Some(length) = header("content-length") {
        let length: usize = length.trim().parse().map_err(|_| bad("a content length that is no number"))?;
        body.get(..length).map(<[u8]>::to_vec)
    } else {
        is_end.then(|| body.to_vec())
    };
    Ok(whole.map(|body| Answer { status, body }))
}

/// The body that came in chunks, if the last one is there.
fn dechunk(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(chunk)) => chunk,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(bad("a chunk without a size")),
        };
        if size == 0 {
            return Ok(Some(body));
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        let end = end.filter(|end| *end <= MOST_BYTES).ok_or_else(|| bad("a chunk that is too long"))?;
        // Each chunk ends with CR and LF.
        if rest.len() < end + 2 {
            return Ok(None);
        }
        body.extend_from_slice(&rest[start..end]);
        rest = &rest[end + 2..];
    }
}

/// Text as a part of a path or query.
pub fn quote(text: &str) -> String {
    text.bytes().fold(String::new(), |mut quoted, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            quoted.push(byte.into());
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
        quoted
    })
}

fn bad(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str, is_end: bool) -> Option<(u16, String)> {
        let answer = parse(text.as_bytes(), is_end).unwrap()?;
        Some((answer.status, String::from_utf8(answer.body).unwrap()))
    }

    #[test]
    fn bodies_by_length_in_chunks_and_to_the_end() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(whole(length, false), Some((200, "ok".into())));
        let chunks = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(whole(chunks, false), Some((201, "abcd".into())));
        let end = "HTTP/1.1 200 OK\r\n\r\nall of it";
        assert_eq!(whole(end, false), None);
        assert_eq!(whole(end, true), Some((200, "all of it".into())));
        assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n", false), Some((204, String::new())));
    }

    /// Cut off anywhere, an answer is not there yet, and never a shorter one.
    #[test]
    fn half_an_answer_is_none() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        ] {
            for n in 0..text.len() {
                assert_eq!(whole(&text[..n], false), None, "{:?}", &text[..n]);
            }
        }
        assert!(parse(b"SSH-2.0-OpenSSH\r\n", false).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n", false).is_err());
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quote("a/b c:1"), "a%2Fb%20c%3A1");
    }
}
