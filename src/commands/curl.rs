//! A call through curl, which has TLS, names of hosts and proxies.

use crate::interface::event::{Command, Exit, Input};
use crate::shell::ask::{Question, Reply};
use crate::shell::one_shot;

/// Asks the server with that URL.
pub fn ask(url: &str, question: &Question, limit_ms: u64) -> Result<Reply, String> {
    let command = Command {
        argv: ["curl", "--disable", "--config", "-"]
            .map(str::to_string)
            .to_vec(),
        // The token is in no argument, which others on this machine could see.
        stdin: vec![Input::Bytes(config(url, question, limit_ms).into_bytes())],
    };
    let ended = one_shot::run(&command, limit_ms + 1_000)?;
    let text = String::from_utf8_lossy(&ended.stdout);
    if ended.exit != Exit::Code(0) {
        let why = String::from_utf8_lossy(&ended.stderr);
        return Err(why.trim().to_string());
    }
    let (body, end) = text.rsplit_once('\n').unwrap_or(("", &text));
    let (status, wait) = end.split_once(' ').unwrap_or((end, ""));
    Ok(Reply {
        status: status
            .parse()
            .map_err(|_| format!("curl: {status:?} is no status"))?,
        retry_after_s: wait.trim().parse().ok(),
        body: body.to_string(),
    })
}

fn config(url: &str, question: &Question, limit_ms: u64) -> String {
    let url = url.trim_end_matches('/');
    let mut lines = vec![
        ("url", format!("{url}{}", question.path)),
        ("request", question.method.to_string()),
        ("header", "Accept: application/json".to_string()),
        ("max-time", (limit_ms / 1_000).to_string()),
        (
            "write-out",
            "\n%{http_code} %header{retry-after}".to_string(),
        ),
    ];
    if let Some(token) = &question.token {
        lines.push(("header", format!("Authorization: Bearer {token}")));
    }
    if !question.body.is_empty() {
        lines.push(("header", "Content-Type: application/json".to_string()));
        lines.push(("data-raw", question.body.clone()));
    }
    let quoted = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    let line = |(name, value): &(&str, String)| format!("{name} = \"{}\"\n", quoted(value));
    let lines: String = lines.iter().map(line).collect();
    format!("silent\nshow-error\n{lines}")
}
