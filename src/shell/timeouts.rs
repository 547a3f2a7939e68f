//! The time limits of all clients, in order.

use std::collections::BTreeSet;

use crate::base::slab::Key;
use crate::shell::limits::TIMEOUT_STEP_MS;

/// One entry for each client that has a limit, at most one step later than the limit. A limit that moves later leaves
/// its entry in place: the client is inspected when the entry is due.
#[derive(Debug, Default)]
pub struct Timeouts {
    entries: BTreeSet<(u64, Key)>,
}

impl Timeouts {
    /// The time of the first entry.
    pub fn first_ms(&self) -> Option<u64> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// Records that the client's limit is now `limit_ms`. The client keeps the time of its entry in `entry`.
    pub fn note(&mut self, key: Key, entry: &mut Option<u64>, limit_ms: Option<u64>) {
        // Whole steps: limits that lie close together expire in one turn.
        let limit_ms = limit_ms.map(|at| at.next_multiple_of(TIMEOUT_STEP_MS));
        let Some(at) = limit_ms else { return };
        if entry.is_none_or(|known| at < known) {
            self.forget(key, entry);
            self.entries.insert((at, key));
            *entry = Some(at);
        }
    }

    pub fn forget(&mut self, key: Key, entry: &mut Option<u64>) {
        if let Some(at) = entry.take() {
            self.entries.remove(&(at, key));
        }
    }

    /// Removes the first entry that is due; the key of its client.
    pub fn take(&mut self, now_ms: u64) -> Option<Key> {
        let due = self.entries.first().filter(|(at, _)| *at <= now_ms);
        let (at, key) = due.copied()?;
        self.entries.remove(&(at, key));
        Some(key)
    }
}
