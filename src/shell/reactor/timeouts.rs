//! When the time of each client is up.

use std::collections::BTreeSet;

use crate::base::slab::Key;
use crate::shell::limits::TIMEOUT_STEP_MS;

/// One entry for each client that has a limit, never behind the limit by more than a step. A
/// limit that moves on leaves its entry where it is: it is looked at when its time has come.
#[derive(Debug, Default)]
pub struct Timeouts {
    entries: BTreeSet<(u64, Key)>,
}

impl Timeouts {
    /// The first entry's time.
    pub fn first_ms(&self) -> Option<u64> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// The client's limit is now `limit_ms`; `entry` is the time of its entry, kept for it by the
    /// client.
    pub fn note(&mut self, key: Key, entry: &mut Option<u64>, limit_ms: Option<u64>) {
        // Whole steps: what is due about the same time is done in one turn.
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

    /// Takes the next entry whose time has come.
    pub fn take(&mut self, now_ms: u64) -> Option<Key> {
        let (at, key) = self.entries.first().copied()?;
        if at > now_ms {
            return None;
        }
        self.entries.remove(&(at, key));
        Some(key)
    }
}
