//! What every page shows of the server, and how the client reached it.

use crate::app::render::sanitize::Clean;
use crate::app::store::toolchains::DatedVersion;

/// The form of a page that a client takes, and the address it used. A page depends on nothing else of a request but its
/// target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PageOptions {
    pub html: bool,
    /// The client shows a page as it comes: what changes is sent to it.
    pub is_live: bool,
    /// Verdicts in terminal colours.
    pub color: bool,
    /// The client's address of this server, safe for a shell command; with `https://` where that is needed.
    pub host: String,
    /// The start of absolute URLs of this server; none if the client named no host.
    pub origin: Option<String>,
}

/// The load of the server, and the moment of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub options: PageOptions,
    /// Slots in use.
    pub running: usize,
    pub slots: usize,
    /// Builds in the queue.
    pub waiting: u64,
    pub engine_is_up: bool,
    /// How many nodes of the cluster are in service, and how many there are.
    pub nodes: Option<(usize, usize)>,
    /// The address of what the newest Zig version changes; none where there is one version alone.
    pub compare: Option<String>,
    /// What is behind names such as `master`.
    pub dated: Vec<DatedVersion>,
    pub now_unix_ms: i64,
}

impl Site {
    /// The load in one line.
    pub fn load(&self) -> String {
        let (running, slots) = (self.running, self.slots);
        let waiting = count(self.waiting, "build");
        let nodes = self.nodes.map_or(String::new(), |(serving, all)| {
            format!("; {serving} of {all} nodes in service")
        });
        let engine = match self.engine_is_up {
            true => "",
            false => "; the container engine is unavailable",
        };
        format!("{running} of {slots} slots in use, {waiting} waiting{nodes}{engine}")
    }

    /// The name of a toolchain, with the version behind it if that differs: `master (0.18.0-dev.412)`.
    pub fn toolchain(&self, zig_version: &str) -> Clean {
        let dated = self.dated.iter().find(|row| row.zig_version == zig_version);
        let behind = dated.map(|row| format!(" ({})", row.dated_version));
        Clean::new(&format!("{zig_version}{}", behind.unwrap_or_default()))
    }

    /// The command that checks the tree in the current directory.
    pub fn check_command(&self) -> Clean {
        let host = &self.options.host;
        Clean::new(&format!(
            "git archive HEAD | curl -sN --data-binary @- '{host}/api/check?name=NAME&follow'"
        ))
    }
}

/// A number of things: `1 build`, `2 builds`.
pub fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
