//! Requests through curl, which has TLS, names of hosts and proxies. Its settings come on its standard input: a token
//! in an argument could be seen by others on this machine.

use crate::interface::event::{Command, Exit, Input, Now};
use crate::shell::ask::Reply;

/// What is asked of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Option<String>,
    pub limit_s: u64,
}

/// What curl says of the answer at the end of its errors: the status, when to come again, and the rate limit of GitHub.
const SAID: &str = "%{stderr}\n%{http_code}\t%header{retry-after}\t%header{x-ratelimit-remaining}\t\
    %header{x-ratelimit-reset}";

/// The child that makes the call. It follows no redirect.
pub fn command(call: &Call) -> Command {
    let mut lines = vec![
        ("url", call.url.clone()),
        ("request", call.method.to_string()),
        ("max-time", call.limit_s.to_string()),
        ("write-out", SAID.to_string()),
    ];
    lines.extend(call.headers.iter().map(header));
    if let Some(body) = &call.body {
        lines.push(("header", "Content-Type: application/json".to_string()));
        // No server has to be asked before it gets a body of this size.
        lines.push(("header", "Expect:".to_string()));
        lines.push(("data-raw", body.clone()));
    }
    child("", &lines)
}

/// The child that reads a stream until its end. One that brings nothing for that long ends by itself.
pub fn stream(url: &str, headers: &[(&'static str, String)], silence_s: u64) -> Command {
    let mut lines = vec![
        ("url", url.to_string()),
        ("connect-timeout", silence_s.to_string()),
        ("speed-limit", "1".to_string()),
        ("speed-time", silence_s.to_string()),
    ];
    lines.extend(headers.iter().map(header));
    child("no-buffer\nfail\n", &lines)
}

fn header((name, value): &(&'static str, String)) -> (&'static str, String) {
    ("header", format!("{name}: {value}"))
}

fn child(words: &str, lines: &[(&str, String)]) -> Command {
    let quoted = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\t', "\\t")
    };
    let line = |(name, value): &(&str, String)| format!("{name} = \"{}\"\n", quoted(value));
    let lines: String = lines.iter().map(line).collect();
    let settings = format!("silent\nshow-error\ngloboff\nproto = \"=http,https\"\n{words}{lines}");
    Command {
        argv: ["curl", "--disable", "--config", "-"]
            .map(str::to_string)
            .to_vec(),
        stdin: vec![Input::Bytes(settings.into_bytes())],
    }
}

/// The reply in what the child of a call has written. An error says why there is none.
pub fn reply(exit: &Exit, stdout: &[u8], stderr: &[u8], now: Now) -> Result<Reply, String> {
    let stderr = String::from_utf8_lossy(stderr);
    let (errors, said) = stderr.rsplit_once('\n').unwrap_or((&stderr, ""));
    match exit {
        Exit::Code(0) => {}
        Exit::NotStarted(why) => return Err(why.clone()),
        Exit::Code(_) | Exit::Signal(_) if errors.trim().is_empty() => {
            return Err("no answer: curl was ended".to_string());
        }
        Exit::Code(_) | Exit::Signal(_) => return Err(errors.trim().to_string()),
    }
    let mut words = said.split('\t').map(str::trim);
    let mut next = || words.next().unwrap_or("");
    let (status, wait, remaining, reset) = (next(), next(), next(), next());
    let status = status
        .parse()
        .map_err(|_| format!("curl: {status:?} is no status"))?;
    Ok(Reply {
        status,
        retry_after_s: wait_s(wait, remaining, reset, now),
        body: String::from_utf8_lossy(stdout).into_owned(),
    })
}

/// How long a server asks to wait: by `Retry-After`, as seconds or as a date, or until its rate limit begins anew.
fn wait_s(wait: &str, remaining: &str, reset: &str, now: Now) -> Option<u64> {
    let now_s = u64::try_from(now.unix_ms / 1_000).unwrap_or(0);
    let since = |date: std::time::SystemTime| date.duration_since(std::time::UNIX_EPOCH).ok();
    let date = || httpdate::parse_http_date(wait).ok().and_then(since);
    let asked = wait.parse().ok();
    let asked = asked.or_else(|| date().map(|date| date.as_secs().saturating_sub(now_s)));
    let reset = reset.parse::<u64>().ok().filter(|_| remaining == "0");
    asked.or_else(|| reset.map(|at| at.saturating_sub(now_s)))
}
