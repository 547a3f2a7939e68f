//! From an event to what is sent: the server is asked for the build and its package, the repository for what its owner
//! asked for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::domain::task::Priority;
use crate::app::domain::verdict::State;
use crate::notify::config::{Asked, Config, owners_file};
use crate::notify::facts::Facts;
use crate::notify::forge::encoded;
use crate::notify::limits::{OWNERS_KEPT_MS, OWNERS_LIMIT};
use crate::notify::outcome::{Next, Outcome, good_of_server};
use crate::notify::server::{self, unreadable};
use crate::notify::store::{Kind, NewTask};
use crate::notify::{issue, mail, outcome, status, webhook};
use crate::shell::ask::Reply;
use crate::shell::curl::Call;

/// The fields of a build that are kept.
const BUILD: [&str; 12] = [
    "id",
    "package",
    "commit",
    "state",
    "build_status",
    "test_status",
    "import_status",
    "compiled",
    "reason",
    "detail",
    "error_log",
    "finished_at",
];
/// Kept of the errors of a build.
const ERRORS_LIMIT_CHARS: usize = 8_000;

/// What repositories asked for lately.
#[derive(Debug, Default)]
pub struct Owners {
    /// By URL, with the time until which it holds.
    known: BTreeMap<String, (Asked, u64)>,
}

impl Owners {
    fn get(&self, url: &str, now_ms: u64) -> Option<&Asked> {
        let known = self.known.get(url);
        known
            .filter(|(_, until)| *until > now_ms)
            .map(|(asked, _)| asked)
    }

    fn set(&mut self, url: &str, asked: Asked, now_ms: u64) {
        if self.known.len() >= OWNERS_LIMIT {
            self.known.retain(|_, (_, until)| *until > now_ms);
        }
        if self.known.len() >= OWNERS_LIMIT {
            self.known.pop_first();
        }
        self.known
            .insert(url.to_string(), (asked, now_ms + OWNERS_KEPT_MS));
    }
}

/// The first task of an event, whose data is `event`.
pub fn task(config: &Config, event: &str, (seq, at): (u64, &str)) -> Option<NewTask> {
    let event: Value = serde_json::from_str(event).ok()?;
    let key = format!("event/{seq}/{at}");
    Some(NewTask {
        subject: key.clone(),
        key,
        kind: Kind::Event,
        receiver: config.server_receiver(),
        stage: "build",
        data: json!({ "event": event }).to_string(),
        supersedes: false,
    })
}

pub fn send(config: &Config, stage: &str, data: &Value) -> Result<Call, String> {
    let facts = Facts(data.clone());
    let path = match stage {
        "build" => format!("/api/builds/{}", facts.build()),
        "package" => format!("/api/packages/{}", encoded(facts.package())),
        "file" => {
            let (forge, project) = config
                .forge_of(facts.url())
                .ok_or("its forge is not named any more")?;
            return Ok(forge.owners_file(&project));
        }
        stage => return Err(format!("an unknown stage {stage}")),
    };
    Ok(server::call(config, "GET", &path, None))
}

pub fn answered(
    config: &Config,
    owners: &mut Owners,
    (stage, data): (&str, Value),
    reply: Result<Reply, String>,
    now_ms: u64,
) -> Outcome {
    let is_gone = matches!(&reply, Ok(reply) if reply.status == 404);
    let facts = Facts(data);
    let outcome = match stage {
        "file" => return file(config, owners, &facts, reply, now_ms),
        // It was deleted meanwhile: nothing is left to say of it.
        _ if is_gone => return Outcome::Done(Vec::new()),
        "build" => good_of_server(reply).map(|reply| build(config, facts, &reply.body)),
        _ => good_of_server(reply).map(|reply| package(config, owners, facts, &reply.body, now_ms)),
    };
    outcome.unwrap_or_else(|outcome| outcome)
}

fn build(config: &Config, mut facts: Facts, body: &str) -> Outcome {
    let Ok(build) = serde_json::from_str::<Value>(body) else {
        return unreadable();
    };
    // A search tries commits that nobody asked about. An upload is of no package.
    let is_try = build["priority"].as_u64() == Some(Priority::Search.number() as u64);
    if is_try || build["uploaded"] != false {
        return Outcome::Done(Vec::new());
    }
    let kept = BUILD
        .iter()
        .map(|name| (name.to_string(), build[name].clone()));
    facts.0["build"] = Value::Object(kept.collect());
    let errors = build["error_log"].as_str().unwrap_or("");
    let errors: String = errors.chars().take(ERRORS_LIMIT_CHARS).collect();
    facts.0["build"]["error_log"] = json!(errors);
    Outcome::Next(Next {
        stage: "package",
        receiver: config.server_receiver(),
        data: facts.0.to_string(),
    })
}

fn package(config: &Config, owners: &Owners, mut facts: Facts, body: &str, now_ms: u64) -> Outcome {
    let Ok(package) = serde_json::from_str::<Value>(body) else {
        return unreadable();
    };
    facts.0["package"] = json!({ "name": package["name"], "url": package["url"] });
    let asked = config.asked(facts.package());
    let mut tasks = tasks(config, &facts, &asked);
    // A package of another branch, or of a change that somebody proposes, is not what the owner speaks of.
    let follows_default = package["ref"].is_null();
    if let Some((forge, _)) = config.forge_of(facts.url())
        && forge.owners
        && follows_default
        && !(asked.status && asked.issue)
    {
        match owners.get(facts.url(), now_ms) {
            Some(asked) => tasks.extend(self::tasks(config, &facts, asked)),
            None => tasks.push(NewTask {
                key: format!("owner/{}", facts.number()),
                subject: format!("owner/{}", facts.number()),
                kind: Kind::Owner,
                receiver: forge.receiver(),
                stage: "file",
                data: facts.0.to_string(),
                supersedes: false,
            }),
        }
    }
    Outcome::Done(tasks)
}

/// What the owner asked for, by the answer of the forge.
fn file(
    config: &Config,
    owners: &mut Owners,
    facts: &Facts,
    reply: Result<Reply, String>,
    now_ms: u64,
) -> Outcome {
    let is_missing = matches!(&reply, Ok(reply) if matches!(reply.status, 404 | 301 | 302 | 307));
    let asked = match outcome::good(reply) {
        Ok(reply) => owners_file(&reply.body),
        Err(_) if is_missing => Asked::default(),
        Err(outcome) => {
            if let Outcome::Failed(_) = outcome {
                // A token without this right is not tried at each event.
                owners.set(facts.url(), Asked::default(), now_ms);
            }
            return outcome;
        }
    };
    owners.set(facts.url(), asked.clone(), now_ms);
    Outcome::Done(tasks(config, facts, &asked))
}

/// What is sent about an event to those who asked for it.
pub fn tasks(config: &Config, facts: &Facts, asked: &Asked) -> Vec<NewTask> {
    let mut tasks = Vec::new();
    let at_forge = config.forge_of(facts.url());
    let transition = facts.transition();
    if let Some((forge, project)) = &at_forge {
        if asked.status && transition.is_none() {
            tasks.extend(status::task(config, facts, forge, project));
        }
        if let Some(transition) = transition.filter(|_| asked.issue) {
            tasks.push(issue::task(config, facts, (forge, project), transition));
        }
    }
    let is_verdict = facts.event()["state"] == State::Finished.as_str();
    if transition.is_some() || is_verdict {
        let webhooks = asked.webhooks.iter();
        tasks.extend(webhooks.map(|url| webhook::task(config, facts, url)));
    }
    if let (Some(transition), Some(mail)) = (transition, &config.mail) {
        let mails = asked.mail.iter();
        tasks.extend(mails.map(|to| mail::task(config, facts, (mail, to), transition)));
    }
    tasks
}
