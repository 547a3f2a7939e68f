//! Which work may start next: order and slots.

use std::collections::{BTreeMap, HashMap};

/// What takes a slot: fetching the source of a check, or a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    Source(i64),
    Build(i64),
}

/// First come, first served, except that work whose time has not come lets later work pass.
#[derive(Debug)]
pub struct Queue {
    slots: usize,
    running: usize,
    next_ticket: u64,
    /// By ticket, so in the order of coming.
    waiting: BTreeMap<u64, Waiting>,
    tickets: HashMap<Work, u64>,
}

#[derive(Debug)]
struct Waiting {
    work: Work,
    not_before_ms: u64,
}

impl Queue {
    pub fn new(slots: usize) -> Queue {
        Queue {
            slots,
            running: 0,
            next_ticket: 0,
            waiting: BTreeMap::new(),
            tickets: HashMap::new(),
        }
    }

    /// Lets work wait for a slot, from `not_before_ms` on. Work waits once at a time.
    pub fn push(&mut self, work: Work, not_before_ms: u64) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let twin = self.tickets.insert(work, ticket);
        assert!(twin.is_none(), "{work:?} is waiting already");
        let waiting = Waiting {
            work,
            not_before_ms,
        };
        self.waiting.insert(ticket, waiting);
    }

    /// Gives the next work a slot, if one is free and some work's time has come.
    pub fn take(&mut self, now_ms: u64) -> Option<Work> {
        if self.running >= self.slots {
            return None;
        }
        let ready = |(ticket, waiting): (&u64, &Waiting)| {
            (waiting.not_before_ms <= now_ms).then_some(*ticket)
        };
        let ticket = self.waiting.iter().find_map(ready)?;
        let waiting = self.waiting.remove(&ticket)?;
        self.tickets.remove(&waiting.work);
        self.running += 1;
        Some(waiting.work)
    }

    /// Gives a slot back.
    pub fn release(&mut self) {
        assert!(self.running > 0, "a slot given back twice");
        self.running -= 1;
    }

    /// When work that is held back may start, if a slot is free; a past time means now.
    pub fn deadline_ms(&self) -> Option<u64> {
        if self.running >= self.slots {
            return None;
        }
        self.waiting.values().map(|w| w.not_before_ms).min()
    }

    /// How many stand before it, from 1; none for what does not wait. Walks the queue.
    pub fn position(&self, work: Work) -> Option<usize> {
        let ticket = self.tickets.get(&work)?;
        Some(self.waiting.range(..=ticket).count())
    }

    /// What waits, in order, each with its earliest start.
    pub fn in_order(&self) -> impl Iterator<Item = (Work, u64)> {
        self.waiting.values().map(|w| (w.work, w.not_before_ms))
    }

    pub fn slots(&self) -> usize {
        self.slots
    }

    pub fn running(&self) -> usize {
        self.running
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
