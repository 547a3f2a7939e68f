//! What the doctor has found out, as plain values.

use crate::app::engine::capabilities::Capabilities;
use crate::config::settings::Settings;

/// An answer, or why there is none.
pub type Known<T> = Result<T, String>;

#[derive(Debug, Clone)]
pub struct Facts {
    pub now_unix_ms: i64,
    pub settings: Settings,
    pub server: Known<Health>,
    pub engine: Known<EngineFacts>,
    /// One for each version of the settings; empty while the engine does not answer.
    pub images: Vec<ImageFacts>,
    /// What the probe has printed; none: there was no engine or no image to ask.
    pub network: Option<Known<String>>,
    pub disk: Known<DiskFacts>,
    /// True where the system's clock follows others; none: the system does not say.
    pub is_synchronised: Option<bool>,
    /// The most files that a server started from here may open.
    pub open_files: u64,
    pub database: DatabaseFacts,
    /// The time of the newest backup; none: there is none.
    pub newest_backup_unix_ms: Known<Option<i64>>,
    /// Where backups are.
    pub backups: String,
    pub builds: Vec<BuildFacts>,
}

/// What a running server says of itself.
#[derive(Debug, Clone, Default)]
pub struct Health {
    pub version: String,
    pub is_healthy: bool,
    pub error: Option<String>,
    pub proxy_headers: String,
}

#[derive(Debug, Clone, Default)]
pub struct EngineFacts {
    pub version: String,
    pub capabilities: Capabilities,
}

#[derive(Debug, Clone)]
pub struct ImageFacts {
    pub zig_version: String,
    /// None: there is no such image.
    pub id: Option<String>,
    /// None where the engine does not say.
    pub made_unix_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub struct DiskFacts {
    pub free_bytes: u64,
    /// Below it a server starts nothing new.
    pub floor_bytes: u64,
    /// Files that can still be made, and files in all; 0 in all: the file system has no such limit.
    pub free_files: u64,
    pub all_files: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DatabaseFacts {
    Missing,
    /// Its newest build was asked for at that time; none: it has none.
    Whole {
        newest_unix_ms: Option<i64>,
    },
    Damaged(String),
    /// The examination took too long.
    Unexamined,
}

#[derive(Debug, Clone)]
pub struct BuildFacts {
    pub zig_version: String,
    /// How long it took, in milliseconds.
    pub result: Known<u64>,
}
