//! What happened lately, in order: the events that watchers are told, each with its number.

use std::collections::VecDeque;

use serde_json::json;

use crate::app::domain::verdict::{Reason, TestStatus};
use crate::app::live::subscription::EventFilter;
use crate::app::render::json;
use crate::app::store::builds::BuildRow;
use crate::app::store::events::BuildEvent;
use crate::app::store::store::{self, Store};
use crate::base::control_chars::escaped;
use crate::config::limits::EVENTS_KEPT;

/// An event, and the JSON that all its watchers get.
#[derive(Debug)]
pub struct Kept {
    pub event: BuildEvent,
    pub json: String,
}

/// The newest events, no more than `EVENTS_KEPT` of them.
#[derive(Debug)]
pub struct EventLog {
    kept: VecDeque<Kept>,
    next: u64,
}

impl EventLog {
    /// Those that an earlier run left.
    pub fn load(store: &Store) -> store::Result<EventLog> {
        let (recent, next) = store.recent_events()?;
        let kept = recent.into_iter().map(keep).collect();
        Ok(EventLog { kept, next })
    }

    /// Writes down where that build is now, as the newest event.
    pub fn push(
        &mut self,
        store: &mut Store,
        row: &BuildRow,
        at: i64,
    ) -> store::Result<&BuildEvent> {
        let event = store.insert_event(row, at)?;
        self.next = event.seq + 1;
        if self.kept.len() >= EVENTS_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(keep(event));
        Ok(&self.kept.back().expect("it was just put there").event)
    }

    /// The number of the event that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether every event from number `from` on is there still, or to come.
    pub fn holds(&self, from: u64) -> bool {
        let oldest = self.kept.front().map_or(self.next, |kept| kept.event.seq);
        (oldest..=self.next).contains(&from)
    }

    /// The events from number `from` on.
    pub fn since(&self, from: u64) -> impl Iterator<Item = &Kept> {
        let start = self.kept.partition_point(|kept| kept.event.seq < from);
        self.kept.range(start..)
    }
}

impl EventFilter {
    pub fn wants(&self, event: &BuildEvent) -> bool {
        let package = self.package.as_ref();
        package.is_none_or(|package| *package == event.package)
            && self.check.is_none_or(|check| check == event.check)
    }
}

fn keep(event: BuildEvent) -> Kept {
    let json = json(&event);
    Kept { event, json }
}

/// As the contract has it.
pub fn json(event: &BuildEvent) -> String {
    let json = json!({
        "seq": event.seq,
        "type": "build",
        "id": event.build,
        "package": event.package,
        "check": event.check,
        "zig_version": event.zig_version,
        "state": event.state.as_str(),
        "build_status": event.build_status.as_str(),
        "test_status": event.test_status.map(TestStatus::as_str),
        "reason": event.reason.map(Reason::as_str),
        "at": json::time(event.at),
    });
    escaped(json.to_string())
}

/// For those who missed events that are kept no more: read everything anew.
pub const RESET: &str = r#"{"type":"reset"}"#;
