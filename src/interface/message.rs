//! A request and a response as values: what connections carry and the app answers.

use crate::base::control_chars::escaped;

/// The head of one request, as far as the app may decide on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    pub method: String,
    /// Percent-encoded, as sent, without the query.
    pub path: String,
    /// What stands behind the first `?`, as sent; empty without one.
    pub query: String,
    /// Names in lower case, in the order sent; values without surrounding white space.
    pub headers: Vec<(String, String)>,
}

/// The values of all headers of that name, which is given in lower case.
pub fn values<'h>(headers: &'h [(String, String)], name: &str) -> Vec<&'h str> {
    let named = headers.iter().filter(|(known, _)| known == name);
    named.map(|(_, value)| value.as_str()).collect()
}

impl Head {
    /// The value of the first header of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What may become of the body of a request, decided on its head alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The body comes whole with the request; over the limit the answer is 413.
    Collect { limit_bytes: u64 },
    /// The request comes without its body, the body after it piece by piece; over the limit: 413.
    Spool { limit_bytes: u64 },
    /// The body is not wanted: this is the answer, and the connection ends after it.
    Refuse(Response),
}

/// A request that was read: its head and, where it was admitted with `Collect`, its whole body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub head: Head,
    pub body: Vec<u8>,
    /// The body follows in pieces (`Admission::Spool`).
    pub spooled: bool,
}

/// An answer. `Content-Length`, `Date`, `Connection` and the framing are the connection's business.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status,
            headers: vec![("Content-Type", content_type.to_string())],
            body: body.into(),
        }
    }

    pub fn json(status: u16, value: &serde_json::Value) -> Response {
        let mut body = escaped(value.to_string()).into_bytes();
        body.push(b'\n');
        Response::new(status, "application/json", body)
    }

    /// `{"error": "one sentence"}` with that status.
    pub fn error(status: u16, sentence: &str) -> Response {
        Response::json(status, &serde_json::json!({ "error": sentence }))
    }

    /// The same, and how long it makes no sense to ask again: in whole seconds, at least one.
    pub fn later(status: u16, sentence: &str, wait_ms: u64) -> Response {
        let seconds = wait_ms.div_ceil(1_000).max(1);
        Response::error(status, sentence).with("Retry-After", seconds.to_string())
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }
}
