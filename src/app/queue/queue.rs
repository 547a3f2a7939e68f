//! Which work may start next: it waits in the database, in the order of a policy.

use crate::app::domain::task::{Entry, Place, Priority, Task, WaitReason};
use crate::app::queue::limits::DUE_LIMIT;
use crate::app::queue::lookahead;
use crate::app::queue::policy::Policy;
use crate::app::store::lanes::Lane;
use crate::app::store::store::{self, Store};

/// Of what waits it keeps numbers alone, and of what runs the parties. They go with the
/// transaction: after one that was rolled back the queue is opened anew.
#[derive(Debug)]
pub struct Queue {
    policy: Policy,
    /// Held back, by class.
    held: [u64; 4],
    /// When the first of these may start, in unix milliseconds.
    next_due: Option<i64>,
}

impl Queue {
    /// The queue that the database holds. Turns start anew: who came before and who was served
    /// in this round is forgotten, and nothing else. Counts what waits.
    pub fn open(slots: usize, store: &Store, unix_ms: i64) -> store::Result<Queue> {
        let counts = store.queue_counts()?;
        let first_turn = store.first_lane(Priority::Interactive, |_| true)?;
        // Behind those who wait stands nobody: whoever comes now, joins before the next round.
        let round = first_turn.map_or(0, |first| first.round - 1);
        Ok(Queue {
            policy: Policy::new(slots, counts.map(|(ready, _)| ready), round, unix_ms),
            held: counts.map(|(_, held)| held),
            next_due: store.next_due()?,
        })
    }

    /// Lets work wait for a slot; where a time is given, not before it. Work waits once at a time.
    pub fn push(
        &mut self,
        store: &mut Store,
        entry: &Entry,
        not_before: Option<i64>,
        unix_ms: i64,
    ) -> store::Result<()> {
        let later = not_before.filter(|at| *at > unix_ms.max(0));
        let ticket = store.push_waiting(entry, later)?;
        let Some(ticket) = ticket else {
            panic!("{:?} is waiting already", entry.task);
        };
        match later {
            Some(at) => {
                self.held[entry.priority as usize] += 1;
                self.next_due = Some(self.next_due.map_or(at, |due| due.min(at)));
                Ok(())
            }
            None => self.join(store, entry, ticket, unix_ms),
        }
    }

    /// What may start stands in line with its party.
    fn join(
        &mut self,
        store: &mut Store,
        entry: &Entry,
        ticket: i64,
        unix_ms: i64,
    ) -> store::Result<()> {
        self.policy.enqueue(entry.priority, unix_ms);
        let turn = Lane {
            tenant: entry.tenant.clone(),
            round: self.policy.turn_of_new(entry.priority, &entry.tenant),
            popularity: entry.popularity,
            ticket,
        };
        store.join_lane(entry.priority, &turn)
    }

    /// Lets work join whose time has come; more than `DUE_LIMIT` of it joins at the next call.
    fn join_due(&mut self, store: &mut Store, unix_ms: i64) -> store::Result<()> {
        if self.next_due.is_none_or(|due| due > unix_ms) {
            return Ok(());
        }
        for due in store.held_back(unix_ms, DUE_LIMIT)? {
            store.set_due(due.ticket)?;
            self.held[due.entry.priority as usize] -= 1;
            self.join(store, &due.entry, due.ticket, unix_ms)?;
        }
        self.next_due = store.next_due()?;
        Ok(())
    }

    /// Gives the next work a slot, if one is free and some work's time has come. It does not wait
    /// any longer: who takes it notes that it runs in the same transaction.
    pub fn take(&mut self, store: &mut Store, unix_ms: i64) -> store::Result<Option<Entry>> {
        self.join_due(store, unix_ms)?;
        if !self.policy.has_free_slot() {
            return Ok(None);
        }
        let in_line = &mut |priority, may: &dyn Fn(&str) -> bool| store.first_lane(priority, may);
        let Some((priority, turn)) = self.policy.next(unix_ms, in_line)? else {
            return Ok(None);
        };
        let next_turn = self.policy.start(priority, &turn, unix_ms);
        let task = store.take_waiting(turn.ticket)?;
        store.refresh_lane(priority, &turn.tenant, Some(next_turn))?;
        Ok(Some(Entry {
            task,
            priority,
            tenant: turn.tenant,
            popularity: turn.popularity,
        }))
    }

    /// Something runs already, and holds a slot of its party: even one that there is not.
    pub fn adopt(&mut self, tenant: &str) {
        self.policy.adopt(tenant);
    }

    /// Gives a slot back.
    pub fn release(&mut self, tenant: &str) {
        self.policy.finish(tenant);
    }

    /// Ends a wait; false where there was none.
    pub fn remove(&mut self, store: &mut Store, task: Task) -> store::Result<bool> {
        let Some(waiting) = store.waiting(task)? else {
            return Ok(false);
        };
        store.take_waiting(waiting.ticket)?;
        let Entry {
            priority, tenant, ..
        } = waiting.entry;
        if waiting.not_before.is_some() {
            self.held[priority as usize] -= 1;
            self.next_due = store.next_due()?;
        } else {
            self.policy.dequeue(priority);
            store.refresh_lane(priority, &tenant, None)?;
        }
        Ok(true)
    }

    pub fn is_waiting(&self, store: &Store, task: Task) -> store::Result<bool> {
        Ok(store.waiting(task)?.is_some())
    }

    pub fn slots(&self) -> usize {
        self.policy.slots()
    }

    pub fn running(&self) -> usize {
        self.policy.running()
    }

    /// All that waits, what is held back included.
    pub fn waiting(&self) -> u64 {
        Priority::ALL
            .iter()
            .map(|priority| self.waiting_of(*priority))
            .sum()
    }

    pub fn waiting_of(&self, priority: Priority) -> u64 {
        self.policy.ready(priority) + self.held[priority as usize]
    }

    /// When `take` may give something, in unix milliseconds; a past time means now.
    pub fn deadline(&self) -> Option<i64> {
        if !self.policy.has_free_slot() {
            return None;
        }
        match Priority::ALL
            .iter()
            .any(|priority| self.policy.ready(*priority) > 0)
        {
            true => Some(0),
            false => self.next_due,
        }
    }

    /// The next works in the order in which they would start, if nothing else came, no time passed
    /// and what runs ended in the order in which it started; those whose time has not come are last.
    /// Costs a look-up for each.
    pub fn order(&self, store: &Store, limit: usize, unix_ms: i64) -> store::Result<Vec<Place>> {
        let mut places = lookahead::order(&self.policy, store, limit, unix_ms)?;
        for held in store.held_back(i64::MAX, limit - places.len())? {
            places.push(Place {
                entry: held.entry,
                not_before: held.not_before,
                wait_reason: Some(WaitReason::Backoff),
            });
        }
        Ok(places)
    }

    /// How many stand before it by class, popularity and age alone, counted up to `cap`; none for
    /// what does not wait. Walks over as many.
    pub fn rank(&self, store: &Store, task: Task, cap: u64) -> store::Result<Option<u64>> {
        let Some(waiting) = store.waiting(task)? else {
            return Ok(None);
        };
        let priority = waiting.entry.priority;
        let priorities = Priority::ALL.iter().filter(|before| **before < priority);
        let before: u64 = priorities.map(|before| self.waiting_of(*before)).sum();
        let among = store.ahead_in_priority(&waiting, cap.saturating_sub(before))?;
        Ok(Some((before + among).min(cap)))
    }
}
