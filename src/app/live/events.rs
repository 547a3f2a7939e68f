//! What happened lately, in order: the events that watchers are told, each with its number.

use std::collections::VecDeque;

use serde_json::json;

use crate::app::domain::verdict::{Reason, TestStatus};
use crate::app::live::subscription::Watched;
use crate::app::render::json;
use crate::app::store::rows::{BuildRow, Change};
use crate::app::store::{self, Store};
use crate::base::control_chars::escaped;
use crate::config::EVENTS_KEPT;

/// An event, and the JSON that all its watchers get.
#[derive(Debug)]
pub struct Kept {
    pub change: Change,
    pub json: String,
}

/// The newest events, no more than `EVENTS_KEPT` of them.
#[derive(Debug)]
pub struct Changes {
    kept: VecDeque<Kept>,
    next: u64,
}

impl Changes {
    /// Those that an earlier run left.
    pub fn load(store: &Store) -> store::Result<Changes> {
        let (recent, next) = store.recent_events()?;
        let kept = recent.into_iter().map(keep).collect();
        Ok(Changes { kept, next })
    }

    /// Writes down where that build is now, as the newest event.
    pub fn push(&mut self, store: &mut Store, row: &BuildRow, at: i64) -> store::Result<&Change> {
        let change = store.insert_event(row, at)?;
        self.next = change.seq + 1;
        if self.kept.len() >= EVENTS_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(keep(change));
        Ok(&self.kept.back().expect("it was just put there").change)
    }

    /// The number of the event that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether every event from number `from` on is there still, or to come.
    pub fn holds(&self, from: u64) -> bool {
        let oldest = self.kept.front().map_or(self.next, |kept| kept.change.seq);
        (oldest..=self.next).contains(&from)
    }

    /// The events from number `from` on.
    pub fn since(&self, from: u64) -> impl Iterator<Item = &Kept> {
        let start = self.kept.partition_point(|kept| kept.change.seq < from);
        self.kept.range(start..)
    }
}

impl Watched {
    pub fn wants(&self, change: &Change) -> bool {
        let package = self.package.as_ref();
        package.is_none_or(|package| *package == change.package)
            && self.check.is_none_or(|check| check == change.check)
    }
}

fn keep(change: Change) -> Kept {
    let json = json(&change);
    Kept { change, json }
}

/// As the contract has it.
pub fn json(change: &Change) -> String {
    let json = json!({
        "seq": change.seq,
        "type": "build",
        "id": change.build,
        "package": change.package,
        "check": change.check,
        "zig_version": change.zig_version,
        "state": change.state.as_str(),
        "build_status": change.build_status.as_str(),
        "test_status": change.test_status.map(TestStatus::as_str),
        "reason": change.reason.map(Reason::as_str),
        "at": json::time(change.at),
    });
    escaped(json.to_string())
}

/// For those who missed events that are kept no more: read everything anew.
pub const RESET: &str = r#"{"type":"reset"}"#;
