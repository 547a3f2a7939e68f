//! What a client requires of a check, and the lines that close a report of it.

use crate::app::domain::verdict::State;
use crate::app::store::builds::BuildRow;

/// The versions whose builds must be green or amber.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Required {
    #[default]
    Nothing,
    All,
    Versions(Vec<String>),
}

impl Required {
    /// The required versions of a check with these builds; an error is the first one that it is not tried under.
    pub fn of(&self, builds: &[BuildRow]) -> Result<Vec<String>, String> {
        let tried = builds.iter().map(|build| &build.zig_version);
        match self {
            Required::Nothing => Ok(Vec::new()),
            Required::All => Ok(tried.cloned().collect()),
            Required::Versions(versions) => {
                let is_tried = |version: &&String| tried.clone().any(|tried| tried == *version);
                match versions.iter().find(|version| !is_tried(version)) {
                    Some(version) => Err(version.clone()),
                    None => Ok(versions.clone()),
                }
            }
        }
    }
}

fn is_good(build: &BuildRow) -> bool {
    build.statuses().works() == Some(true)
}

/// How many of these builds are green or amber.
pub fn good(builds: &[BuildRow]) -> usize {
    builds.iter().filter(|build| is_good(build)).count()
}

/// The required versions that are neither green nor amber, each with its verdict: `0.17.1 failed`.
pub fn unmet(required: &[String], builds: &[BuildRow]) -> Vec<String> {
    let mut unmet = Vec::new();
    for version in required {
        let mut of_version = builds.iter();
        let build = of_version.find(|build| build.zig_version == *version);
        let word = match build {
            None => "deleted",
            Some(build) if is_good(build) => continue,
            Some(build) if build.state == State::Cancelled => "cancelled",
            Some(build) => build.statuses().describe(),
        };
        unmet.push(format!("{version} {word}"));
    }
    unmet
}

/// The last lines of a report: what is required, if anything is, and how many of the check's builds are green or amber.
pub fn closing(required: &[String], builds: &[BuildRow], all: usize) -> String {
    let unmet = unmet(required, builds);
    let required = match (required.is_empty(), unmet.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("required: {}, met\n", required.join(", ")),
        (false, false) => format!("required, and not met: {}\n", unmet.join(", ")),
    };
    format!("\n{required}result: {} of {all} build\n", good(builds))
}
