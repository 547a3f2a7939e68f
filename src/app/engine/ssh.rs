//! The connection to the engine of another machine: one ssh, which forwards the engine's socket.
//!
//! ```text
//!   docker --host=unix://DATA/ssh/engine --> ssh ~~~ network ~~~ sshd --> /var/run/docker.sock
//! ```
//!
//! Not `docker --host=ssh://…`: that starts an ssh here and a docker there for each of the two to four connections of
//! one command, and sshd allows ten sessions in one connection. A forwarded socket is no session.
//!
//! The command ends once the connection is up, and the ssh goes on in the background until the line breaks. Given
//! again, it finds that ssh by its control socket and changes nothing. So it needs no supervisor, and a restarted
//! server uses the connection of the earlier one.

use std::path::{Path, PathBuf};

use crate::app::engine::limits::{SSH_CONNECT_LIMIT_S, SSH_KEEPALIVE_S, SSH_KEEPALIVES_LIMIT};
use crate::config::launcher::{SshHost, ssh_directory};

/// Where the engine of the other machine listens.
const REMOTE_SOCKET: &str = "/var/run/docker.sock";

#[derive(Debug, Clone)]
pub struct SshLine {
    destination: String,
    directory: PathBuf,
}

impl SshLine {
    pub fn new(host: &SshHost, data: &Path) -> SshLine {
        SshLine {
            destination: host.destination.clone(),
            directory: ssh_directory(data),
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// The engine's address on this machine.
    pub fn engine(&self) -> String {
        format!("unix://{}", self.path("engine"))
    }

    /// The words that open the connection, if it is not open.
    pub fn connect(&self) -> Vec<String> {
        let options = [
            "BatchMode=yes".to_string(),
            "LogLevel=ERROR".to_string(),
            format!("ConnectTimeout={SSH_CONNECT_LIMIT_S}"),
            // A line that is dead says nothing.
            format!("ServerAliveInterval={SSH_KEEPALIVE_S}"),
            format!("ServerAliveCountMax={SSH_KEEPALIVES_LIMIT}"),
            "ControlMaster=auto".to_string(),
            format!("ControlPath={}", self.path("control")),
            "ControlPersist=no".to_string(),
            "ExitOnForwardFailure=yes".to_string(),
            "StreamLocalBindUnlink=yes".to_string(),
            "StreamLocalBindMask=0177".to_string(),
            // The key and the host that the administrator put there, and no other.
            "IdentitiesOnly=yes".to_string(),
            "IdentityAgent=none".to_string(),
            format!("IdentityFile={}", self.path("id_ed25519")),
            "StrictHostKeyChecking=yes".to_string(),
            "UpdateHostKeys=no".to_string(),
            format!("UserKnownHostsFile={}", self.path("known_hosts")),
            "GlobalKnownHostsFile=none".to_string(),
        ];
        // `-F none`: neither the user's nor the system's configuration changes anything.
        let words = ["ssh", "-F", "none", "-f", "-N", "-T", "-a", "-x"];
        let words = words.map(str::to_string).into_iter();
        let options = options.into_iter();
        words
            .chain(options.flat_map(|option| ["-o".to_string(), option]))
            .chain([
                "-L".to_string(),
                format!("{}:{REMOTE_SOCKET}", self.path("engine")),
                format!("ssh://{}", self.destination),
            ])
            .collect()
    }
}
