//! Clients that get one answer, once their check has ended.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::domain::ids::CheckId;
use crate::app::live::subscription::ProgressFormat;
use crate::base::slab::Key;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    pub check: CheckId,
    pub format: ProgressFormat,
    /// The versions that must be green or amber.
    pub required: Vec<String>,
    /// It is a read: pages of other origins may see the answer.
    pub is_read: bool,
}

/// There is one at most for each connection.
#[derive(Debug, Default)]
pub struct Waits {
    waits: BTreeMap<Key, Wait>,
    by_check: BTreeMap<CheckId, BTreeSet<Key>>,
    /// A build of their check has ended: it may have been the last one.
    due: BTreeSet<Key>,
}

impl Waits {
    pub fn add(&mut self, conn: Key, wait: Wait) {
        self.by_check.entry(wait.check).or_default().insert(conn);
        self.waits.insert(conn, wait);
    }

    pub fn remove(&mut self, conn: Key) {
        let Some(wait) = self.waits.remove(&conn) else {
            return;
        };
        self.due.remove(&conn);
        if let Some(conns) = self.by_check.get_mut(&wait.check) {
            conns.remove(&conn);
            if conns.is_empty() {
                self.by_check.remove(&wait.check);
            }
        }
    }

    pub fn build_ended(&mut self, check: CheckId) {
        self.due
            .extend(self.by_check.get(&check).into_iter().flatten());
    }

    pub fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// The next one whose check may have ended.
    pub fn take_due(&mut self) -> Option<(Key, Wait)> {
        let conn = self.due.pop_first()?;
        self.waits.get(&conn).map(|wait| (conn, wait.clone()))
    }
}
