//! The state of a container, as the engine gives it.

use crate::interface::event::Exit;

/// The state of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    Running,
    /// `oom_killed`: the memory limit ended a process in it.
    Exited {
        code: i32,
        oom_killed: bool,
    },
    /// Created, but never started.
    Created,
    /// No container has that name.
    Gone,
    /// The node that it was on is out of service, or its allocation was cancelled.
    Vacated,
    /// The scheduler does not say which node it is on.
    Unplaced,
    /// The engine does not say; what it said instead.
    Unknown(String),
}

/// Reads an answer to `inspect`: how the command exited, its standard output, its standard error.
pub fn container_state(exit: Option<&Exit>, answer: &str, stderr: &str) -> ContainerState {
    let stderr = stderr.trim();
    if exit != Some(&Exit::Code(0)) {
        // The words of `on_node.sh`.
        let last = stderr.lines().last().unwrap_or("");
        return match stderr {
            _ if last.starts_with("no such allocation: ") => ContainerState::Vacated,
            _ if last == "the scheduler does not answer" => ContainerState::Unplaced,
            _ if is_no_such(stderr) => ContainerState::Gone,
            _ => ContainerState::Unknown(stderr.to_string()),
        };
    }
    let mut parts = answer.split_whitespace();
    let (oom_killed, state) = (parts.next() == Some("true"), parts.next().unwrap_or(""));
    match (state, parts.next().and_then(|code| code.parse().ok())) {
        // Podman says `stopped` until it has cleaned up.
        ("exited" | "dead" | "stopped", Some(code)) => ContainerState::Exited { code, oom_killed },
        ("running" | "paused" | "restarting" | "stopping", _) => ContainerState::Running,
        ("created" | "configured" | "initialized", _) => ContainerState::Created,
        ("removing", _) => ContainerState::Gone,
        _ => ContainerState::Unknown(format!("the engine says of the container: {answer}")),
    }
}

/// True for the error of docker or podman about an unknown container. A missing socket ("no such file") is another
/// error.
fn is_no_such(stderr: &str) -> bool {
    let stderr = stderr.to_ascii_lowercase();
    stderr.contains("no such container") || stderr.contains("no such object")
}
