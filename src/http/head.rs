//! Parses the head of one HTTP/1 request, and finds in it where the body ends.

use crate::http::fault::{Fault, fault, limit_fault, over};
use crate::http::grammar::{is_authority, is_token};
use crate::http::limits::{HEAD_LIMIT_BYTES, HEADERS_LIMIT_COUNT};
use crate::http::request_line;
use crate::interface::message::{Head, values};

/// A parsed request head, and what it says about the bytes behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadHead {
    pub head: Head,
    /// Its length in bytes.
    pub length: usize,
    pub framing: Framing,
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
}

/// The head at the start of `bytes`, which do not begin with an empty line; none where more bytes are needed.
///
/// A head that two servers could read in two ways is refused, so that this server and a proxy in front of it never
/// disagree on where a request ends. A fault is found at the same byte however the bytes arrive.
pub fn read_head(bytes: &[u8]) -> Result<Option<ReadHead>, Fault> {
    let (sound, flaw) = sound_part(bytes);
    let sound = request_line::with_known_version(sound);
    let mut space = [httparse::EMPTY_HEADER; HEADERS_LIMIT_COUNT];
    let mut parsed = httparse::Request::new(&mut space);
    let length = match parsed.parse(&sound) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return flaw.map_or(Ok(None), Err),
        Err(httparse::Error::TooManyHeaders) => {
            let sentence = format!("there are more than {HEADERS_LIMIT_COUNT} headers");
            return Err(limit_fault(431, sentence));
        }
        Err(_) => return Err(fault(400, "the request head is malformed")),
    };
    let http10 = parsed.version == Some(0);
    let mut headers: Vec<(String, String)> = parsed.headers.iter().map(field).collect();
    let method = parsed.method.unwrap_or_default();
    let target = read_target(method, parsed.path.unwrap_or_default())?;
    check_host(&headers, http10)?;
    let framing = read_framing(&headers, http10)?;
    let expects_continue = read_expect(&headers)? && !http10;
    let closes = lists(&headers, "connection", "close");
    let keep_alive = !closes && (!http10 || lists(&headers, "connection", "keep-alive"));
    if let Some(authority) = target.authority {
        set_host(&mut headers, authority)?;
    }
    Ok(Some(ReadHead {
        head: Head {
            method: method.to_string(),
            path: target.path,
            query: target.query,
            headers,
            http10,
        },
        length,
        framing,
        keep_alive,
        expects_continue,
    }))
}

/// The bytes before the first one that the parser would accept and must not, and the fault of that byte: httparse takes
/// a bare LF for the end of a line, knows little of targets, and has no limits. A fault that the parser finds lies
/// before that byte and comes first.
fn sound_part(bytes: &[u8]) -> (&[u8], Option<Fault>) {
    let in_line = request_line::flaw(bytes);
    for (at, &byte) in bytes.iter().enumerate() {
        let before = &bytes[..at];
        let flaw = match (byte, &in_line) {
            (b'\n', _) if before.ends_with(b"\r\n\r") => break,
            (b'\n', _) if !before.ends_with(b"\r") => {
                fault(400, "a line ends with a bare line feed")
            }
            _ if at + 1 == HEAD_LIMIT_BYTES => over(431, "head", HEAD_LIMIT_BYTES),
            (_, Some((place, flaw))) if at == *place => flaw.clone(),
            _ => continue,
        };
        return (before, Some(flaw));
    }
    (bytes, None)
}

/// White space as HTTP has it: other readers find a word where only these are cut off.
const BLANKS: [char; 2] = [' ', '\t'];

fn field(header: &httparse::Header) -> (String, String) {
    let value = String::from_utf8_lossy(header.value);
    let value = value.trim_matches(BLANKS);
    (header.name.to_ascii_lowercase(), value.to_string())
}

/// True where a comma-separated header, in however many lines, lists that word.
pub fn lists(headers: &[(String, String)], name: &str, word: &str) -> bool {
    let values = values(headers, name);
    let mut words = values.iter().flat_map(|value| value.split(','));
    words.any(|known| known.trim_matches(BLANKS).eq_ignore_ascii_case(word))
}

struct Target {
    /// From the absolute form only. It overrides the Host header.
    authority: Option<String>,
    path: String,
    query: String,
}

/// Parses the origin form (`/path?query`), the absolute form (`http://host/path?query`), which every server has to
/// accept, or the asterisk of OPTIONS.
fn read_target(method: &str, text: &str) -> Result<Target, Fault> {
    let (authority, local) = match absolute(text) {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            (Some(rest[..end].to_string()), &rest[end..])
        }
        None => (None, text),
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    let path = match path {
        "" if authority.is_some() => "/",
        path => path,
    };
    if !path.starts_with('/') && (method, text) != ("OPTIONS", "*") {
        return Err(fault(400, "the path does not start with a slash"));
    }
    Ok(Target {
        authority,
        path: path.to_string(),
        query: query.to_string(),
    })
}

/// The part behind `http://` or `https://`.
fn absolute(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    known.then_some(rest)
}

const MALFORMED_HOST: Fault = fault(400, "the host is malformed");

fn check_host(headers: &[(String, String)], http10: bool) -> Result<(), Fault> {
    match values(headers, "host").as_slice() {
        [] if http10 => Ok(()),
        [] => Err(fault(400, "the Host header is missing")),
        [host] => check_host_value(host),
        _ => Err(fault(400, "there is more than one Host header")),
    }
}

/// An empty value stands for a target without a host (RFC 9112, 3.2).
fn check_host_value(host: &str) -> Result<(), Fault> {
    match host.is_empty() || is_authority(host) {
        true => Ok(()),
        false => Err(MALFORMED_HOST),
    }
}

/// Puts the authority of an absolute target in place of the Host header.
fn set_host(headers: &mut Vec<(String, String)>, authority: String) -> Result<(), Fault> {
    if !is_authority(&authority) {
        return Err(MALFORMED_HOST);
    }
    match headers.iter_mut().find(|(name, _)| name == "host") {
        Some((_, value)) => *value = authority,
        None => headers.push(("host".to_string(), authority)),
    }
    Ok(())
}

fn read_framing(headers: &[(String, String)], http10: bool) -> Result<Framing, Fault> {
    let lengths = values(headers, "content-length");
    let codings = values(headers, "transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => read_length(length),
        (_, []) => Err(fault(400, "there is more than one Content-Length")),
        ([], _) if http10 => Err(fault(400, "HTTP/1.0 has no Transfer-Encoding")),
        ([], [coding]) => read_coding(coding),
        ([], _) => Err(fault(400, "there is more than one Transfer-Encoding")),
        _ => Err(fault(
            400,
            "there are both Content-Length and Transfer-Encoding",
        )),
    }
}

/// Without `chunked` at its end a body has no end (RFC 9112, 6.3).
fn read_coding(text: &str) -> Result<Framing, Fault> {
    let is_chunked = |coding: &str| coding.eq_ignore_ascii_case("chunked");
    let is_other = |coding: &str| {
        let name = coding.split(';').next().unwrap_or_default();
        let name = name.trim_matches(BLANKS);
        is_token(name.as_bytes()) && !is_chunked(name)
    };
    let (others, last) = text
        .rsplit_once(',')
        .map_or((None, text), |(others, last)| (Some(others), last));
    match others {
        _ if !is_chunked(last.trim_matches(BLANKS)) => {
            Err(fault(400, "the last Transfer-Encoding must be chunked"))
        }
        None => Ok(Framing::Chunked),
        Some(others) if others.split(',').all(is_other) => {
            Err(fault(501, "the only Transfer-Encoding must be chunked"))
        }
        Some(_) => Err(fault(400, "the Transfer-Encoding is malformed")),
    }
}

/// Accepts digits only: no sign, no list, nothing that a laxer parser would read as another number.
fn read_length(text: &str) -> Result<Framing, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(length) if digits => Ok(Framing::Length(length)),
        _ => Err(fault(400, "the Content-Length is not a number")),
    }
}

fn read_expect(headers: &[(String, String)]) -> Result<bool, Fault> {
    match values(headers, "expect").as_slice() {
        [] => Ok(false),
        [word] if word.eq_ignore_ascii_case("100-continue") => Ok(true),
        _ => Err(fault(417, "the expectation must be 100-continue")),
    }
}
