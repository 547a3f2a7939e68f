//! A call to a server elsewhere.

use crate::shell::ask::{Question, Reply};
use crate::shell::clock::Clock;
use crate::shell::{curl, one_shot};

/// Asks the server with that URL.
pub fn ask(url: &str, question: &Question, limit_ms: u64) -> Result<Reply, String> {
    let mut headers = vec![("Accept", "application/json".to_string())];
    if let Some(token) = &question.token {
        headers.push(("Authorization", format!("Bearer {token}")));
    }
    let call = curl::Call {
        method: question.method,
        url: format!("{}{}", url.trim_end_matches('/'), question.path),
        headers,
        body: Some(question.body.clone()).filter(|body| !body.is_empty()),
        limit_s: limit_ms / 1_000,
    };
    let ended = one_shot::run(&curl::command(&call), limit_ms + 1_000)?;
    curl::reply(
        &ended.exit,
        &ended.stdout,
        &ended.stderr,
        Clock::start().now(),
    )
}
