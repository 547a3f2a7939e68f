//! Every setting, as a value.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::proxies::Proxies;
use crate::config::token::Token;

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Hosts a git URL, submodules and dependencies may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    Any,
    These(Vec<String>),
}

impl Hosts {
    pub fn allow(&self, host: &str) -> bool {
        match self {
            Hosts::Any => true,
            Hosts::These(known) => known.iter().any(|k| k.eq_ignore_ascii_case(host)),
        }
    }
}

impl std::fmt::Display for Hosts {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Hosts::Any => out.write_str("*"),
            Hosts::These(known) => out.write_str(&known.join(",")),
        }
    }
}

/// What the machine has, read once at start.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    pub cpus: usize,
    pub memory_bytes: u64,
}

/// Every setting. Flags win over the environment, the environment over the default.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub listen: Listen,
    pub data: PathBuf,
    /// The command that speaks docker's language.
    pub docker: String,
    /// Newest first.
    pub zig_versions: Vec<String>,
    /// Slots.
    pub max_builds: usize,
    /// Of each container.
    pub memory_bytes: u64,
    /// Of each container; never more than the machine has, which docker refuses.
    pub cpus: f64,
    pub build_timeout_ms: u64,
    pub silence_timeout_ms: u64,
    /// Docker network of fetch containers; build containers have none.
    pub fetch_network: String,
    pub allow_hosts: Hosts,
    /// Who may say for whom it asks.
    pub trusted_proxies: Proxies,
    /// Submissions of one address in an hour; 0: any number.
    pub submit_rate: u64,
    /// Bytes of uploads of one address in an hour; 0: any number.
    pub upload_rate_bytes: u64,
    /// Free bytes of the disk below which nothing new begins; without it that hangs on the disk's size.
    pub disk_floor_bytes: Option<u64>,
    /// No flag: see `DATABASE_LIMIT_BYTES`.
    pub database_limit_bytes: u64,
    pub admin_token_file: Option<PathBuf>,
    /// What that file holds, once it was read; without it nobody may make an admin call.
    pub admin_token: Option<Token>,
    pub log_level: log::LevelFilter,
}

impl Settings {
    /// Fetch containers have a network of their own, which must lead to public addresses alone. The
    /// engine's own networks, which lead wherever this machine does, are the owner's explicit choice.
    pub fn guards_fetches(&self) -> bool {
        !matches!(self.fetch_network.as_str(), "bridge" | "default" | "host")
    }
}
