//! The request line, as far as httparse is laxer than RFC 9112: the bytes of the target, and the version.

use std::borrow::Cow;

use crate::http::fault::{Fault, fault, over};
use crate::http::grammar::is_uri_byte;
use crate::http::limits::TARGET_LIMIT_BYTES;

/// `d` stands for a digit.
const VERSION: &[u8] = b"HTTP/d.d\r";
const MAJOR_AT: usize = 5;
const MINOR_AT: usize = 7;

/// The positions of its parts, as far as they have arrived.
#[derive(Debug)]
struct Parts {
    target: (usize, usize),
    version: Option<usize>,
}

fn parts(bytes: &[u8]) -> Option<Parts> {
    let start = 1 + bytes
        .iter()
        .position(|&byte| byte == b' ' || byte == b'\n')?;
    if bytes[start - 1] == b'\n' {
        return None;
    }
    let mut target = bytes[start..].iter();
    let end = target.position(|byte| b" \r\n".contains(byte));
    let end = end.map_or(bytes.len(), |length| start + length);
    Some(Parts {
        target: (start, end),
        version: (bytes.get(end) == Some(&b' ')).then_some(end + 1),
    })
}

/// The first byte that is not as it must be, and its fault.
pub fn flaw(bytes: &[u8]) -> Option<(usize, Fault)> {
    let Parts { target, version } = parts(bytes)?;
    for (length, &byte) in bytes[target.0..target.1].iter().enumerate() {
        let flaw = match byte {
            _ if length == TARGET_LIMIT_BYTES => over(414, "target", TARGET_LIMIT_BYTES),
            byte if is_uri_byte(byte) => continue,
            _ => fault(
                400,
                "the request target has a byte that must be percent-encoded",
            ),
        };
        return Some((target.0 + length, flaw));
    }
    let start = version?;
    let mut seen = VERSION.iter().zip(&bytes[start..]);
    let malformed = seen.position(|(wanted, byte)| match wanted {
        b'd' => !byte.is_ascii_digit(),
        wanted => byte != wanted,
    });
    if let Some(at) = malformed {
        return Some((start + at, fault(400, "the HTTP version is malformed")));
    }
    let is_known = bytes.get(start + MAJOR_AT) == Some(&b'1');
    let end = start + VERSION.len() - 1;
    (end < bytes.len() && !is_known)
        .then(|| (end, fault(505, "the HTTP version must be 1.1 or 1.0")))
}

/// The same bytes with version 1.1 in place of one that httparse does not know: a higher minor version of 1 is served
/// as 1.1, and `flaw` refuses another major one.
pub fn with_known_version(bytes: &[u8]) -> Cow<'_, [u8]> {
    let version = parts(bytes).and_then(|parts| parts.version);
    let mut known = Cow::Borrowed(bytes);
    for (at, digits) in [(MAJOR_AT, &b"1"[..]), (MINOR_AT, b"10")] {
        let place = version.map(|start| start + at);
        if let Some((place, digit)) = place.and_then(|place| Some((place, bytes.get(place)?)))
            && !digits.contains(digit)
        {
            known.to_mut()[place] = b'1';
        }
    }
    known
}
