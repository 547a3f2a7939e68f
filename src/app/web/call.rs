//! A call as the reference describes it, and the kinds of calls, by who may make them.

/// A call as programs know it.
#[derive(Debug)]
pub struct Call {
    pub method: &'static str,
    /// `{name}` is one part of the path.
    pub path: &'static str,
    pub summary: &'static str,
    /// The parameters of the query; `schema` has their types.
    pub query: &'static str,
    pub body: Body,
    pub answer: Answer,
    /// What it may be answered where nothing is wrong.
    pub good: &'static [u16],
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    None,
    /// A JSON object with these fields.
    Json(&'static str),
    Archive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A JSON object with these fields.
    Json(&'static str),
    /// A body of this type.
    Other(&'static str),
    None,
}

pub(super) const fn call(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    query: &'static str,
    answer: Answer,
) -> Call {
    Call {
        method,
        path,
        summary,
        query,
        body: Body::None,
        answer,
        good: &[200],
        kind: Kind::Read,
    }
}

pub(super) const fn get(
    path: &'static str,
    summary: &'static str,
    query: &'static str,
    answer: Answer,
) -> Call {
    call("GET", path, summary, query, answer)
}

impl Call {
    pub(super) const fn with(mut self, kind: Kind, body: Body, good: &'static [u16]) -> Call {
        self.kind = kind;
        self.body = body;
        self.good = good;
        self
    }
}

/// The access to a call, which decides how it can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Submit,
    Admin,
    /// Anyone, or whoever knows the secret of hooks.
    Hook,
    /// From the server's machine; from elsewhere with the admin token.
    Local,
    Socket,
}

impl Kind {
    /// The errors that every call of its kind may get.
    pub fn errors(self) -> &'static [u16] {
        match self {
            Kind::Read => &[304, 400, 404, 412, 414, 416, 431, 503],
            Kind::Submit => &[
                400, 403, 404, 408, 409, 411, 412, 413, 414, 415, 429, 431, 503, 507,
            ],
            Kind::Admin => &[
                400, 401, 403, 404, 409, 411, 412, 413, 414, 415, 431, 503, 507,
            ],
            Kind::Hook => &[
                400, 401, 403, 404, 408, 411, 412, 413, 414, 415, 429, 431, 503, 507,
            ],
            Kind::Local => &[304, 400, 401, 403, 412, 414, 416, 431, 503],
            Kind::Socket => &[400, 403, 404, 414, 426, 431, 503],
        }
    }
}
