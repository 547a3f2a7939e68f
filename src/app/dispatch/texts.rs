//! When texts that changed are entered into the indexes of searches, and an older history into what is counted of it.

use crate::app::dispatch::limits::INDEX_PAUSE_MS;
use crate::app::domain::disk_space::DiskSpace;
use crate::app::store::comparisons;
use crate::app::store::search;
use crate::app::store::shares;
use crate::app::store::store::{self, Store};

pub struct Texts {
    /// When the next are entered; none where there are none.
    pub due_ms: Option<u64>,
}

impl Texts {
    pub fn due_at(ms: u64) -> Texts {
        Texts { due_ms: Some(ms) }
    }

    /// When `index` has work: without space on the disk not before that is checked again.
    pub fn deadline_ms(&self, disk: &DiskSpace) -> Option<u64> {
        let due_ms = self.due_ms?;
        Some(disk.next_check_ms().unwrap_or(due_ms))
    }

    /// Enters a bounded number of texts or verdicts, if they are due. Without space on the disk they wait for that.
    pub fn index(&mut self, store: &mut Store, has_space: bool, now_ms: u64) -> store::Result<()> {
        if self.due_ms.is_some_and(|at| at <= now_ms) {
            let has_more = match has_space {
                true => {
                    search::index_some(store)?
                        || comparisons::enter_some(store)?
                        || shares::enter_some(store)?
                }
                false => {
                    search::has_unindexed(store)?
                        || comparisons::is_filling(store)?
                        || shares::is_filling(store)?
                }
            };
            self.due_ms = has_more.then_some(now_ms + INDEX_PAUSE_MS);
        }
        Ok(())
    }

    /// Notes that this turn changed texts, if it did.
    pub fn note(&mut self, store: &Store, now_ms: u64) -> store::Result<()> {
        if self.due_ms.is_none() && store.is_writing() && search::has_unindexed(store)? {
            self.due_ms = Some(now_ms + INDEX_PAUSE_MS);
        }
        Ok(())
    }
}
