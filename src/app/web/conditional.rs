//! Answers that depend on what the client has already: entity tags, `If-None-Match`, `Range`.

use std::hash::{DefaultHasher, Hasher};

use crate::interface::message::{Head, Response, values};

/// Which part of a body is to be sent.
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
/// 64 bits are enough: a tag is compared with those of the same URL that one client kept, so two
/// bodies that meet in one cost that client a change it does not see, once in 2^64; and who makes
/// them meet on purpose hides a change of their own page alone. A newer compiler may hash in
/// another way: then everything is sent once more.
pub fn etag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("\"{:016x}\"", hasher.finish())
}

/// Whether the client has that version already, which is then answered with 304.
pub fn none_match(head: &Head, etag: &str) -> bool {
    let mut lines = values(&head.headers, "if-none-match").into_iter();
    lines.any(|line| line.trim() == "*" || tags(line).any(|tag| opaque(tag) == opaque(etag)))
}

/// Gives an answer of 200 to a read its tag; where the client has it already, 304 instead.
pub fn answer(head: &Head, response: Response) -> Response {
    let reads = matches!(head.method.as_str(), "GET" | "HEAD");
    if !reads || response.status != 200 {
        return response;
    }
    let tag = etag(&response.body);
    let known = none_match(head, &tag);
    // Verdicts change at any time: kept copies are good for asking whether they still hold.
    let response = response.with("ETag", tag).with("Cache-Control", "no-cache");
    match known {
        true => not_modified(response),
        false => response,
    }
}

/// The answer that says so instead of that one: without a body, with all headers but those of
/// the body.
pub fn not_modified(response: Response) -> Response {
    let of_body = |name: &str| name.eq_ignore_ascii_case("content-type");
    let mut headers = response.headers;
    headers.retain(|(name, _)| !of_body(name));
    Response {
        status: 304,
        headers,
        body: Vec::new(),
    }
}

/// Which part of a body of `length` bytes a request wants, if it still is the version `etag`.
///
/// A header that is not understood asks for nothing: other units, several ranges, a first byte
/// behind the last.
pub fn range(head: &Head, length: u64, etag: &str) -> Part {
    let lines = values(&head.headers, "range");
    let wanted = match lines.as_slice() {
        [line] if head.method == "GET" => line,
        _ => return Part::Whole,
    };
    // A date is no proof that the bytes before are the same, nor is a weak tag.
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
    match (first, number(first), last, number(last)) {
        ("", _, _, Some(0)) => Part::Unsatisfiable,
        // The end of nothing is all of it, and no range could say so.
        ("", _, _, Some(_)) if length == 0 => Part::Whole,
        ("", _, _, Some(count)) => Part::Range {
            from: length - count.min(length),
            length: count.min(length),
        },
        (_, Some(from), _, Some(to)) if to < from => Part::Whole,
        (_, Some(from), "", _) | (_, Some(from), _, Some(_)) if from >= length => {
            Part::Unsatisfiable
        }
        (_, Some(from), "", _) => Part::Range {
            from,
            length: length - from,
        },
        (_, Some(from), _, Some(to)) => Part::Range {
            from,
            length: to.min(length - 1) - from + 1,
        },
        _ => Part::Whole,
    }
}

/// Digits alone; more than fit are as good as the largest that fits.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The tags of a list, each with its quotes; what is no tag ends the list. A comma may stand
/// inside of the quotes.
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

/// Weak and strong are one here: nobody sends another body for saving some bytes.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
