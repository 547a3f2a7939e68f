//! The requests that forges document.
//!
//! | | GitHub | Forgejo, Gitea | GitLab |
//! |---|---|---|---|
//! | status | `POST /repos/O/R/statuses/SHA` | the same | `POST /projects/ID/statuses/SHA` |
//! | issue | `POST /repos/O/R/issues` | the same | `POST /projects/ID/issues` |
//! | comment | `POST /repos/O/R/issues/N/comments` | the same | `POST /projects/ID/issues/N/notes` |
//! | close | `PATCH /repos/O/R/issues/N` | the same | `PUT /projects/ID/issues/N` |
//! | file | `GET /repos/O/R/contents/FILE` | `GET /repos/O/R/raw/FILE` | `GET /projects/ID/repository/files/FILE/raw` |

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::app::domain::repository::repository;
use crate::notify::config::{Forge, ForgeKind};
use crate::notify::fields::authority;
use crate::notify::limits::CALL_LIMIT_S;
use crate::shell::curl::Call;

/// The file by which the owner of a repository asks.
pub const OWNERS_FILE: &str = ".zigcheck.json";
/// Open issues among which ours is searched: the newest, as many as one page of each forge has.
const LISTED: &str = "50";

const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A part of a path, or a value of a query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// What a commit came to, in the words of this program.
#[derive(Debug, Clone, PartialEq)]
pub struct Status<'a> {
    pub sha: &'a str,
    pub state: &'a str,
    pub context: &'a str,
    pub description: &'a str,
    pub target_url: &'a str,
}

impl Forge {
    /// The path of a repository at this forge by its URL: `OWNER/REPO`, at GitLab with all groups.
    pub fn project(&self, url: &str) -> Option<String> {
        let url = repository(url)?;
        let rest = self.below(&url)?;
        let parts = rest.split('/').count();
        let is_one = match self.kind {
            ForgeKind::GitHub | ForgeKind::Forgejo => parts == 2,
            ForgeKind::GitLab => parts >= 2,
        };
        is_one.then_some(rest)
    }

    /// The rest of an URL behind that of the forge. The scheme does not matter.
    fn below(&self, url: &str) -> Option<String> {
        let own = repository(&format!("{}/x/y", self.url))?;
        let own = own.strip_suffix("/x/y")?;
        let (_, path) = url.split_once("://")?;
        let path = path.strip_prefix(own.split_once("://")?.1)?;
        let path = path.strip_prefix('/')?;
        // No part leads elsewhere.
        let is_plain = |part: &str| !matches!(part, "" | "." | "..");
        path.split('/').all(is_plain).then(|| path.to_string())
    }

    /// The project and the number of an issue by its URL.
    pub fn issue(&self, url: &str) -> Option<(String, String)> {
        let rest = self.below(url)?;
        let mut parts: Vec<&str> = rest.split('/').collect();
        let number = parts.pop()?;
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let is_issue = matches!(parts.pop()?, "issues" | "work_items") && is_number;
        if self.kind == ForgeKind::GitLab && parts.last() == Some(&"-") {
            parts.pop();
        }
        let is_project = match self.kind {
            ForgeKind::GitHub | ForgeKind::Forgejo => parts.len() == 2,
            ForgeKind::GitLab => parts.len() >= 2,
        };
        (is_issue && is_project).then(|| (parts.join("/"), number.to_string()))
    }

    /// The host of its API.
    pub fn receiver(&self) -> String {
        authority(&self.api).to_string()
    }

    pub fn set_status(&self, project: &str, status: &Status) -> Call {
        let Status {
            sha,
            state,
            context,
            description,
            target_url,
        } = status;
        let path = format!("statuses/{}", encoded(sha));
        let body = match self.kind {
            ForgeKind::GitHub | ForgeKind::Forgejo => json!({
                "state": match *state { "cancelled" => "error", state => state },
                "target_url": target_url,
                "description": description,
                "context": context,
            }),
            ForgeKind::GitLab => json!({
                "state": match *state {
                    "failure" | "error" => "failed",
                    "cancelled" => "canceled",
                    state => state,
                },
                "target_url": target_url,
                "description": description,
                "name": context,
            }),
        };
        self.call("POST", project, &path, Some(body))
    }

    pub fn open_issue(&self, project: &str, title: &str, text: &str) -> Call {
        let body = match self.kind {
            ForgeKind::GitHub | ForgeKind::Forgejo => json!({ "title": title, "body": text }),
            ForgeKind::GitLab => json!({ "title": title, "description": text }),
        };
        self.call("POST", project, "issues", Some(body))
    }

    /// The newest open issues.
    pub fn list_issues(&self, project: &str) -> Call {
        let query = match self.kind {
            ForgeKind::GitHub => format!("issues?state=open&per_page={LISTED}"),
            ForgeKind::Forgejo => format!("issues?state=open&type=issues&limit={LISTED}"),
            ForgeKind::GitLab => format!("issues?state=opened&per_page={LISTED}"),
        };
        self.call("GET", project, &query, None)
    }

    pub fn comment(&self, project: &str, number: &str, text: &str) -> Call {
        let what = match self.kind {
            ForgeKind::GitHub | ForgeKind::Forgejo => "comments",
            ForgeKind::GitLab => "notes",
        };
        let path = format!("issues/{number}/{what}");
        self.call("POST", project, &path, Some(json!({ "body": text })))
    }

    pub fn close_issue(&self, project: &str, number: &str) -> Call {
        let (method, body) = match self.kind {
            ForgeKind::GitHub | ForgeKind::Forgejo => ("PATCH", json!({ "state": "closed" })),
            ForgeKind::GitLab => ("PUT", json!({ "state_event": "close" })),
        };
        self.call(method, project, &format!("issues/{number}"), Some(body))
    }

    /// The file by which its owner asks, on the default branch: only those who may commit there have it changed.
    pub fn owners_file(&self, project: &str) -> Call {
        let path = match self.kind {
            ForgeKind::GitHub => format!("contents/{OWNERS_FILE}"),
            ForgeKind::Forgejo => format!("raw/{OWNERS_FILE}"),
            ForgeKind::GitLab => format!("repository/files/{OWNERS_FILE}/raw?ref=HEAD"),
        };
        let mut call = self.call("GET", project, &path, None);
        let accept = match self.kind {
            ForgeKind::GitHub => "application/vnd.github.raw+json",
            ForgeKind::Forgejo | ForgeKind::GitLab => "*/*",
        };
        call.headers[0].1 = accept.to_string();
        call
    }

    fn call(&self, method: &'static str, project: &str, path: &str, body: Option<Value>) -> Call {
        let project = match self.kind {
            ForgeKind::GitHub | ForgeKind::Forgejo => {
                let parts: Vec<String> = project.split('/').map(encoded).collect();
                format!("repos/{}", parts.join("/"))
            }
            ForgeKind::GitLab => format!("projects/{}", encoded(project)),
        };
        let (accept, token) = match self.kind {
            ForgeKind::GitHub => (
                "application/vnd.github+json",
                ("Authorization", format!("Bearer {}", self.token)),
            ),
            ForgeKind::Forgejo => (
                "application/json",
                ("Authorization", format!("token {}", self.token)),
            ),
            ForgeKind::GitLab => ("application/json", ("PRIVATE-TOKEN", self.token.clone())),
        };
        let mut headers = vec![("Accept", accept.to_string()), token];
        if self.kind == ForgeKind::GitHub {
            headers.push(("X-GitHub-Api-Version", "2022-11-28".to_string()));
        }
        Call {
            method,
            url: format!("{}/{project}/{path}", self.api),
            headers,
            body: body.map(|body| body.to_string()),
            limit_s: CALL_LIMIT_S,
        }
    }
}

/// The URL of an issue in the answer that it was opened.
pub fn opened(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    url_of(&value)
}

/// The URL of the open issue in a list with that title and with that text in it.
pub fn find(body: &str, title: &str, mark: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    let is_ours = |issue: &&Value| {
        let text = issue["body"].as_str().or(issue["description"].as_str());
        issue["title"] == title && text.is_some_and(|text| text.contains(mark))
    };
    value.as_array()?.iter().find(is_ours).and_then(url_of)
}

fn url_of(issue: &Value) -> Option<String> {
    let url = issue["html_url"].as_str().or(issue["web_url"].as_str())?;
    Some(url.to_string())
}
