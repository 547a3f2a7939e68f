//! Requests in terms of HTTP: methods, the parts of a path, `Accept`, origins and CORS.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::app::web::limits::PREFLIGHT_AGE_S;
use crate::interface::message::{Head, Response, values};

/// Known methods; any other is answered 501, not 405.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
];

/// Headers that a page of another origin may send when it reads.
const READ_HEADERS: &str =
    "Accept, If-Match, If-None-Match, If-Range, If-Unmodified-Since, Last-Event-ID, Range";

/// Headers of an answer that such a page may read, besides the ones that any page may.
const SHOWN_HEADERS: &str = "ETag, Content-Range, Retry-After";

pub fn is_method(method: &str) -> bool {
    METHODS.contains(&method)
}

/// The parts of a path, each decoded on its own: an escaped slash separates nothing. None where an escape is broken or
/// the text is not UTF-8.
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

/// The value of `Allow` for routes with these methods: GET implies HEAD, and every path answers OPTIONS.
pub fn allow(routes: &[&str]) -> String {
    let there = |method: &&&str| match **method {
        "HEAD" => routes.contains(&"GET"),
        "OPTIONS" => true,
        method => routes.contains(&method),
    };
    let allowed: Vec<&str> = METHODS.iter().filter(there).copied().collect();
    allowed.join(", ")
}

/// The answer to OPTIONS; `open`: pages of other origins may read this path.
pub fn options(allow: String, open: bool) -> Response {
    let answer = Response {
        status: 204,
        ..Response::default()
    };
    let answer = open_if(open, answer.with("Allow", allow));
    match open {
        false => answer,
        true => answer
            .with("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
            .with("Access-Control-Allow-Headers", READ_HEADERS)
            .with("Access-Control-Max-Age", PREFLIGHT_AGE_S.to_string()),
    }
}

/// The answer, with the headers that let pages of any origin read it if `open`.
pub fn open_if(open: bool, response: Response) -> Response {
    match open {
        false => response,
        true => response
            .with("Access-Control-Allow-Origin", "*")
            .with("Access-Control-Expose-Headers", SHOWN_HEADERS),
    }
}

pub fn is_read(head: &Head) -> bool {
    matches!(head.method.as_str(), "GET" | "HEAD")
}

pub fn is_api(parts: &[String]) -> bool {
    parts.first().is_some_and(|first| first == "api")
}

/// True where a page of another host sends the request. A browser lets any page open a WebSocket and submit a form to
/// any host, and names the page's origin. The scheme is not compared: behind a proxy with TLS it differs. Programs that
/// are not browsers send no origin.
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

/// True where a proxy has passed the request on, and says so. With HTTP/2 it may hold the head of an answer back until
/// it has a byte of the body.
pub fn is_proxied(head: &Head) -> bool {
    let names = ["x-forwarded-for", "x-real-ip", "forwarded", "via"];
    names.iter().any(|name| head.header(name).is_some())
}

/// True where the head says how long the body is.
pub fn has_body(head: &Head) -> bool {
    head.header("content-length").is_some() || head.header("transfer-encoding").is_some()
}

/// The content type of the body without its parameters; empty where none is named.
pub fn content_type(head: &Head) -> &str {
    let kind = head.header("content-type").unwrap_or("");
    kind.split(';').next().unwrap_or("").trim()
}

/// True for the type that curl gives to a body by default, whatever it is.
pub fn is_form(head: &Head) -> bool {
    content_type(head).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// True where `Accept` names HTML, and does not prefer plain text: browsers do, curl does not.
pub fn wants_html(head: &Head) -> bool {
    let accept = head.header("accept").unwrap_or("");
    let html = quality(accept, "text/html");
    html > 0.0 && html >= quality(accept, "text/plain")
}

/// True for browsers that know declarative shadow roots (`SINCE`: which ones do), and so show a page as it comes. Text
/// browsers know none.
pub fn shows_live_pages(head: &Head) -> bool {
    const SINCE: [(&str, (u32, u32)); 3] = [
        ("Chrome/", (111, 0)),
        ("Firefox/", (123, 0)),
        ("Version/", (16, 4)),
    ];
    let agent = head.header("user-agent").unwrap_or("");
    SINCE.iter().any(|(product, since)| {
        let version = agent.split_once(product).map_or("", |(_, behind)| behind);
        let end = version.find([' ', ';', ')']).unwrap_or(version.len());
        let mut numbers = version[..end]
            .split('.')
            .map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next()) >= *since
    })
}

/// True where `Accept` names this content type and prefers it to JSON.
pub fn prefers(head: &Head, kind: &str) -> bool {
    let accept = head.header("accept").unwrap_or("");
    quality(accept, kind) > quality(accept, "application/json")
}

/// True where `Accept` names JSON, and not plain text before it.
pub fn prefers_json(head: &Head) -> bool {
    let accept = head.header("accept").unwrap_or("");
    let json = quality(accept, "application/json");
    json > 0.0 && json >= quality(accept, "text/plain")
}

/// The quality of a content type in `Accept`; 0 where it is not named.
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

/// The value of `Host`, if it is safe in a command that people copy.
pub fn host(head: &Head) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let host = head.header("host")?;
    let fits = (1..=255).contains(&host.len()) && !host.starts_with('-');
    (fits && host.bytes().all(plain)).then_some(host)
}

/// The scheme by which the client reached this server, as the proxy before it says.
pub fn scheme(head: &Head) -> &'static str {
    match head.header("x-forwarded-proto") {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
        _ => "http",
    }
}
