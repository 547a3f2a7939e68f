//! The log of recent events, each with its sequence number.

use std::collections::VecDeque;

use serde_json::json;

use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{Reason, TestStatus};
use crate::app::render::json;
use crate::app::store::builds::BuildRow;
use crate::app::store::events::{self, BuildEvent};
use crate::app::store::store::{self, Store};
use crate::base::control_chars::escaped;
use crate::config::limits::EVENTS_KEPT;

/// An event, and the JSON that every watcher gets.
#[derive(Debug)]
pub struct LogEntry {
    pub event: BuildEvent,
    pub json: String,
}

/// The newest events, at most `EVENTS_KEPT`.
#[derive(Debug)]
pub struct EventLog {
    entries: VecDeque<LogEntry>,
    pub next: u64,
}

impl EventLog {
    /// The events in the database.
    pub fn load(store: &Store) -> store::Result<EventLog> {
        let (recent, next) = events::recent(store)?;
        let entries = recent.into_iter().map(entry).collect();
        Ok(EventLog { entries, next })
    }

    /// Records the present state of a build, or what its verdict changes, as the newest event.
    pub fn push(
        &mut self,
        store: &mut Store,
        row: &BuildRow,
        transition: Option<Transition>,
        at: i64,
    ) -> store::Result<&BuildEvent> {
        let event = events::insert(store, row, transition, at)?;
        self.next = event.seq + 1;
        if self.entries.len() >= EVENTS_KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry(event));
        Ok(&self.entries.back().expect("it was just put there").event)
    }

    /// True if no event from number `from` on has been dropped.
    pub fn holds(&self, from: u64) -> bool {
        let oldest = self
            .entries
            .front()
            .map_or(self.next, |entry| entry.event.seq);
        (oldest..=self.next).contains(&from)
    }

    /// The events from number `from` on.
    pub fn since(&self, from: u64) -> impl Iterator<Item = &LogEntry> {
        let start = self.entries.partition_point(|entry| entry.event.seq < from);
        self.entries.range(start..)
    }
}

fn entry(event: BuildEvent) -> LogEntry {
    let json = json(&event);
    LogEntry { event, json }
}

/// The event as JSON, on one line.
pub fn json(event: &BuildEvent) -> String {
    let json = json!({
        "seq": event.seq,
        "type": event.transition.map_or("build", Transition::as_str),
        "id": event.build.get(),
        "package": event.package,
        "check": event.check.get(),
        "zig_version": event.zig_version,
        "state": event.state.as_str(),
        "build_status": event.build_status.as_str(),
        "test_status": event.test_status.map(TestStatus::as_str),
        "reason": event.reason.map(Reason::as_str),
        "at": json::time(event.at),
    });
    escaped(json.to_string())
}

/// Sent in place of dropped events, or of log bytes that are gone: the client must start over.
pub const RESET: &str = r#"{"type":"reset"}"#;
