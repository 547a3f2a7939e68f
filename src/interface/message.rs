//! Requests and responses as values.

use std::sync::{Arc, OnceLock};

use crate::base::control_chars::escaped;

/// The head of one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    pub method: String,
    /// Percent-encoded, as sent, without the query.
    pub path: String,
    /// The part behind the first `?`, as sent; empty without one.
    pub query: String,
    /// Names in lower case, in the order sent; values without surrounding white space.
    pub headers: Vec<(String, String)>,
    /// HTTP/1.0: a body without a length ends with the connection, and a cut one looks whole.
    pub http10: bool,
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

/// The decision on a request's body, by its head alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Pass the request on with its whole body. A body over the limit is answered 413.
    Collect { limit_bytes: u64 },
    /// Pass the request on without its body, and the body after it in pieces. Over the limit: 413.
    Spool { limit_bytes: u64 },
    /// Answer this in place of reading the body. The connection closes if there is a body.
    Refuse(Response),
}

/// A request: its head and, with `Admission::Collect`, its whole body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub head: Head,
    pub body: Vec<u8>,
    /// The body follows in pieces (`Admission::Spool`).
    pub spooled: bool,
}

/// An answer. The connection adds `Content-Length`, `Date`, `Connection` and the framing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub compressed: Compressed,
}

/// The compressed form of a body that is sent more than once: made for the first client that takes it.
#[derive(Debug, Clone, Default)]
pub struct Compressed(Option<Arc<OnceLock<Vec<u8>>>>);

/// It follows from the body.
impl PartialEq for Compressed {
    fn eq(&self, _: &Compressed) -> bool {
        true
    }
}

impl Eq for Compressed {}

impl Compressed {
    /// One that is kept for all clones of the response.
    pub fn shared() -> Compressed {
        Compressed(Some(Arc::default()))
    }

    /// The form that is kept, or else what `make` gives.
    pub fn get_or_make(&self, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        match &self.0 {
            Some(kept) => kept.get_or_init(make).clone(),
            None => make(),
        }
    }
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status,
            headers: vec![("Content-Type", content_type.to_string())],
            body: body.into(),
            compressed: Compressed::default(),
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

    /// An error with `Retry-After`: the wait in whole seconds, at least one.
    pub fn later(status: u16, sentence: &str, wait_ms: u64) -> Response {
        let seconds = wait_ms.div_ceil(1_000).max(1);
        Response::error(status, sentence).with("Retry-After", seconds.to_string())
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }
}
