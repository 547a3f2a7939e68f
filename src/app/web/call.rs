//! What a request asks for, checked: a tree, of which each handler matches its own branch.

use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::live::subscription::{EventFilter, ProgressFormat};
use crate::app::render::page::PageOptions;
use crate::app::store::builds::BuildFilter;
use crate::app::store::list::{Paging, Sort};
use crate::app::store::packages::{NewPackage, PackageFilter};

#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Whether the server can do its work.
    Health,
    Read(ReadCall),
    Watch(WatchCall),
    Submit(SubmitCall),
    /// A check of an uploaded tree; the body follows in pieces.
    Upload(UploadOptions),
    Admin(AdminCall),
}

/// Reads the state, and changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadCall {
    Packages {
        filter: PackageFilter,
        sort: Sort,
        page: Paging,
    },
    Package {
        name: String,
    },
    Check {
        id: CheckId,
        /// As a matrix in text, not as JSON.
        plain: bool,
    },
    Builds {
        filter: BuildFilter,
        sort: Sort,
        page: Paging,
    },
    Build {
        id: BuildId,
    },
    /// What runs, what waits, and when that will start.
    Queue {
        page: Paging,
    },
    /// The packages and the latest checks, as a page.
    FrontPage {
        search: Option<String>,
        page: Paging,
        options: PageOptions,
    },
    /// One package, as a page.
    PackagePage {
        name: String,
        options: PageOptions,
    },
}

impl ReadCall {
    /// The name of the package whose view this counts as.
    pub fn viewed_package(&self) -> Option<&str> {
        match self {
            ReadCall::Package { name } | ReadCall::PackagePage { name, .. } => Some(name),
            ReadCall::Packages { .. }
            | ReadCall::Check { .. }
            | ReadCall::Builds { .. }
            | ReadCall::Build { .. }
            | ReadCall::Queue { .. }
            | ReadCall::FrontPage { .. } => None,
        }
    }
}

/// Answered by a body that goes on while something happens.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchCall {
    Log {
        id: BuildId,
        /// Only so many lines of its end.
        tail: Option<u64>,
    },
    /// The log of a build over a WebSocket, from this offset on.
    LogSocket { id: BuildId, from: u64 },
    /// The progress of a check from its state now to its end.
    Check { id: CheckId, format: ProgressFormat },
    /// Events as they come, over SSE or a WebSocket.
    Events {
        filter: EventFilter,
        /// The number of the last event the client has; what came since is replayed. None: only new events.
        since: Option<u64>,
        socket: bool,
    },
}

/// Asks for new builds.
#[derive(Debug, Clone, PartialEq)]
pub enum SubmitCall {
    /// A package that is not known yet.
    Package {
        package: NewPackage,
        zig_versions: Vec<String>,
    },
    /// A new check of a known package.
    Rebuild { name: String },
    /// An admin's new check of a known package, ahead of those that the server starts itself.
    Trigger { package: PackageRef },
}

/// How an uploaded tree is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadOptions {
    pub name: String,
    pub zig_versions: Vec<String>,
    /// The answer is the check's progress, to its end.
    pub follow: Option<ProgressFormat>,
}

/// Needs the admin token.
#[derive(Debug, Clone, PartialEq)]
pub enum AdminCall {
    /// Ends a build, whatever its state.
    CancelBuild { id: BuildId },
    /// Makes the recheck of all packages due now.
    CheckBuilds,
    /// The state of the server in numbers.
    Status,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageRef {
    Id(PackageId),
    Name(String),
}
