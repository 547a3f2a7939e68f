//! Answers that depend on what the client has already: entity tags, preconditions, `Range`.

use std::hash::{DefaultHasher, Hasher};
use std::time::UNIX_EPOCH;

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

/// What a request names, as it is before the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    Tagged(&'a str),
    /// It can be read, and has no tag.
    Untagged,
    /// Nothing can be read there.
    Absent,
}

/// The result of the preconditions of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    Holds,
    /// The client has this version already: 304.
    NotModified,
    /// 412, with this sentence.
    Fails(&'static str),
}

/// Evaluates the preconditions of a request in the order of RFC 9110, 13.2.2. The target has not changed since
/// `unchanged_since_ms`: for what may change at any time that is now.
pub fn evaluate(head: &Head, target: Target, unchanged_since_ms: i64) -> Precondition {
    if has(head, "if-match") {
        if !is_match(head, target) {
            return Precondition::Fails("there is no version that If-Match names");
        }
    } else if let [date] = values(&head.headers, "if-unmodified-since")[..]
        && let Some(date_s) = seconds(date)
        && unchanged_since_ms.div_euclid(1_000) > date_s
    {
        return Precondition::Fails("it may have changed since the date of If-Unmodified-Since");
    }
    match is_none_match(head, target) {
        true => Precondition::Holds,
        false if is_read(head) => Precondition::NotModified,
        false => Precondition::Fails("there is a version that If-None-Match names"),
    }
}

/// True where a request has a precondition that may stop a change.
pub fn has_precondition(head: &Head) -> bool {
    let names = ["if-match", "if-unmodified-since", "if-none-match"];
    names.iter().any(|name| has(head, name))
}

/// 412 where a read of something without a tag has a precondition that does not hold.
pub fn check_untagged(head: &Head, now_unix_ms: i64) -> Result<(), Response> {
    match evaluate(head, Target::Untagged, now_unix_ms) {
        Precondition::Holds | Precondition::NotModified => Ok(()),
        Precondition::Fails(sentence) => Err(failed(sentence)),
    }
}

pub fn failed(sentence: &str) -> Response {
    Response::error(412, sentence)
}

fn has(head: &Head, name: &str) -> bool {
    head.header(name).is_some()
}

/// `If-Match` compares strongly.
fn is_match(head: &Head, target: Target) -> bool {
    let mut lines = values(&head.headers, "if-match").into_iter();
    lines.any(|line| match target {
        Target::Absent => false,
        _ if line == "*" => true,
        Target::Untagged => false,
        Target::Tagged(etag) => tags(line).any(|tag| tag == etag && !tag.starts_with("W/")),
    })
}

/// `If-None-Match` compares weakly.
fn is_none_match(head: &Head, target: Target) -> bool {
    let lines = values(&head.headers, "if-none-match").into_iter();
    !lines.into_iter().any(|line| match target {
        Target::Absent | Target::Untagged => false,
        Target::Tagged(_) if line == "*" => true,
        Target::Tagged(etag) => tags(line).any(|tag| opaque(tag) == opaque(etag)),
    })
}

/// The seconds since 1970 of an HTTP date in any of its three forms.
fn seconds(date: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(date).ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// The answer with its tag, which only a 200 has.
pub fn tagged(response: Response) -> (Response, Option<String>) {
    if response.status != 200 {
        return (response, None);
    }
    let etag = etag(&response.body);
    let mut response = response.with("ETag", etag.clone());
    let mut names = response.headers.iter().map(|(name, _)| *name);
    if !names.any(|name| name == "Cache-Control") {
        // Verdicts change at any time: a kept copy must be revalidated.
        response = response.with("Cache-Control", "no-cache");
    }
    (response, Some(etag))
}

/// The answer to a read, whose tag is `etag`; 304 or 412 where a precondition says so.
pub fn answer(head: &Head, response: Response, etag: Option<&str>, now_unix_ms: i64) -> Response {
    let Some(etag) = etag else { return response };
    match evaluate(head, Target::Tagged(etag), now_unix_ms) {
        Precondition::Holds => response,
        Precondition::NotModified => not_modified(response),
        Precondition::Fails(sentence) => failed(sentence),
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
/// A header that is malformed or not supported is ignored: white space, other units, several ranges, a first byte after
/// the last.
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
        let bytes = unit.eq_ignore_ascii_case("bytes");
        bounds.split_once('-').filter(|_| bytes)
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
        (Some(from), Some(to)) if from < to || is_ordered(first, last) => (from, to),
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

/// True where two numbers of any length are in order: those that do not fit are all the same.
fn is_ordered(first: &str, last: &str) -> bool {
    let [first, last] = [first, last].map(|digits| digits.trim_start_matches('0'));
    (first.len(), first) <= (last.len(), last)
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
