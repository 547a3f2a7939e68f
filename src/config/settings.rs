//! All settings, as values.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::config::hook_secret::HookSecret;
use crate::config::launcher::Launcher;
use crate::config::proxies::Proxies;
use crate::config::token::Token;

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Default for Listen {
    /// A port of the system's choice on the loopback.
    fn default() -> Listen {
        Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }
}

/// Hosts that a git URL, a submodule or a dependency may name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hosts {
    #[default]
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

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(pub log::LevelFilter);

impl Default for LogLevel {
    fn default() -> LogLevel {
        LogLevel(log::LevelFilter::Info)
    }
}

/// The machine's resources, read once at start.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    pub cpus: usize,
    pub memory_bytes: u64,
}

/// All settings. `flags.rs` has the flag, default and meaning of each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    pub listen: Listen,
    pub data: PathBuf,
    /// The engine's command: docker, podman or a compatible one.
    pub docker: String,
    /// Where builds run.
    pub launcher: Launcher,
    /// Newest first.
    pub zig_versions: Vec<String>,
    /// The number of slots.
    pub max_builds: usize,
    /// Memory of each container.
    pub memory_bytes: u64,
    /// Processors of each container; at most the machine's, since docker refuses more.
    pub cpus: f64,
    pub build_timeout_ms: u64,
    pub silence_timeout_ms: u64,
    /// Docker network of fetch containers; build containers have none.
    pub fetch_network: String,
    pub allow_hosts: Hosts,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Proxies,
    /// Submissions of one address in an hour; 0: any number.
    pub submit_rate: u64,
    /// Bytes of uploads of one address in an hour; 0: any number.
    pub upload_rate_bytes: u64,
    /// Older commits are searched where the latest one of a package fails.
    pub commit_search: bool,
    /// What compiles natively is analysed for other targets.
    pub targets: bool,
    /// What a build of a package leaves is given to the build of its next commit.
    pub keep_caches: bool,
    /// Free bytes of the disk below which no new work starts; none: derived from the disk's size.
    pub disk_floor_bytes: Option<u64>,
    /// No flag: `DATABASE_LIMIT_BYTES`, but for tests.
    pub database_limit_bytes: u64,
    /// Where admin calls are taken without a token; none: nowhere.
    pub admin_socket: Option<PathBuf>,
    pub admin_token_file: Option<PathBuf>,
    /// The token in that file, once it is read. Tokens that were made are in the database.
    pub admin_token: Option<Token>,
    pub hook_secret_file: Option<PathBuf>,
    /// The secret in that file, once it is read. Without it anybody may say that there was a push.
    pub hook_secret: Option<HookSecret>,
    pub log_level: LogLevel,
}

impl Settings {
    /// True where fetch containers have a network of their own, which must reach public addresses only. The engine's
    /// own networks reach whatever this machine does: they are the owner's explicit choice.
    pub fn guards_fetches(&self) -> bool {
        !matches!(self.fetch_network.as_str(), "bridge" | "default" | "host")
    }
}
