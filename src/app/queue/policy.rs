//! Who is served next: the rules, over numbers and the heads of lines.

use std::collections::{HashSet, VecDeque};

use crate::app::domain::task::Priority;
use crate::app::queue::limits::{PRIORITY_WAIT_LIMIT_MS, ROUND_LIMIT_TENANTS};
use crate::app::store::lanes::Lane;
use crate::app::store::store::Result;

// A slot is free. Who gets it?
//
//      who asked         an admin         new toolchain     daily look      1  the classes, in this order; but one
//     ───────────       ──────────       ──────────────    ────────────        that waited too long, of which nothing
//     round 7  B: ■       x: ■■             y: ■■■            x: ■■■■          started meanwhile, goes first: at every
//              C: ■■      y: ■                                z: ■■            second start at most, so that what goes
//     round 8  A: ■■■■■                                                        first else is not held up by all three
//                        popular before    2  of a party that holds half of the slots nothing starts while anything of
//                        others, then         another party may, in whatever class
//                        the oldest        3  where people asked, parties take turns: who was served (A, in round 7)
//                                             stands in the next round, who comes (C) in this one. Else popularity
//                                             decides alone
//     held back: ■ 12:00, ■ 12:05          4  of one party, and among parties of one round: popular before others,
//                                             then the oldest
//                                          5  what is held back stands in no line until its time has come
//
// So somebody's ten thousand builds are one party in each round: whoever comes with a single build
// waits for the end of one running build, and not for the popular ones among ten thousand.
//
// A round takes in `ROUND_LIMIT_TENANTS` once it has begun, and then those who come join the next:
// an endless stream of new parties would hold up A forever. As many names are remembered of who was
// served in it, lest A comes again as a new party each time its last build has started.

/// The first party in the line of a class that may be served.
pub type InLine<'a> = dyn FnMut(Priority, &dyn Fn(&str) -> bool) -> Result<Option<Lane>> + 'a;

#[derive(Debug, Clone)]
pub struct Policy {
    slots: usize,
    /// The party of each slot in use, in the order of their starts.
    running: VecDeque<String>,
    priorities: [Waits; 4],
    /// The last start was of a class that had waited too long.
    was_overdue: bool,
    /// Of who was served last, where people asked.
    round: i64,
    /// Who was served in it.
    served: HashSet<String>,
}

/// A class, as far as its work may start.
#[derive(Debug, Clone, Copy)]
struct Waits {
    ready: u64,
    /// When the last of it started, or since when there is any, whichever was later.
    since_ms: i64,
}

impl Policy {
    pub fn new(slots: usize, ready: [u64; 4], round: i64, since_ms: i64) -> Policy {
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

    pub fn running(&self) -> usize {
        self.running.len()
    }

    pub fn has_free_slot(&self) -> bool {
        self.running.len() < self.slots
    }

    /// How much of a class may start.
    pub fn ready(&self, priority: Priority) -> u64 {
        self.priorities[priority as usize].ready
    }

    /// Whether a party holds as many slots as it may while others wait.
    pub fn has_its_share(&self, tenant: &str) -> bool {
        let held = self.running.iter().filter(|of| *of == tenant).count();
        held >= (self.slots / 2).max(1)
    }

    // -- waiting --

    /// The turn of a party that nothing waits of.
    pub fn turn_of_new(&self, priority: Priority, tenant: &str) -> i64 {
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

    /// Who is served next, whether a slot is free or not.
    pub fn next(&self, unix_ms: i64, in_line: &mut InLine) -> Result<Option<(Priority, Lane)>> {
        for others_wait in [true, false] {
            for priority in self.priorities_in_order(unix_ms) {
                let may = |tenant: &str| !others_wait || !self.has_its_share(tenant);
                if let Some(turn) = in_line(priority, &may)? {
                    return Ok(Some((priority, turn)));
                }
            }
        }
        Ok(None)
    }

    /// Those that waited too long, if it is their turn, the longest first; then all as they stand.
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

    /// The party is served, and has a slot; gives its next turn.
    pub fn start(&mut self, priority: Priority, turn: &Lane, unix_ms: i64) -> i64 {
        self.was_overdue = !self.was_overdue && self.is_overdue(priority, unix_ms);
        self.priorities[priority as usize].since_ms = unix_ms;
        self.dequeue(priority);
        self.running.push_back(turn.tenant.clone());
        if priority != Priority::Interactive {
            return 0;
        }
        if turn.round > self.round {
            self.round = turn.round;
            self.served.clear();
        }
        if self.served.len() < ROUND_LIMIT_TENANTS {
            self.served.insert(turn.tenant.clone());
        }
        // Who was passed over for its share of the slots, and so stands in an older round, has no
        // claim to all the rounds it missed.
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

    /// What started first ends, until a slot is free.
    pub fn ends_first(&mut self) {
        while !self.has_free_slot() {
            self.running.pop_front();
        }
    }
}
