//! The answers of short commands.

use crate::commands::doctor::facts::Known;
use crate::interface::event::{Command, Exit};
use crate::shell::one_shot;

/// The standard output of a command that succeeded.
pub fn answer_of(command: &Command, limit_ms: u64) -> Known<String> {
    let ended = one_shot::run(command, limit_ms)?;
    match ended.exit {
        Exit::Code(0) => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
        _ => Err(last_line(&ended.stderr)),
    }
}

/// The last line of an error.
pub fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let hints = ["Run 'docker", "See 'docker", "See 'podman"];
    let is_error = |line: &&str| !line.is_empty() && !hints.iter().any(|h| line.starts_with(h));
    let line = text.lines().map(str::trim).rfind(is_error);
    line.unwrap_or("it failed without a word").to_string()
}
