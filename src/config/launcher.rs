//! Where builds run: on the engine of this machine, on that of another one, or on those of a cluster.

use std::path::{Path, PathBuf};

use crate::config::limits::{HOST_LIMIT_CHARS, SSH_DIRECTORY_LIMIT_BYTES};

/// What starts builds. Fetches are always started on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Launcher {
    /// The engine of this machine.
    #[default]
    Local,
    /// The engine of one other machine, over ssh.
    Ssh(SshHost),
    /// The engines of the nodes of a Slurm cluster.
    Slurm,
}

/// The machine that ssh connects to: `[USER@]HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshHost {
    /// With user and port, as ssh takes it behind `ssh://`.
    pub destination: String,
    /// The name of the node in answers and logs.
    pub name: String,
}

impl SshHost {
    /// None for anything but host names and IPv4 addresses in plain characters: ssh must not take one for an option.
    pub fn read(text: &str) -> Option<SshHost> {
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (name, port) = match rest.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (rest, None),
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
        let is_whole = is_word(name) && user.is_none_or(is_word) && port.is_none_or(is_port);
        is_whole.then(|| SshHost {
            destination: text.to_string(),
            name: name.to_string(),
        })
    }
}

/// True for a word of letters, digits, `.`, `-` and `_` that begins with none of the signs.
fn is_word(word: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    word.len() <= HOST_LIMIT_CHARS
        && word.bytes().all(plain)
        && word.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The directory of keys and sockets for ssh in a data directory.
pub fn ssh_directory(data: &Path) -> PathBuf {
    data.join("ssh")
}

/// An error if sockets in the ssh directory of that data directory would have no valid path.
pub fn check_ssh_directory(data: &Path) -> Result<(), String> {
    let path = ssh_directory(data);
    let text = path.to_str().unwrap_or("");
    // ssh reads the path as a word of its configuration: it expands `%` and `$`, and a blank or a colon ends it.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._+-".contains(&b);
    match path.is_absolute() && text.bytes().all(plain) && text.len() <= SSH_DIRECTORY_LIMIT_BYTES {
        true => Ok(()),
        false => Err(format!(
            "--data {}: with --launcher ssh the path must be absolute, of letters, digits, `/._+-`, and with /ssh at \
             most {SSH_DIRECTORY_LIMIT_BYTES} bytes",
            data.display()
        )),
    }
}
