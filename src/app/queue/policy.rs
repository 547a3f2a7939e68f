//! Who is served next: the rules, over numbers and the heads of lines.

use std::collections::{HashSet, VecDeque};

use crate::app::domain::task::Class;
use crate::app::store::{Result, Turn};
use crate::config::{CLASS_WAIT_LIMIT_MS, ROUND_LIMIT_PARTIES};

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
// A round takes in `ROUND_LIMIT_PARTIES` once it has begun, and then those who come join the next:
// an endless stream of new parties would hold up A forever. As many names are remembered of who was
// served in it, lest A comes again as a new party each time its last build has started.

/// The first party in the line of a class that may be served.
pub type InLine<'a> = dyn FnMut(Class, &dyn Fn(&str) -> bool) -> Result<Option<Turn>> + 'a;

#[derive(Debug, Clone)]
pub struct Policy {
    slots: usize,
    /// The party of each slot in use, in the order of their starts.
    running: VecDeque<String>,
    classes: [Waits; 4],
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
            classes: ready.map(|ready| Waits { ready, since_ms }),
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
    pub fn ready(&self, class: Class) -> u64 {
        self.classes[class as usize].ready
    }

    /// Whether a party holds as many slots as it may while others wait.
    pub fn has_its_share(&self, party: &str) -> bool {
        let held = self.running.iter().filter(|of| *of == party).count();
        held >= (self.slots / 2).max(1)
    }

    // -- waiting --

    /// The turn of a party that nothing waits of.
    pub fn turn_of_new(&self, class: Class, party: &str) -> i64 {
        let is_closed = self.served.len() >= ROUND_LIMIT_PARTIES;
        match class {
            Class::Person if is_closed || self.served.contains(party) => self.round + 1,
            Class::Person => self.round,
            _ => 0,
        }
    }

    pub fn joins(&mut self, class: Class, unix_ms: i64) {
        let waits = &mut self.classes[class as usize];
        if waits.ready == 0 {
            waits.since_ms = unix_ms;
        }
        waits.ready += 1;
    }

    pub fn leaves(&mut self, class: Class) {
        self.classes[class as usize].ready -= 1;
    }

    // -- starting --

    /// Who is served next, whether a slot is free or not.
    pub fn next(&self, unix_ms: i64, in_line: &mut InLine) -> Result<Option<(Class, Turn)>> {
        for others_wait in [true, false] {
            for class in self.classes_in_order(unix_ms) {
                let may = |party: &str| !others_wait || !self.has_its_share(party);
                if let Some(turn) = in_line(class, &may)? {
                    return Ok(Some((class, turn)));
                }
            }
        }
        Ok(None)
    }

    /// Those that waited too long, if it is their turn, the longest first; then all as they stand.
    fn classes_in_order(&self, unix_ms: i64) -> impl Iterator<Item = Class> {
        let is_overdue = |class: &Class| !self.was_overdue && self.is_overdue(*class, unix_ms);
        let mut overdue: Vec<Class> = Class::ALL.into_iter().filter(is_overdue).collect();
        overdue.sort_by_key(|class| self.classes[*class as usize].since_ms);
        let all = Class::ALL.into_iter();
        let in_order = overdue.into_iter().chain(all);
        in_order.filter(|class| self.ready(*class) > 0)
    }

    fn is_overdue(&self, class: Class, unix_ms: i64) -> bool {
        let waited_ms = unix_ms - self.classes[class as usize].since_ms;
        let limit_ms = CLASS_WAIT_LIMIT_MS[class as usize];
        self.ready(class) > 0 && limit_ms.is_some_and(|limit_ms| waited_ms >= limit_ms)
    }

    /// The party is served, and has a slot; gives its next turn.
    pub fn starts(&mut self, class: Class, turn: &Turn, unix_ms: i64) -> i64 {
        self.was_overdue = !self.was_overdue && self.is_overdue(class, unix_ms);
        self.classes[class as usize].since_ms = unix_ms;
        self.leaves(class);
        self.running.push_back(turn.party.clone());
        if class != Class::Person {
            return 0;
        }
        if turn.turn > self.round {
            self.round = turn.turn;
            self.served.clear();
        }
        if self.served.len() < ROUND_LIMIT_PARTIES {
            self.served.insert(turn.party.clone());
        }
        // Who was passed over for its share of the slots, and so stands in an older round, has no
        // claim to all the rounds it missed.
        self.round + 1
    }

    pub fn adopts(&mut self, party: &str) {
        self.running.push_back(party.to_string());
    }

    pub fn ends(&mut self, party: &str) {
        let slot = self.running.iter().position(|of| of == party);
        let party = slot.and_then(|slot| self.running.remove(slot));
        assert!(party.is_some(), "a slot given back twice");
    }

    /// What started first ends, until a slot is free.
    pub fn ends_first(&mut self) {
        while !self.has_free_slot() {
            self.running.pop_front();
        }
    }
}
