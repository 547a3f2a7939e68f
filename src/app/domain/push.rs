//! A push, as forges describe it in the body of a hook.

use serde_json::Value;

use crate::app::domain::limits::PUSHED_REFS_LIMIT;
use crate::app::domain::repository::repository;

/// What a body has to be.
pub const EXPECTED: &str = "the body is no push as GitHub, Forgejo, Gitea, GitLab or sr.ht describe it: it has to name \
    its repository and its refs";

/// What was pushed, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// In the form of `repository`.
    pub repository: String,
    /// Whole: `refs/heads/main`.
    pub refs: Vec<String>,
    /// The branch that a package without a ref is fetched from, if the forge says so.
    pub default_branch: Option<String>,
}

impl Push {
    /// The push that a body describes; none where it is something else. `url` is where its repository is, for forges
    /// that do not say that.
    ///
    /// ```text
    /// GitHub, Forgejo, Gitea   ref, repository {clone_url, default_branch}
    /// GitLab                   ref, project {git_http_url, default_branch}
    /// sr.ht (GraphQL)          data.webhook {repository {name, owner {canonicalName}}, updates [{ref {name}}]}
    /// sr.ht (legacy)           refs [{name}]
    /// ```
    pub fn read(body: &Value, url: Option<&str>) -> Option<Push> {
        let body = body.pointer("/data/webhook").unwrap_or(body);
        let named = ["/repository", "/project"].iter();
        let mut named = named.filter_map(|at| body.pointer(at));
        let repository = url
            .map(str::to_string)
            .or_else(|| named.find_map(url_of))
            .and_then(|url| repository(&url))?;
        let refs = refs(body);
        let branch = ["/repository/default_branch", "/project/default_branch"];
        let mut branch = branch.iter().filter_map(|at| body.pointer(at)?.as_str());
        (!refs.is_empty()).then(|| Push {
            repository,
            refs,
            default_branch: branch.next().map(str::to_string),
        })
    }

    /// True where a package that is fetched from that ref, or from the default branch, may have a new commit by it.
    pub fn changes(&self, reference: Option<&str>) -> bool {
        let is_branch = |pushed: &str, name: &str| pushed.strip_prefix("refs/heads/") == Some(name);
        let is_tag = |pushed: &str, name: &str| pushed.strip_prefix("refs/tags/") == Some(name);
        self.refs.iter().any(|pushed| match reference {
            Some(name) => pushed == name || is_branch(pushed, name) || is_tag(pushed, name),
            None => match &self.default_branch {
                Some(branch) => is_branch(pushed, branch),
                None => pushed.starts_with("refs/heads/"),
            },
        })
    }
}

/// The URL that a repository of a body has.
fn url_of(repository: &Value) -> Option<String> {
    let names = [
        "clone_url",
        "git_http_url",
        "html_url",
        "web_url",
        "homepage",
    ];
    let mut urls = names
        .iter()
        .filter_map(|name| repository.get(name)?.as_str());
    if let Some(url) = urls.next() {
        return Some(url.to_string());
    }
    let owner = repository.pointer("/owner/canonicalName")?.as_str()?;
    let name = repository.get("name")?.as_str()?;
    Some(format!("https://git.sr.ht/{owner}/{name}"))
}

/// The refs of a body, at most `PUSHED_REFS_LIMIT`.
fn refs(body: &Value) -> Vec<String> {
    if let Some(reference) = body.get("ref").and_then(Value::as_str) {
        return vec![reference.to_string()];
    }
    let lists = [("updates", "/ref/name"), ("refs", "/name")];
    let all = lists.iter().filter_map(|(list, at)| {
        let list = body.get(list)?.as_array()?.iter();
        Some(list.filter_map(move |of| of.pointer(at)?.as_str()))
    });
    let all = all.flatten().map(str::to_string);
    all.take(PUSHED_REFS_LIMIT).collect()
}
