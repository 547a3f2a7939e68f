//! A task: what is sent at each of its stages, and what the answer means.

use serde_json::Value;

use crate::interface::event::{Command, Exit};
use crate::notify::config::Config;
use crate::notify::lookup::{self, Owners};
use crate::notify::outcome::Outcome;
use crate::notify::store::{Kind, Task};
use crate::notify::{issue, mail, status, webhook};
use crate::shell::ask::Reply;
use crate::shell::curl::Call;

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    Call(Call),
    /// A program that takes a message.
    Mail(Command),
}

/// How it was taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    Call(Result<Reply, String>),
    Mail(Exit, String),
}

/// What is sent at this stage. An error ends the task: it is not asked for any more.
pub fn send(config: &Config, task: &Task) -> Result<Sent, String> {
    let data: Value = serde_json::from_str(&task.data).map_err(|error| error.to_string())?;
    let stage = &task.stage[..];
    match task.kind {
        Kind::Event | Kind::Owner => lookup::send(config, stage, &data).map(Sent::Call),
        Kind::Status => status::send(config, &data).map(Sent::Call),
        Kind::Issue => issue::send(config, stage, &data).map(Sent::Call),
        Kind::Webhook => webhook::send(config, &data).map(Sent::Call),
        Kind::Mail => mail::send(config, &data).map(Sent::Mail),
    }
}

/// What becomes of the task.
pub fn answered(
    config: &Config,
    owners: &mut Owners,
    task: &Task,
    taken: Taken,
    now_ms: u64,
) -> Outcome {
    let data: Value = serde_json::from_str(&task.data).unwrap_or(Value::Null);
    let stage = &task.stage[..];
    match (task.kind, taken) {
        (Kind::Event | Kind::Owner, Taken::Call(reply)) => {
            lookup::answered(config, owners, (stage, data), reply, now_ms)
        }
        (Kind::Issue, Taken::Call(reply)) => issue::answered(config, stage, data, reply),
        (Kind::Status, Taken::Call(reply)) => status::answered(reply),
        (Kind::Webhook, Taken::Call(reply)) => webhook::answered(reply),
        (_, Taken::Mail(exit, said)) => mail::answered(exit, &said),
        (Kind::Mail, Taken::Call(_)) => Outcome::Failed("a mail is no request".to_string()),
    }
}
