//! What the answer of a receiver means for a task, and when it is tried again.

use crate::notify::limits::{GIVE_UP_MS, PAUSE_LIMIT_MS, RETRY_AFTER_LIMIT_S};
use crate::notify::store::NewTask;
use crate::shell::ask::Reply;

/// What becomes of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done, and these follow from it.
    Done(Vec<NewTask>),
    /// It goes on at another stage.
    Next(Next),
    /// It is tried again, at the earliest after what the receiver asks for.
    Retry { after_s: Option<u64>, why: String },
    /// It is over, for this reason.
    Failed(String),
}

/// The stage at which a task goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    pub stage: &'static str,
    pub receiver: String,
    pub data: String,
}

/// The reply if it is good; else what becomes of the task.
pub fn good(reply: Result<Reply, String>) -> Result<Reply, Outcome> {
    let reply = reply.map_err(|why| Outcome::Retry { after_s: None, why })?;
    let Reply {
        status,
        retry_after_s,
        ..
    } = reply;
    let sentence = || match clip(&reply.body) {
        body if body.is_empty() => format!("status {status}"),
        body => format!("status {status}: {body}"),
    };
    match status {
        200..=299 => Ok(reply),
        // A rate limit of GitHub is 403 as well, and then says until when.
        403 if retry_after_s.is_none() => Err(Outcome::Failed(sentence())),
        403 | 408 | 429 | 500.. => Err(Outcome::Retry {
            after_s: retry_after_s,
            why: sentence(),
        }),
        _ => Err(Outcome::Failed(sentence())),
    }
}

/// The reply of the server if it is good. What it refuses may be mended: its token is wrong, or it is another version.
pub fn good_of_server(reply: Result<Reply, String>) -> Result<Reply, Outcome> {
    match good(reply) {
        Err(Outcome::Failed(why)) => Err(Outcome::Retry { after_s: None, why }),
        result => result,
    }
}

/// When a task is tried again after its latest failure; none: it is given up. `attempts` have failed.
pub fn next_try(
    attempts: u32,
    after_s: Option<u64>,
    first_pause_ms: i64,
    (created_at, now): (i64, i64),
) -> Option<i64> {
    let doubled = first_pause_ms.saturating_mul(1 << attempts.saturating_sub(1).min(30));
    let asked = after_s.unwrap_or(0).min(RETRY_AFTER_LIMIT_S) as i64 * 1_000;
    let pause = doubled.min(PAUSE_LIMIT_MS).max(asked);
    (now - created_at < GIVE_UP_MS).then_some(now + pause)
}

/// The beginning of an answer, for the log.
fn clip(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<&str>>().join(" ");
    line.chars().take(200).collect()
}
