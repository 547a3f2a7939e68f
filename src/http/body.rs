//! The body of one request: finds its end, by length or by chunks, and limits its size.

use crate::http::fault::{Fault, fault};
use crate::http::grammar::{is_chunk_extension, is_token};
use crate::http::head::Framing;
use crate::http::limits::{CHUNK_LINE_LIMIT_BYTES, TRAILERS_LIMIT_BYTES};

/// The position within a body's framing, and how many more bytes are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    place: Place,
    /// Bytes that chunks which have not begun may still bring.
    allowed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Length { left: u64 },
    ChunkSize,
    Chunk { left: u64 },
    ChunkEnd,
    Trailers { left_bytes: usize },
    Complete,
}

const TOO_LARGE: Fault = fault(413, "the body is too large");
const BAD_CHUNK: Fault = fault(400, "the chunked body is malformed");

impl Body {
    /// The start of a body; 413 where its announced length is over the limit.
    pub fn new(framing: Framing, limit_bytes: u64) -> Result<Body, Fault> {
        let place = match framing {
            Framing::Length(0) => Place::Complete,
            Framing::Length(left) if left <= limit_bytes => Place::Length { left },
            Framing::Length(_) => return Err(TOO_LARGE),
            Framing::Chunked => Place::ChunkSize,
        };
        Ok(Body {
            place,
            allowed: limit_bytes,
        })
    }

    pub fn is_complete(&self) -> bool {
        self.place == Place::Complete
    }

    /// Takes one step: how many bytes of `input` were used, and the body bytes among them, at most `most`. Zero used
    /// bytes mean that more input is needed. A fault changes nothing: the same bytes give it again.
    pub fn step<'a>(&mut self, input: &'a [u8], most: usize) -> Result<(usize, &'a [u8]), Fault> {
        match self.place {
            Place::Complete => Ok((0, &[])),
            Place::Length { left } => {
                let data = front(input, left, most);
                self.place = match left - data.len() as u64 {
                    0 => Place::Complete,
                    left => Place::Length { left },
                };
                Ok((data.len(), data))
            }
            Place::Chunk { left } => {
                let data = front(input, left, most);
                self.place = match left - data.len() as u64 {
                    0 => Place::ChunkEnd,
                    left => Place::Chunk { left },
                };
                Ok((data.len(), data))
            }
            Place::ChunkSize => {
                let Some(line) = line(input, CHUNK_LINE_LIMIT_BYTES)? else {
                    return Ok((0, &[]));
                };
                let size = chunk_size(line)?;
                let Some(allowed) = self.allowed.checked_sub(size) else {
                    return Err(TOO_LARGE);
                };
                self.allowed = allowed;
                self.place = match size {
                    0 => Place::Trailers {
                        left_bytes: TRAILERS_LIMIT_BYTES,
                    },
                    left => Place::Chunk { left },
                };
                Ok((line.len() + 2, &[]))
            }
            Place::ChunkEnd => match line(input, 2)? {
                Some(_) => {
                    self.place = Place::ChunkSize;
                    Ok((2, &[]))
                }
                None => Ok((0, &[])),
            },
            Place::Trailers { left_bytes } => {
                let Some(line) = line(input, left_bytes)? else {
                    return Ok((0, &[]));
                };
                let used = line.len() + 2;
                self.place = match line {
                    [] => Place::Complete,
                    _ if is_field(line) => Place::Trailers {
                        left_bytes: left_bytes - used,
                    },
                    _ => return Err(BAD_CHUNK),
                };
                Ok((used, &[]))
            }
        }
    }
}

fn front(input: &[u8], left: u64, most: usize) -> &[u8] {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    &input[..left.min(most).min(input.len())]
}

/// The first line without its CR LF, together at most `limit` bytes; none where its end has not arrived. A bare LF is
/// refused: proxies differ on it in chunk lines.
fn line(input: &[u8], limit: usize) -> Result<Option<&[u8]>, Fault> {
    let seen = &input[..input.len().min(limit)];
    match seen.iter().position(|&byte| byte == b'\n') {
        None if seen.len() < limit => Ok(None),
        None => Err(BAD_CHUNK),
        Some(end) => match seen[..end].strip_suffix(b"\r") {
            Some(line) if is_text(line) => Ok(Some(line)),
            _ => Err(BAD_CHUNK),
        },
    }
}

fn is_text(line: &[u8]) -> bool {
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    !line.iter().any(control)
}

/// True for `name: value`.
fn is_field(line: &[u8]) -> bool {
    let colon = line.iter().position(|&byte| byte == b':');
    colon.is_some_and(|colon| is_token(&line[..colon]))
}

/// The chunk's size. Extensions behind it are checked and ignored.
fn chunk_size(line: &[u8]) -> Result<u64, Fault> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let (digits, rest) = line.split_at(digits.count());
    // Sixteen digits fill 64 bits. More overflow, or are leading zeros that no honest client sends.
    if digits.is_empty() || digits.len() > 16 || !is_chunk_extension(rest) {
        return Err(BAD_CHUNK);
    }
    let text = str::from_utf8(digits).map_err(|_| BAD_CHUNK)?;
    u64::from_str_radix(text, 16).map_err(|_| BAD_CHUNK)
}
