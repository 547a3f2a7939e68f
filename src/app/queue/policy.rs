//! The policy: which tenant is served next, given counts and the first lane of each priority.

use std::collections::{HashSet, VecDeque};

use crate::app::domain::task::Priority;
use crate::app::queue::limits::{PRIORITY_WAIT_LIMIT_MS, ROUND_LIMIT_TENANTS};
use crate::app::store::lanes::Lane;
use crate::app::store::store::Result;

// A slot is free. Which task gets it?
//
//      interactive       admin            toolchain         recheck, search 1  Priorities in this order. But one that
//     ───────────       ──────────       ──────────────    ────────────        has waited too long, without a start of
//     round 7  B: ■       x: ■■             y: ■■■            x: ■■■■          its own, goes first: at every second
//              C: ■■      y: ■                                z: ■■            start at most, so that the four of them
//     round 8  A: ■■■■■                                                        cannot starve the better ones
//                        popular before    2  A tenant with half of the slots gets no more while a task of another
//                        others, then         tenant may start, at whatever priority
//                        the oldest        3  Interactive tenants are served in rounds: one that was served (A, in
//                                             round 7) is in the next round, one that joins (C) in this one. At the
//                                             other priorities popularity alone decides
//     paused: ■ 12:00, ■ 12:05             4  Within a tenant, and among tenants of one round: popular before others,
//                                             then the oldest
//                                          5  A task in a pause is in no lane until that is over
//                                          6  A search starts when no other task may, the analysis for other targets
//                                             (not in the picture) when no search may either; neither of them is
//                                             anybody's other task in 2
//
// So ten thousand builds of one tenant are one lane in each round: another tenant's single build waits for the end of
// one running build, not for the popular ones among ten thousand.
//
// Once a round has begun, `ROUND_LIMIT_TENANTS` are served in it, and later tenants join the next: an endless stream of
// new tenants would starve A. As many served tenants are remembered, or A could return as a new tenant each time its
// last build has started.

/// How many tiers there are.
const TIERS: usize = 3;

/// Finds the first lane of a priority whose tenant may be served.
pub type FirstLane<'a> = dyn FnMut(Priority, &dyn Fn(&str) -> bool) -> Result<Option<Lane>> + 'a;

#[derive(Debug, Clone)]
pub struct Policy {
    slots: usize,
    /// The tenant of each slot in use, in the order of their starts.
    running: VecDeque<String>,
    priorities: [Waits; Priority::COUNT],
    /// The latest start was that of a priority that had waited too long.
    was_overdue: bool,
    /// The round of the interactive tenant that was served last.
    round: i64,
    /// The tenants served in it.
    served: HashSet<String>,
}

/// The tasks of one priority that may start.
#[derive(Debug, Clone, Copy)]
struct Waits {
    ready: u64,
    /// The time of the latest start, or since when there are any, whichever is later.
    since_ms: i64,
}

impl Policy {
    pub fn new(slots: usize, ready: [u64; Priority::COUNT], round: i64, since_ms: i64) -> Policy {
        Policy {
            slots,
            running: VecDeque::new(),
            priorities: ready.map(|ready| Waits { ready, since_ms }),
            was_overdue: false,
            round,
            served: HashSet::new(),
        }
    }

    pub fn slots(&self) -> usize {
        self.slots
    }

    pub fn set_slots(&mut self, slots: usize) {
        self.slots = slots;
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }

    pub fn has_free_slot(&self) -> bool {
        self.running.len() < self.slots
    }

    /// The number of tasks of a priority that may start.
    pub fn ready(&self, priority: Priority) -> u64 {
        self.priorities[priority as usize].ready
    }

    /// True if a tenant holds as many slots as it may while others wait.
    pub fn has_its_share(&self, tenant: &str) -> bool {
        let held = self.running.iter().filter(|of| *of == tenant).count();
        held >= (self.slots / 2).max(1)
    }

    // -- waiting --

    /// The round that a tenant joins that has no lane yet.
    pub fn round_of_new(&self, priority: Priority, tenant: &str) -> i64 {
        let is_closed = self.served.len() >= ROUND_LIMIT_TENANTS;
        match priority {
            Priority::Interactive if is_closed || self.served.contains(tenant) => self.round + 1,
            Priority::Interactive => self.round,
            _ => 0,
        }
    }

    pub fn enqueue(&mut self, priority: Priority, unix_ms: i64) {
        let waits = &mut self.priorities[priority as usize];
        if waits.ready == 0 {
            waits.since_ms = unix_ms;
        }
        waits.ready += 1;
    }

    pub fn dequeue(&mut self, priority: Priority) {
        self.priorities[priority as usize].ready -= 1;
    }

    // -- starting --

    /// The lane to serve next, whether a slot is free or not.
    pub fn next(
        &self,
        unix_ms: i64,
        first_lane: &mut FirstLane,
    ) -> Result<Option<(Priority, Lane)>> {
        for tier in 0..TIERS {
            for others_wait in [true, false] {
                let order = self.priorities_in_order(unix_ms);
                for priority in order.filter(|priority| self.tier(*priority, unix_ms) == tier) {
                    let may = |tenant: &str| !others_wait || !self.has_its_share(tenant);
                    if let Some(lane) = first_lane(priority, &may)? {
                        return Ok(Some((priority, lane)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// A task starts when none of a lower tier may, whoever has which share of the slots. Searches are in the first one
    /// once they have waited too long.
    fn tier(&self, priority: Priority, unix_ms: i64) -> usize {
        let goes_first = !self.was_overdue && self.is_overdue(priority, unix_ms);
        match priority {
            Priority::Search if !goes_first => 1,
            Priority::Targets => 2,
            _ => 0,
        }
    }

    /// The priorities that have waited too long, the longest first, unless the latest start was one of those; then all
    /// in their order.
    fn priorities_in_order(&self, unix_ms: i64) -> impl Iterator<Item = Priority> {
        let is_overdue =
            |priority: &Priority| !self.was_overdue && self.is_overdue(*priority, unix_ms);
        let mut overdue: Vec<Priority> = Priority::ALL.into_iter().filter(is_overdue).collect();
        overdue.sort_by_key(|priority| self.priorities[*priority as usize].since_ms);
        let all = Priority::ALL.into_iter();
        let in_order = overdue.into_iter().chain(all);
        in_order.filter(|priority| self.ready(*priority) > 0)
    }

    fn is_overdue(&self, priority: Priority, unix_ms: i64) -> bool {
        let waited_ms = unix_ms - self.priorities[priority as usize].since_ms;
        let limit_ms = PRIORITY_WAIT_LIMIT_MS[priority as usize];
        self.ready(priority) > 0 && limit_ms.is_some_and(|limit_ms| waited_ms >= limit_ms)
    }

    /// Gives a tenant a slot; returns the next round of its lane.
    pub fn start(&mut self, priority: Priority, lane: &Lane, unix_ms: i64) -> i64 {
        self.was_overdue = !self.was_overdue && self.is_overdue(priority, unix_ms);
        self.priorities[priority as usize].since_ms = unix_ms;
        self.dequeue(priority);
        self.running.push_back(lane.tenant.clone());
        if priority != Priority::Interactive {
            return 0;
        }
        if lane.round > self.round {
            self.round = lane.round;
            self.served.clear();
        }
        if self.served.len() < ROUND_LIMIT_TENANTS {
            self.served.insert(lane.tenant.clone());
        }
        // A tenant that was passed over for its share of the slots has no claim to the rounds it missed.
        self.round + 1
    }

    pub fn adopt(&mut self, tenant: &str) {
        self.running.push_back(tenant.to_string());
    }

    pub fn finish(&mut self, tenant: &str) {
        let slot = self.running.iter().position(|of| of == tenant);
        let tenant = slot.and_then(|slot| self.running.remove(slot));
        assert!(tenant.is_some(), "a slot given back twice");
    }

    /// Ends the tasks that started first until a slot is free.
    pub fn free_a_slot(&mut self) {
        while !self.has_free_slot() {
            self.running.pop_front();
        }
    }
}
