//! The kinds of calls, by who may make them.

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
