//! The time limits of all clients, in order.

use std::collections::BTreeSet;

use crate::base::slab::Key;
use crate::shell::limits::TIMEOUT_STEP_MS;

/// One entry for each client that has a limit, at most one step later than the limit. A limit that moves later leaves
/// its entry in place: the client is inspected when the entry is due.
#[derive(Debug, Default)]
pub struct Timeouts {
    entries: BTreeSet<(u64, Key)>,
    /// The time of each client's entry, by the slot of the client.
    times: Vec<Option<u64>>,
}

impl Timeouts {
    /// The time of the first entry.
    pub fn first_ms(&self) -> Option<u64> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// Records that the client's limit is now `limit_ms`.
    pub fn note(&mut self, key: Key, limit_ms: Option<u64>) {
        // Whole steps: limits that lie close together expire in one turn.
        let limit_ms = limit_ms.map(|at| at.next_multiple_of(TIMEOUT_STEP_MS));
        let Some(at) = limit_ms else { return };
        let slot = key.index as usize;
        if slot >= self.times.len() {
            self.times.resize(slot + 1, None);
        }
        if self.times[slot].is_none_or(|known| at < known) {
            self.forget(key);
            self.entries.insert((at, key));
            self.times[slot] = Some(at);
        }
    }

    pub fn forget(&mut self, key: Key) {
        let time = self.times.get_mut(key.index as usize);
        if let Some(at) = time.and_then(Option::take) {
            self.entries.remove(&(at, key));
        }
    }

    /// Removes the first entry that is due; the key of its client.
    pub fn take(&mut self, now_ms: u64) -> Option<Key> {
        let due = self.entries.first().filter(|(at, _)| *at <= now_ms);
        let (_, key) = due.copied()?;
        self.forget(key);
        Some(key)
    }
}
