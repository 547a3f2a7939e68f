//! The page of the queue: what runs, what waits, and why.

use crate::app::domain::verdict::State;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::{Link, Moment, subject};
use crate::app::render::view::site::Site;
use crate::app::store::builds::BuildRow;
use crate::app::store::list::Paging;

/// A build that holds a slot.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningRow {
    pub row: BuildRow,
    pub elapsed_ms: u64,
    /// How long it usually takes; none while that is unknown.
    pub expected_ms: Option<u64>,
}

/// A build that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingRow {
    pub row: BuildRow,
    pub position: Option<usize>,
    /// The sentence that says why.
    pub reason: String,
    pub estimated_start: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueRows {
    pub running: Vec<RunningRow>,
    pub waiting: Vec<WaitingRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct QueueView {
    pub site: Site,
    pub running: Vec<RunningLine>,
    pub waiting: Vec<WaitingLine>,
    pub page: u64,
    pub last_page: u64,
    /// The address of the next page.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RunningLine {
    /// What is built.
    pub subject: Link,
    pub version: Clean,
    pub build: Link,
    pub state: State,
    /// Where it runs, if that is not the server's machine.
    pub node: Option<Clean>,
    pub progress: Progress,
}

#[derive(Debug, Clone, PartialEq)]
pub struct WaitingLine {
    pub subject: Link,
    pub version: Clean,
    pub build: Link,
    pub wait: Wait,
}

/// How far a build is, by what it usually takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub elapsed_ms: u64,
    pub expected_ms: Option<u64>,
}

/// Why a build does not run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    pub position: Option<usize>,
    pub reason: Clean,
    pub start: Option<Moment>,
}

impl QueueView {
    pub fn new(site: Site, rows: &QueueRows, paging: &Paging) -> QueueView {
        let now = site.now_unix_ms;
        let last_page = site.waiting.div_ceil(paging.limit).max(1);
        let next = (paging.page < last_page).then_some(paging.page + 1);
        QueueView {
            running: rows.running.iter().map(RunningLine::new).collect(),
            waiting: rows
                .waiting
                .iter()
                .map(|row| WaitingLine::new(row, now))
                .collect(),
            page: paging.page,
            last_page,
            next: next.map(|page| format!("/queue?limit={}&page={page}", paging.limit)),
            site,
        }
    }
}

impl RunningLine {
    pub fn new(running: &RunningRow) -> RunningLine {
        RunningLine {
            subject: subject(&running.row),
            version: Clean::new(&running.row.zig_version),
            build: Link::to_build(running.row.id),
            state: running.row.state,
            node: running.row.node.as_deref().map(Clean::new),
            progress: Progress::new(running),
        }
    }

    /// What it does, and where.
    pub fn phase(&self) -> String {
        let state = self.state.as_str();
        match &self.node {
            Some(node) => format!("{state} on {}", node.as_str()),
            None => state.to_string(),
        }
    }
}

impl WaitingLine {
    fn new(waiting: &WaitingRow, now_unix_ms: i64) -> WaitingLine {
        WaitingLine {
            subject: subject(&waiting.row),
            version: Clean::new(&waiting.row.zig_version),
            build: Link::to_build(waiting.row.id),
            wait: Wait::new(waiting, now_unix_ms),
        }
    }
}

impl Progress {
    pub fn new(running: &RunningRow) -> Progress {
        Progress {
            elapsed_ms: running.elapsed_ms,
            expected_ms: running.expected_ms,
        }
    }
}

impl Wait {
    pub fn new(waiting: &WaitingRow, now_unix_ms: i64) -> Wait {
        Wait {
            position: waiting.position,
            reason: Clean::new(&waiting.reason),
            start: waiting
                .estimated_start
                .map(|at| Moment::new(at, now_unix_ms)),
        }
    }
}
