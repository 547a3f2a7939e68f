//! The request line and who asks: methods, the parts of a path, what a client takes.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::app::web::limits::PREFLIGHT_AGE_S;
use crate::interface::message::{Head, Response, values};

/// Methods this server has heard of; another is 501, not 405.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
];

/// What a page of another origin may send when it reads.
const READ_HEADERS: &str = "Accept, If-None-Match, If-Range, Last-Event-ID, Range";

/// What such a page may look at of an answer, besides what any page may.
const SHOWN_HEADERS: &str = "ETag, Content-Range, Retry-After";

pub fn is_method(method: &str) -> bool {
    METHODS.contains(&method)
}

/// The parts of a path, each decoded on its own: a slash that comes out of an escape separates
/// nothing. None where an escape is broken or hides what is not UTF-8.
pub fn parts(path: &str) -> Option<Vec<String>> {
    match path.strip_prefix('/') {
        None => Some(Vec::new()),
        Some(parts) => parts.split('/').map(decode).collect(),
    }
}

fn decode(part: &str) -> Option<String> {
    let whole = |behind: &str| {
        let digits = behind.as_bytes().get(..2);
        digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    let escapes = part.split('%').skip(1).all(whole);
    let text = percent_decode_str(part).decode_utf8().ok();
    text.filter(|_| escapes).map(Cow::into_owned)
}

/// The value of `Allow` where there are routes for these methods: what reads also answers HEAD,
/// and every path answers OPTIONS.
pub fn allow(routes: &[&str]) -> String {
    let there = |method: &&&str| match **method {
        "HEAD" => routes.contains(&"GET"),
        "OPTIONS" => true,
        method => routes.contains(&method),
    };
    let allowed: Vec<&str> = METHODS.iter().filter(there).copied().collect();
    allowed.join(", ")
}

/// The answer to OPTIONS; `open`: pages of other origins may read here.
pub fn options(allow: String, open: bool) -> Response {
    let answer = Response {
        status: 204,
        ..Response::default()
    };
    let answer = answer.with("Allow", allow);
    match open {
        false => answer,
        true => open_to_all(answer)
            .with("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
            .with("Access-Control-Allow-Headers", READ_HEADERS)
            .with("Access-Control-Max-Age", PREFLIGHT_AGE_S.to_string()),
    }
}

/// Anybody's page may read this.
pub fn open_to_all(response: Response) -> Response {
    let name = "Access-Control-Allow-Origin";
    match response.headers.iter().any(|(known, _)| *known == name) {
        true => response,
        false => response
            .with(name, "*")
            .with("Access-Control-Expose-Headers", SHOWN_HEADERS),
    }
}

pub fn is_read(head: &Head) -> bool {
    matches!(head.method.as_str(), "GET" | "HEAD")
}

pub fn is_api(parts: &[String]) -> bool {
    parts.first().is_some_and(|first| first == "api")
}

/// Whether it is a page of another host that asks. A browser lets any page open a WebSocket anywhere and
/// send what a form can send, and says here whose it is; behind a proxy with TLS the scheme is
/// another. Who is no page says nothing.
pub fn is_foreign(head: &Head) -> bool {
    let origins = values(&head.headers, "origin");
    let [origin] = origins[..] else {
        return !origins.is_empty();
    };
    let (scheme, host) = origin.split_once("://").unwrap_or_default();
    let port = match scheme {
        "https" | "wss" => ":443",
        _ => ":80",
    };
    let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
    let own = head.header("host").map(bare);
    host.is_empty() || own != Some(bare(host))
}

/// Whether the client said how its body ends.
pub fn has_body(head: &Head) -> bool {
    head.header("content-length").is_some() || head.header("transfer-encoding").is_some()
}

/// Whether the client names HTML among what it takes, and likes plain text no better: browsers
/// do, curl does not.
pub fn wants_html(head: &Head) -> bool {
    let accept = head.header("accept").unwrap_or("");
    let html = quality(accept, "text/html");
    html > 0.0 && html >= quality(accept, "text/plain")
}

/// Whether the client names that kind of content among what it takes, and likes it better than JSON.
pub fn prefers(head: &Head, kind: &str) -> bool {
    let accept = head.header("accept").unwrap_or("");
    quality(accept, kind) > quality(accept, "application/json")
}

/// How well the client likes content that its `Accept` names; 0 where it does not.
fn quality(accept: &str, kind: &str) -> f32 {
    let of_range = |range: &str| {
        let mut words = range.split(';').map(str::trim);
        let named = words
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(kind));
        let q = words.find_map(|word| word.strip_prefix("q=").or(word.strip_prefix("Q=")));
        let q = q.map_or(1.0, |q| q.parse().unwrap_or(0.0));
        named.then_some(q).filter(|q| (0.0..=1.0).contains(q))
    };
    accept.split(',').filter_map(of_range).fold(0.0, f32::max)
}

/// The host the client speaks to, if it may stand in a command that people copy.
pub fn host(head: &Head) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let host = head.header("host")?;
    let fits = (1..=255).contains(&host.len()) && !host.starts_with('-');
    (fits && host.bytes().all(plain)).then_some(host)
}
