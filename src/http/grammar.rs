//! Pieces of HTTP's and URI's grammar that httparse does not check (RFC 9110, 9112 and 3986).

use std::net::Ipv6Addr;

/// True for `token` of RFC 9110: the name of a method, a field, an extension.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// True for bytes that a URI may hold, escapes and the brackets of an address included.
pub fn is_uri_byte(byte: u8) -> bool {
    is_unreserved(byte) || is_sub_delimiter(byte) || b":/?[]@%".contains(&byte)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn is_sub_delimiter(byte: u8) -> bool {
    b"!$&'()*+,;=".contains(&byte)
}

/// True for `host [":" port]` of RFC 3986 with a host that is not empty. No host has a port above 65,535.
pub fn is_authority(text: &str) -> bool {
    let (is_host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (literal, port) = rest.split_once(']').unwrap_or_default();
            (is_ip_literal(literal), port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            (is_registered_name(&text[..end]), &text[end..])
        }
    };
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some("") => true,
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
    };
    is_host && is_port
}

/// True for what may stand in the brackets of an authority: `IPv6address` or `IPvFuture`.
fn is_ip_literal(text: &str) -> bool {
    let future = text
        .strip_prefix(['v', 'V'])
        .and_then(|rest| rest.split_once('.'));
    let Some((version, address)) = future else {
        return text.parse::<Ipv6Addr>().is_ok();
    };
    let plain = |byte| is_unreserved(byte) || is_sub_delimiter(byte) || byte == b':';
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_version && !address.is_empty() && address.bytes().all(plain)
}

/// True for a `reg-name` that is not empty, an IPv4 address among them.
fn is_registered_name(text: &str) -> bool {
    let mut parts = text.split('%');
    let plain = |part: &str| {
        part.bytes()
            .all(|byte| is_unreserved(byte) || is_sub_delimiter(byte))
    };
    let escaped = |part: &str| {
        let digits = part.as_bytes().get(..2);
        digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) && plain(part)
    };
    !text.is_empty() && parts.next().is_some_and(plain) && parts.all(escaped)
}

/// True for the extensions behind a chunk's size: `*( ";" name [ "=" value ] )`, with white space around the signs.
pub fn is_chunk_extension(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(named) = skip_blanks(rest).strip_prefix(b";") else {
            return false;
        };
        let Some(behind) = skip_token(skip_blanks(named)) else {
            return false;
        };
        rest = behind;
        if let Some(value) = skip_blanks(behind).strip_prefix(b"=") {
            let value = skip_blanks(value);
            match skip_token(value).or_else(|| skip_quoted(value)) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
    }
    true
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    &bytes[bytes.iter().take_while(|byte| is_blank(byte)).count()..]
}

/// The bytes behind a token; none where there is no token.
fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes
        .iter()
        .take_while(|byte| is_token_byte(**byte))
        .count();
    (length > 0).then(|| &bytes[length..])
}

/// The bytes behind a quoted string of a line without control characters; none where there is no such string.
fn skip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', _, behind @ ..] => rest = behind,
            [] | [b'\\'] => return None,
            [_, behind @ ..] => rest = behind,
        }
    }
}
