//! Calls to the server.

use serde_json::Value;

use crate::notify::config::Config;
use crate::notify::limits::CALL_LIMIT_S;
use crate::notify::outcome::Outcome;
use crate::shell::curl::Call;

/// A call to the server. What anybody may read needs no token.
pub fn call(config: &Config, method: &'static str, path: &str, body: Option<Value>) -> Call {
    let mut headers = vec![("Accept", "application/json".to_string())];
    let token = config.server_token.as_ref();
    if let Some(token) = token.filter(|_| path.starts_with("/admin/")) {
        headers.push(("Authorization", format!("Bearer {token}")));
    }
    Call {
        method,
        url: format!("{}{path}", config.server),
        headers,
        body: body.map(|body| body.to_string()),
        limit_s: CALL_LIMIT_S,
    }
}

/// The outcome of an answer that is not what the server answers.
pub fn unreadable() -> Outcome {
    Outcome::Retry {
        after_s: None,
        why: "the answer of the server cannot be read".to_string(),
    }
}
