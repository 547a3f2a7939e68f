//! Answers that depend on what the client has already: entity tags, `If-None-Match`, `Range`.

use std::hash::{DefaultHasher, Hasher};

use crate::app::web::request::is_read;
use crate::interface::message::{Head, Response, values};

/// The part of a body that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// `length` bytes, at least one, all of which the body has: 206.
    Range {
        from: u64,
        length: u64,
    },
    /// None of the bytes asked for exist: 416.
    Unsatisfiable,
}

/// A strong tag of a body.
///
/// 64 bits are enough: a tag is compared only with those that one client kept of the same URL. A collision hides one
/// change from that client, once in 2^64; an author who constructs one hides a change of their own page. A newer
/// compiler may hash differently: then every body is sent once more.
pub fn etag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("\"{:016x}\"", hasher.finish())
}

/// True where the client has this version already: the answer is 304.
pub fn none_match(head: &Head, etag: &str) -> bool {
    let mut lines = values(&head.headers, "if-none-match").into_iter();
    lines.any(|line| line.trim() == "*" || tags(line).any(|tag| opaque(tag) == opaque(etag)))
}

/// Adds the tag to a 200 answer of a read; 304 where the client has that version already.
pub fn answer(head: &Head, response: Response) -> Response {
    if !is_read(head) || response.status != 200 {
        return response;
    }
    let tag = etag(&response.body);
    let is_known = none_match(head, &tag);
    // Verdicts change at any time: a kept copy must be revalidated.
    let response = response.with("ETag", tag).with("Cache-Control", "no-cache");
    match is_known {
        true => not_modified(response),
        false => response,
    }
}

/// The 304 in place of this answer: no body, and all headers that do not describe one.
pub fn not_modified(mut response: Response) -> Response {
    response.status = 304;
    response.headers.retain(|(name, _)| *name != "Content-Type");
    response.body.clear();
    response
}

/// The part of a body of `length` bytes that a request asks for, if the body is still the version `etag`.
///
/// A header that is not supported is ignored: other units, several ranges, a first byte after the last.
pub fn range(head: &Head, length: u64, etag: &str) -> Part {
    let lines = values(&head.headers, "range");
    let wanted = match lines.as_slice() {
        [line] if head.method == "GET" => line,
        _ => return Part::Whole,
    };
    // Neither a date nor a weak tag proves that the bytes are the same.
    let mut conditions = values(&head.headers, "if-range").into_iter();
    if conditions.any(|tag| tag != etag || tag.starts_with("W/")) {
        return Part::Whole;
    }
    let bounds = wanted.split_once('=').and_then(|(unit, bounds)| {
        let bytes = unit.trim().eq_ignore_ascii_case("bytes");
        bounds.trim().split_once('-').filter(|_| bytes)
    });
    bounds.map_or(Part::Whole, |(first, last)| part(first, last, length))
}

fn part(first: &str, last: &str, length: u64) -> Part {
    let (from, to) = match (number(first), number(last)) {
        (None, Some(0)) if first.is_empty() => return Part::Unsatisfiable,
        // The end of an empty body is the whole of it, which no range can express.
        (None, Some(_)) if first.is_empty() && length == 0 => return Part::Whole,
        (None, Some(count)) if first.is_empty() => (length - count.min(length), u64::MAX),
        (Some(from), None) if last.is_empty() => (from, u64::MAX),
        (Some(from), Some(to)) if from <= to => (from, to),
        _ => return Part::Whole,
    };
    match from < length {
        false => Part::Unsatisfiable,
        true => Part::Range {
            from,
            length: to.min(length - 1) - from + 1,
        },
    }
}

/// A number of digits only; one that does not fit is the largest that does.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The tags of a list, each with its quotes, up to the first entry that is no tag. Quotes may contain commas.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let open = rest.find('"')?;
        if !matches!(&rest[..open], "" | "W/") {
            return None;
        }
        let end = open + 1 + rest[open + 1..].find('"')? + 1;
        let (tag, behind) = rest.split_at(end);
        rest = behind;
        Some(tag)
    })
}

/// The tag without its weak mark: `If-None-Match` compares weakly.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
