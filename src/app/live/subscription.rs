//! What a watcher asks for: which events, and in which format.

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressFormat {
    /// Lines for people, with the matrix and a result line at the end.
    Text,
    /// One event of JSON a line.
    Json,
}

/// Which events a watcher wants: those of every build, or of a package or check alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    pub package: Option<String>,
    pub check: Option<i64>,
}
