//! Issues: one is open at the forge while a package that worked fails under a version.
//!
//! ```text
//!   known ──> verdict ──> post ──> record                             it fails, and no issue is open
//!    ^           │          └─ no answer ──> find ──> record, or post
//!    │           └──────> close ──> comment ──> record_closed ─┐      it works, and one is open
//!    └─────────────────────────────────────────────────────────┘
//! ```
//!
//! The server knows what is open, and how the package does now: an event only says that it is worth asking.

use serde_json::{Value, json};

use crate::app::domain::transition::Transition;
use crate::notify::config::{Config, Forge};
use crate::notify::facts::{Facts, statuses};
use crate::notify::forge::{self, encoded};
use crate::notify::outcome::{Next, Outcome, good, good_of_server};
use crate::notify::server;
use crate::notify::store::{Kind, NewTask};
use crate::notify::texts;
use crate::shell::ask::Reply;
use crate::shell::curl::Call;

pub fn task(
    config: &Config,
    facts: &Facts,
    (forge, project): (&Forge, &str),
    transition: Transition,
) -> NewTask {
    let (package, version) = (facts.package(), facts.zig_version());
    let text = match transition {
        Transition::NewlyBroken => texts::issue_text(config, facts),
        Transition::NewlyFixed => texts::mended_text(config, facts),
    };
    let data = json!({
        "package": package,
        "zig_version": version,
        "transition": transition.as_str(),
        "forge": forge.url,
        "project": project,
        "title": texts::issue_title(package, version),
        "mark": texts::issue_mark(package, version),
        "text": text,
    });
    NewTask {
        key: format!("issue/{}", facts.number()),
        subject: format!("issue/{package}/{version}"),
        kind: Kind::Issue,
        receiver: config.server_receiver(),
        stage: "known",
        data: data.to_string(),
        supersedes: false,
    }
}

/// The stage at which a task goes on if the answer of this one is never seen.
pub fn stage_without_answer(stage: &str) -> Option<&'static str> {
    // The issue may be there.
    (stage == "post").then_some("find")
}

pub fn send(config: &Config, stage: &str, data: &Value) -> Result<Call, String> {
    let text = |name: &str| data[name].as_str().unwrap_or("");
    let package = encoded(text("package"));
    match stage {
        "known" => {
            let path = format!("/admin/issues?package={package}");
            return Ok(server::call(config, "GET", &path, None));
        }
        "verdict" => {
            let path = format!("/api/packages/{package}");
            return Ok(server::call(config, "GET", &path, None));
        }
        "record" | "record_closed" => {
            let issue = json!({
                "package": text("package"),
                "zig_version": text("zig_version"),
                "issue_url": text("issue_url"),
                "issue_status": match stage { "record" => "open", _ => "closed" },
            });
            return Ok(server::call(config, "PUT", "/admin/issues", Some(issue)));
        }
        _ => {}
    }
    if let "post" | "find" = stage {
        let forge = config.forge(text("forge"))?;
        return Ok(match stage {
            "post" => forge.open_issue(text("project"), text("title"), text("text")),
            _ => forge.list_issues(text("project")),
        });
    }
    let (forge, project, number) = closable(config, text("issue_url"))
        .ok_or("the forge of the issue is not named any more")?;
    match stage {
        "close" => Ok(forge.close_issue(&project, &number)),
        "comment" => Ok(forge.comment(&project, &number, text("text"))),
        stage => Err(format!("an unknown stage {stage}")),
    }
}

/// Where an issue is closed.
fn closable<'c>(config: &'c Config, url: &str) -> Option<(&'c Forge, String, String)> {
    config.forges.iter().find_map(|forge| {
        let (project, number) = forge.issue(url)?;
        Some((forge, project, number))
    })
}

pub fn answered(
    config: &Config,
    stage: &str,
    data: Value,
    reply: Result<Reply, String>,
) -> Outcome {
    let is_gone = matches!(&reply, Ok(reply) if matches!(reply.status, 404 | 410));
    let is_of_server = matches!(stage, "known" | "verdict" | "record" | "record_closed");
    let reply = match (is_of_server, is_gone) {
        // The package was deleted meanwhile.
        (true, true) => return Outcome::Done(Vec::new()),
        (true, false) => good_of_server(reply),
        (false, _) => good(reply),
    };
    let to_server = |stage| Place {
        stage,
        receiver: config.server_receiver(),
    };
    match (stage, reply) {
        ("known", Ok(reply)) => known(config, data, &reply.body),
        ("verdict", Ok(reply)) => verdict(config, data, &reply.body),
        ("post", Ok(reply)) => match forge::opened(&reply.body) {
            Some(url) => to_server("record").with_issue(data, &url),
            None => Outcome::Failed("the forge names no issue that it opened".to_string()),
        },
        // What was not taken is not there.
        ("post", Err(outcome)) => outcome,
        ("find", Ok(reply)) => {
            let text = |name: &str| data[name].as_str().unwrap_or("");
            match forge::find(&reply.body, text("title"), text("mark")) {
                Some(url) => to_server("record").with_issue(data, &url),
                None => at_forge(config, "post", data),
            }
        }
        ("record", Ok(_)) => Outcome::Done(Vec::new()),
        ("close", Ok(_)) => next_at_issue(config, "comment", data),
        // Somebody has deleted it, or the comment is not wanted: it is not open.
        ("close", Err(_)) if is_gone => to_server("record_closed").with(data),
        ("comment", Ok(_) | Err(Outcome::Failed(_))) => to_server("record_closed").with(data),
        // There may be another one.
        ("record_closed", Ok(_)) => to_server("known").with(data),
        (_, Err(outcome)) => outcome,
        (stage, Ok(_)) => Outcome::Failed(format!("an unknown stage {stage}")),
    }
}

/// Where a task goes on.
struct Place {
    stage: &'static str,
    receiver: String,
}

impl Place {
    fn with(self, data: Value) -> Outcome {
        Outcome::Next(Next {
            stage: self.stage,
            receiver: self.receiver,
            data: data.to_string(),
        })
    }

    fn with_issue(self, mut data: Value, url: &str) -> Outcome {
        data["issue_url"] = json!(url);
        self.with(data)
    }
}

fn at_forge(config: &Config, stage: &'static str, data: Value) -> Outcome {
    match config.forge(data["forge"].as_str().unwrap_or("")) {
        Ok(forge) => Place {
            stage,
            receiver: forge.receiver(),
        }
        .with(data),
        Err(why) => Outcome::Failed(why),
    }
}

fn next_at_issue(config: &Config, stage: &'static str, data: Value) -> Outcome {
    let url = data["issue_url"].as_str().unwrap_or("");
    match closable(config, url) {
        Some((forge, ..)) => Place {
            stage,
            receiver: forge.receiver(),
        }
        .with(data),
        None => Outcome::Failed("the forge of the issue is not named any more".to_string()),
    }
}

/// Notes the open issues under the version: those that may be closed, and whether there is any.
fn known(config: &Config, mut data: Value, body: &str) -> Outcome {
    let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let Some(issues) = value["issues"].as_array() else {
        return server::unreadable();
    };
    let is_open = |issue: &&Value| {
        let status = issue["issue_status"].as_str().unwrap_or("open");
        issue["zig_version"] == data["zig_version"]
            && issue["resolved_at"].is_null()
            && status == "open"
    };
    let open: Vec<&Value> = issues.iter().filter(is_open).collect();
    // What a person opened is for that person to close.
    let ours = open.iter().filter(|issue| issue["auto_created"] == true);
    let urls = ours.filter_map(|issue| issue["issue_url"].as_str());
    let first = urls.into_iter().find(|url| closable(config, url).is_some());
    let (is_open, first) = (!open.is_empty(), first.map(str::to_string));
    data["is_open"] = json!(is_open);
    data["issue_url"] = json!(first);
    Place {
        stage: "verdict",
        receiver: config.server_receiver(),
    }
    .with(data)
}

/// What the package does now decides.
fn verdict(config: &Config, data: Value, body: &str) -> Outcome {
    let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let rows = value["build_results"].as_array();
    let row = rows.and_then(|rows| {
        rows.iter()
            .find(|row| row["zig_version"] == data["zig_version"])
    });
    let works = row.and_then(statuses).and_then(|statuses| statuses.works());
    // A verdict that says nothing leaves what the event said.
    let works = works.unwrap_or(data["transition"] == Transition::NewlyFixed.as_str());
    let is_open = data["is_open"] == true;
    let said_broken = data["transition"] == Transition::NewlyBroken.as_str();
    match works {
        false if !is_open && said_broken => at_forge(config, "post", data),
        true if data["issue_url"].is_string() && !said_broken => {
            next_at_issue(config, "close", data)
        }
        _ => Outcome::Done(Vec::new()),
    }
}
