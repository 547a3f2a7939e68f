//! The words of `zigcheck admin`, and the call that each of them makes.

use serde_json::{Value, json};

use crate::app::render::view::parts::part;

/// A word with those behind it.
pub struct AdminWord {
    pub name: &'static str,
    /// As the list shows them; all are needed.
    pub operands: &'static str,
    pub meaning: &'static str,
    pub method: &'static str,
    /// The path of the call; `{}` is the first operand.
    pub path: &'static str,
    /// The fields of the body for these operands; null: there is none.
    body: fn(&[String]) -> Value,
}

/// One call, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminCall {
    pub method: &'static str,
    pub path: String,
    /// JSON; empty: none.
    pub body: String,
}

const fn word(
    name: &'static str,
    operands: &'static str,
    call: (&'static str, &'static str),
    meaning: &'static str,
) -> AdminWord {
    AdminWord {
        name,
        operands,
        meaning,
        method: call.0,
        path: call.1,
        body: |_| Value::Null,
    }
}

impl AdminWord {
    const fn with(mut self, body: fn(&[String]) -> Value) -> AdminWord {
        self.body = body;
        self
    }

    fn count(&self) -> usize {
        self.operands.split_whitespace().count()
    }
}

/// All words, in the order of the list.
pub const WORDS: &[AdminWord] = &[
    word(
        "status",
        "",
        ("GET", "/admin/status"),
        "the server in numbers, and the hosts that packages asked for",
    ),
    word(
        "queue",
        "",
        ("GET", "/api/queue"),
        "what runs, and what waits",
    ),
    word(
        "packages",
        "",
        ("GET", "/api/packages?limit=100"),
        "the packages",
    ),
    word(
        "audit",
        "",
        ("GET", "/admin/audit?limit=100"),
        "what admins have changed",
    ),
    word("tokens", "", ("GET", "/admin/tokens"), "the tokens"),
    word(
        "make-token",
        "NAME SCOPE",
        ("POST", "/admin/tokens"),
        "makes a token and shows it once; SCOPE is admin or notify",
    )
    .with(|given| json!({ "name": given.first(), "scope": given.get(1) })),
    word(
        "delete-token",
        "NAME",
        ("DELETE", "/admin/tokens/{}"),
        "removes a token",
    ),
    word(
        "quotas",
        "",
        ("GET", "/admin/quotas"),
        "how much addresses may submit in place of the limit for all",
    ),
    word(
        "quota",
        "ADDRESS PER_HOUR",
        ("PUT", "/admin/quotas"),
        "lets an address or a network submit so often an hour",
    )
    .with(|given| {
        let per_hour = given.get(1).and_then(|number| number.parse::<u64>().ok());
        json!({ "address": given.first(), "per_hour": per_hour })
    }),
    word(
        "ban",
        "ADDRESS REASON",
        ("PUT", "/admin/quotas"),
        "lets an address or a network submit nothing, and tells it why",
    )
    .with(|given| json!({ "address": given.first(), "per_hour": 0, "reason": given.get(1) })),
    word(
        "end-quota",
        "ADDRESS",
        ("DELETE", "/admin/quotas?address={}"),
        "ends the quota or the ban of an address or a network",
    ),
    word(
        "hosts",
        "",
        ("GET", "/admin/hosts"),
        "the hosts that packages may name, and those that they asked for",
    ),
    word(
        "allow",
        "HOST",
        ("POST", "/admin/hosts"),
        "allows a host beside those of --allow-hosts",
    )
    .with(|given| json!({ "host": given.first() })),
    word(
        "disallow",
        "HOST",
        ("DELETE", "/admin/hosts?host={}"),
        "takes that back",
    ),
    word(
        "nodes",
        "",
        ("GET", "/admin/nodes"),
        "the nodes of the cluster, and what runs on each",
    ),
    word(
        "drain-node",
        "NODE REASON",
        ("PATCH", "/admin/nodes/{}"),
        "lets a node start nothing new; what runs there goes on",
    )
    .with(|given| json!({ "drained": true, "reason": given.get(1) })),
    word(
        "resume-node",
        "NODE",
        ("PATCH", "/admin/nodes/{}"),
        "takes a node back into service",
    )
    .with(|_| json!({ "drained": false })),
    word(
        "issues",
        "",
        ("GET", "/admin/issues"),
        "what was reported to repositories and is open",
    ),
    word(
        "set-issue",
        "PACKAGE VERSION URL STATUS",
        ("PUT", "/admin/issues"),
        "enters an issue that is open or closed",
    )
    .with(|given| {
        json!({
            "package": given.first(),
            "zig_version": given.get(1),
            "issue_url": given.get(2),
            "issue_status": given.get(3),
        })
    }),
    word(
        "drain",
        "",
        ("POST", "/admin/drain"),
        "starts nothing new, and ends the server once nothing runs",
    ),
    word("undrain", "", ("POST", "/admin/undrain"), "takes that back"),
    word(
        "cancel",
        "BUILD",
        ("DELETE", "/api/builds/{}"),
        "cancels a build",
    ),
    word(
        "rename",
        "PACKAGE NAME",
        ("PATCH", "/api/packages/{}"),
        "gives a package another name",
    )
    .with(|given| json!({ "name": given.get(1) })),
    word(
        "move",
        "PACKAGE URL",
        ("PATCH", "/api/packages/{}"),
        "points a package to another repository",
    )
    .with(|given| json!({ "url": given.get(1) })),
    word(
        "pause",
        "PACKAGE",
        ("PATCH", "/api/packages/{}"),
        "checks and builds nothing of a package; what is known of it stays",
    )
    .with(|_| json!({ "paused": true })),
    word(
        "resume",
        "PACKAGE",
        ("PATCH", "/api/packages/{}"),
        "checks a paused package again, at once",
    )
    .with(|_| json!({ "paused": false })),
    word(
        "delete",
        "PACKAGE",
        ("DELETE", "/api/packages/{}"),
        "removes a package with its builds",
    ),
    word(
        "check",
        "PACKAGE",
        ("POST", "/admin/trigger-build"),
        "checks a package ahead of the daily ones",
    )
    .with(|given| json!({ "package_name": given.first() })),
    word(
        "check-remotes",
        "",
        ("POST", "/admin/check-builds"),
        "asks all remotes for their commit now",
    ),
    word(
        "check-all",
        "VERSION",
        ("POST", "/admin/check-all"),
        "checks all packages under one Zig version",
    )
    .with(|given| json!({ "zig_version": given.first() })),
    word(
        "retry-errors",
        "",
        ("POST", "/admin/retry-errors"),
        "checks all packages again that ended in errors",
    ),
    word(
        "end-searches",
        "PACKAGE",
        ("DELETE", "/api/packages/{}/compat"),
        "ends the searches for commits of a package",
    ),
];

/// The call that these words make. An error says what is wrong with them.
pub fn read(words: &[String]) -> Result<AdminCall, String> {
    let (name, operands) = words.split_first().ok_or("admin: a word is missing")?;
    let known = WORDS.iter().find(|word| word.name == name);
    let word =
        known.ok_or_else(|| format!("admin {name}: unknown; zigcheck admin lists the words"))?;
    if operands.len() != word.count() {
        let takes = if word.operands.is_empty() {
            "nothing"
        } else {
            word.operands
        };
        return Err(format!("admin {name}: takes {takes}"));
    }
    let body = match (word.body)(operands) {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    Ok(AdminCall {
        method: word.method,
        path: word
            .path
            .replace("{}", &part(operands.first().map_or("", String::as_str))),
        body,
    })
}

/// The list of all words.
pub fn list() -> String {
    let line = |word: &AdminWord| {
        let usage = format!("{} {}", word.name, word.operands);
        format!("zigcheck admin {usage:<24} {}\n", word.meaning)
    };
    WORDS.iter().map(line).collect()
}
