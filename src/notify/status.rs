//! Commit statuses.

use serde_json::{Value, json};

use crate::app::domain::verdict::State;
use crate::notify::config::{Config, Forge};
use crate::notify::facts::Facts;
use crate::notify::forge::Status;
use crate::notify::outcome::{Outcome, good};
use crate::notify::store::{Kind, NewTask};
use crate::notify::texts;
use crate::shell::ask::Reply;
use crate::shell::curl::Call;

/// The status that the build of an event gives its commit; none where there is no commit.
pub fn task(config: &Config, facts: &Facts, forge: &Forge, project: &str) -> Option<NewTask> {
    let sha = facts.commit()?;
    let build = facts.build();
    let (state, key) = match (facts.state()?, facts.statuses()?.works()) {
        (State::Queued | State::Fetching, _) => return None,
        (State::Building | State::Testing, _) => ("pending", format!("status/{build}/pending")),
        (State::Cancelled, _) => ("cancelled", String::new()),
        (State::Finished, Some(true)) => ("success", String::new()),
        (State::Finished, Some(false)) => ("failure", String::new()),
        (State::Finished, None) => ("error", String::new()),
    };
    let key = match key.is_empty() {
        false => key,
        true => format!("status/{build}/{state}/{}", facts.finished_at()),
    };
    let version = facts.zig_version();
    let data = json!({
        "forge": forge.url,
        "project": project,
        "sha": sha,
        "state": state,
        "context": format!("zigcheck/{version}"),
        "description": texts::description(facts),
        "target_url": texts::build_url(config, build),
    });
    Some(NewTask {
        key,
        subject: format!("status/{}/{project}/{sha}/{version}", forge.url),
        kind: Kind::Status,
        receiver: forge.receiver(),
        stage: "post",
        data: data.to_string(),
        supersedes: true,
    })
}

pub fn send(config: &Config, data: &Value) -> Result<Call, String> {
    let text = |name: &str| data[name].as_str().unwrap_or("");
    let forge = config.forge(text("forge"))?;
    let status = Status {
        sha: text("sha"),
        state: text("state"),
        context: text("context"),
        description: text("description"),
        target_url: text("target_url"),
    };
    Ok(forge.set_status(text("project"), &status))
}

pub fn answered(reply: Result<Reply, String>) -> Outcome {
    match good(reply) {
        Ok(_) => Outcome::Done(Vec::new()),
        Err(outcome) => outcome,
    }
}
