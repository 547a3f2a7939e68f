//! When remotes were asked after pushes, so that a flood of hooks is one question.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::app::builds::limits::PUSH_PAUSE_MS;
use crate::app::domain::ids::PackageId;

/// The questions that pushes led to lately.
#[derive(Debug, Default)]
pub struct Pushes {
    /// When the remote of a package is asked, or was, in `mono_ms`.
    asked_ms: HashMap<PackageId, u64>,
    /// The same in the order of time. Those that are older than `PUSH_PAUSE_MS` are forgotten.
    in_order: VecDeque<(u64, PackageId)>,
    /// Packages with a push while their remote was being asked.
    pub(super) during_question: HashSet<PackageId>,
}

impl Pushes {
    /// When the remote of a package may be asked next; notes that it is asked then.
    pub(super) fn next_ms(&mut self, package: PackageId, now_ms: u64) -> u64 {
        while let Some((at_ms, old)) = self.in_order.front().copied()
            && at_ms + PUSH_PAUSE_MS <= now_ms
        {
            self.in_order.pop_front();
            if self.asked_ms.get(&old) == Some(&at_ms) {
                self.asked_ms.remove(&old);
            }
        }
        let last_ms = self.asked_ms.get(&package).copied();
        let next_ms = last_ms.map_or(now_ms, |at_ms| now_ms.max(at_ms + PUSH_PAUSE_MS));
        self.asked_ms.insert(package, next_ms);
        self.in_order.push_back((next_ms, package));
        next_ms
    }
}
