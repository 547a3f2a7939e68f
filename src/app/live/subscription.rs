//! What a watcher asks for: which events, and in which format.

use crate::app::domain::ids::CheckId;
use crate::app::render::required::Required;
use crate::app::store::events::BuildEvent;

/// The format of a check's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressFormat {
    /// Lines for people, with the matrix and a result line at the end.
    Text,
    /// One JSON event a line.
    Json,
}

/// The events that a watcher wants: those of every build, or only those of one package or check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    pub package: Option<String>,
    /// Uploads that bear the name of the package as well.
    pub uploads: bool,
    pub check: Option<CheckId>,
}

impl EventFilter {
    pub fn matches(&self, event: &BuildEvent) -> bool {
        let package = self.package.as_ref();
        package.is_none_or(|package| *package == event.package && (self.uploads || !event.uploaded))
            && self.check.is_none_or(|check| check == event.check)
    }
}

/// How the end of a check is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckWatch {
    pub mode: WatchMode,
    pub format: ProgressFormat,
    pub required: Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// A stream: a line for each change, then the result.
    Follow,
    /// One answer, once the check has ended.
    Wait,
}
