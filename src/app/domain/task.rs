//! The unit that takes a slot, and the claim it has on one.

use std::fmt;

use crate::app::domain::ids::{BuildId, CheckId, PackageId};

/// What takes a slot, with the id of the check, the build or the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// Fetch the source of a check.
    FetchSource(CheckId),
    Build(BuildId),
    /// Ask the remote of a package for its commit.
    CheckRemote(PackageId),
    /// List the commits of a package, for a search through them.
    ListCommits(PackageId),
    /// Analyse for other targets what the source of a build exports.
    CheckTargets(BuildId),
}

/// As the log names it.
impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Task::FetchSource(check) => write!(f, "the source of check {check}"),
            Task::Build(build) => write!(f, "build {build}"),
            Task::CheckRemote(package) => write!(f, "the remote of package {package}"),
            Task::ListCommits(package) => write!(f, "the commits of package {package}"),
            Task::CheckTargets(build) => write!(f, "the targets of build {build}"),
        }
    }
}

impl Task {
    /// The task of the columns `kind` and `id`.
    pub fn from_columns(kind: i64, id: i64) -> Option<Task> {
        match kind {
            0 => Some(Task::FetchSource(CheckId(id))),
            1 => Some(Task::Build(BuildId(id))),
            2 => Some(Task::CheckRemote(PackageId(id))),
            3 => Some(Task::ListCommits(PackageId(id))),
            4 => Some(Task::CheckTargets(BuildId(id))),
            _ => None,
        }
    }

    /// The value of the column `kind`.
    pub fn kind(self) -> i64 {
        match self {
            Task::FetchSource(_) => 0,
            Task::Build(_) => 1,
            Task::CheckRemote(_) => 2,
            Task::ListCommits(_) => 3,
            Task::CheckTargets(_) => 4,
        }
    }

    /// The value of the column `id`.
    pub fn id(self) -> i64 {
        match self {
            Task::FetchSource(check) => check.get(),
            Task::Build(build) | Task::CheckTargets(build) => build.get(),
            Task::CheckRemote(package) | Task::ListCommits(package) => package.get(),
        }
    }
}

/// Why a task exists; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    Interactive,
    Admin,
    Toolchain,
    Recheck,
    Search,
    Targets,
}

impl Priority {
    pub const COUNT: usize = Priority::ALL.len();
    pub const ALL: [Priority; 6] = [
        Priority::Interactive,
        Priority::Admin,
        Priority::Toolchain,
        Priority::Recheck,
        Priority::Search,
        Priority::Targets,
    ];

    pub fn from_number(number: i64) -> Option<Priority> {
        let number = usize::try_from(number).ok()?;
        Priority::ALL.get(number).copied()
    }

    pub fn number(self) -> i64 {
        self as i64
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Interactive => "interactive",
            Priority::Admin => "admin",
            Priority::Toolchain => "toolchain",
            Priority::Recheck => "recheck",
            Priority::Search => "search",
            Priority::Targets => "targets",
        }
    }

    /// The reason as people read it.
    pub fn describe(self) -> &'static str {
        match self {
            Priority::Interactive => "a person asked",
            Priority::Admin => "an admin asked",
            Priority::Toolchain => "the toolchain is new",
            Priority::Recheck => "the daily recheck",
            Priority::Search => "a search for a commit that works",
            Priority::Targets => "the analysis for other targets",
        }
    }
}

/// A task with its claim on a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub task: Task,
    pub priority: Priority,
    pub tenant: String,
    pub popularity: i64,
}

/// Why a waiting task does not start although its place in the queue would allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// It is retried after a pause that has not passed.
    Backoff,
    /// Its tenant holds its share of the slots, and other tenants wait.
    FairShare,
}

impl WaitReason {
    /// The reason as people read it.
    pub fn describe(self) -> &'static str {
        match self {
            WaitReason::Backoff => "it is tried again after a pause",
            WaitReason::FairShare => "its tenant holds half of the slots while others wait",
        }
    }
}

/// An entry in the order of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub entry: Entry,
    /// The earliest start in unix milliseconds; none if it may start now.
    pub not_before: Option<i64>,
    pub wait_reason: Option<WaitReason>,
}
