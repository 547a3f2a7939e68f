//! The queue of tasks: they wait in the database and start in the order of a policy.

use crate::app::domain::task::{Entry, Place, Priority, Task, WaitReason};
use crate::app::queue::limits::DUE_LIMIT;
use crate::app::queue::lookahead;
use crate::app::queue::policy::Policy;
use crate::app::store::lanes::{self, Lane};
use crate::app::store::queue;
use crate::app::store::store::{self, Store};

/// In memory are only counts of waiting tasks and the tenant of each slot in use; the queue itself is in the database.
/// After a rollback these are stale: call `Queue::open` again.
#[derive(Debug)]
pub struct Queue {
    policy: Policy,
    /// The number of tasks in a pause, by priority.
    paused: [u64; Priority::COUNT],
    /// When the first pause ends, in unix milliseconds.
    next_due: Option<i64>,
    pub version: u64,
}

impl Queue {
    /// The queue in the database; counts its tasks. A new round begins: which tenants the latest one has served is not
    /// stored.
    pub fn open(slots: usize, store: &Store, unix_ms: i64) -> store::Result<Queue> {
        let counts = queue::counts(store)?;
        let first_lane = lanes::first(store, Priority::Interactive, |_| true)?;
        // One round before the first lane: a tenant that joins now is served before the second round of the others.
        let round = first_lane.map_or(0, |first| first.round - 1);
        Ok(Queue {
            policy: Policy::new(slots, counts.map(|(ready, _)| ready), round, unix_ms),
            paused: counts.map(|(_, held)| held),
            next_due: queue::next_due(store)?,
            version: 0,
        })
    }

    /// Enqueues a task that does not wait yet; it starts at `not_before` at the earliest.
    pub fn push(
        &mut self,
        store: &mut Store,
        entry: &Entry,
        not_before: Option<i64>,
        unix_ms: i64,
    ) -> store::Result<()> {
        self.version += 1;
        let later = not_before.filter(|at| *at > unix_ms.max(0));
        let ticket = queue::insert(store, entry, later)?;
        let Some(ticket) = ticket else {
            panic!("{:?} is waiting already", entry.task);
        };
        match later {
            Some(at) => {
                self.paused[entry.priority as usize] += 1;
                self.next_due = Some(self.next_due.map_or(at, |due| due.min(at)));
                Ok(())
            }
            None => self.enqueue(store, entry, ticket, unix_ms),
        }
    }

    /// Puts a task that may start into the lane of its tenant.
    fn enqueue(
        &mut self,
        store: &mut Store,
        entry: &Entry,
        ticket: i64,
        unix_ms: i64,
    ) -> store::Result<()> {
        self.policy.enqueue(entry.priority, unix_ms);
        let lane = Lane {
            tenant: entry.tenant.clone(),
            round: self.policy.round_of_new(entry.priority, &entry.tenant),
            popularity: entry.popularity,
            ticket,
        };
        lanes::add_task(store, entry.priority, &lane)
    }

    /// Enqueues up to `DUE_LIMIT` tasks whose pause is over; the next call takes more.
    fn enqueue_due(&mut self, store: &mut Store, unix_ms: i64) -> store::Result<()> {
        if self.next_due.is_none_or(|due| due > unix_ms) {
            return Ok(());
        }
        self.version += 1;
        for due in queue::paused(store, unix_ms, DUE_LIMIT)? {
            queue::set_ready(store, due.ticket)?;
            self.paused[due.entry.priority as usize] -= 1;
            self.enqueue(store, &due.entry, due.ticket, unix_ms)?;
        }
        self.next_due = queue::next_due(store)?;
        Ok(())
    }

    /// Gives the next task a slot, if one is free and a task may start, and removes it from the queue. The caller
    /// stores in the same transaction that it runs.
    pub fn take(&mut self, store: &mut Store, unix_ms: i64) -> store::Result<Option<Entry>> {
        self.enqueue_due(store, unix_ms)?;
        if !self.policy.has_free_slot() {
            return Ok(None);
        }
        let first_lane =
            &mut |priority, may: &dyn Fn(&str) -> bool| lanes::first(store, priority, may);
        let Some((priority, lane)) = self.policy.next(unix_ms, first_lane)? else {
            return Ok(None);
        };
        self.version += 1;
        let next_round = self.policy.start(priority, &lane, unix_ms);
        let task = queue::take(store, lane.ticket)?;
        lanes::refresh(store, priority, &lane.tenant, Some(next_round))?;
        Ok(Some(Entry {
            task,
            priority,
            tenant: lane.tenant,
            popularity: lane.popularity,
        }))
    }

    /// Takes a slot for a task that runs already, even beyond the number of slots.
    pub fn adopt(&mut self, tenant: &str) {
        self.version += 1;
        self.policy.adopt(tenant);
    }

    pub fn release(&mut self, tenant: &str) {
        self.version += 1;
        self.policy.finish(tenant);
    }

    /// Takes a task out of the queue; false if it did not wait.
    pub fn remove(&mut self, store: &mut Store, task: Task) -> store::Result<bool> {
        let Some(waiting) = queue::by_task(store, task)? else {
            return Ok(false);
        };
        self.version += 1;
        queue::take(store, waiting.ticket)?;
        let Entry {
            priority, tenant, ..
        } = waiting.entry;
        if waiting.not_before.is_some() {
            self.paused[priority as usize] -= 1;
            self.next_due = queue::next_due(store)?;
        } else {
            self.policy.dequeue(priority);
            lanes::refresh(store, priority, &tenant, None)?;
        }
        Ok(true)
    }

    pub fn is_waiting(&self, store: &Store, task: Task) -> store::Result<bool> {
        Ok(queue::by_task(store, task)?.is_some())
    }

    pub fn slots(&self) -> usize {
        self.policy.slots()
    }

    /// The number of slots follows the cluster. Where there are fewer than tasks that hold one, no other task starts.
    pub fn set_slots(&mut self, slots: usize) {
        if slots != self.policy.slots() {
            self.version += 1;
            self.policy.set_slots(slots);
        }
    }

    pub fn running(&self) -> usize {
        self.policy.running()
    }

    /// The number of waiting tasks, including those in a pause.
    pub fn waiting(&self) -> u64 {
        Priority::ALL
            .iter()
            .map(|priority| self.waiting_of(*priority))
            .sum()
    }

    pub fn waiting_of(&self, priority: Priority) -> u64 {
        self.policy.ready(priority) + self.paused[priority as usize]
    }

    /// When `take` may return a task, in unix milliseconds; a past time means now.
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

    /// The next tasks in the order in which they would start, if no others came, no time passed and running tasks ended
    /// in the order of their starts. Tasks in a pause come last. Costs a read for each.
    pub fn order(&self, store: &Store, limit: usize, unix_ms: i64) -> store::Result<Vec<Place>> {
        let mut places = lookahead::order(&self.policy, store, limit, unix_ms)?;
        for held in queue::paused(store, i64::MAX, limit - places.len())? {
            places.push(Place {
                entry: held.entry,
                not_before: held.not_before,
                wait_reason: Some(WaitReason::Backoff),
            });
        }
        Ok(places)
    }

    /// The number of tasks that precede it by priority, popularity and age alone, counted up to `cap`; none if it does
    /// not wait. Costs a step for each.
    pub fn rank(&self, store: &Store, task: Task, cap: u64) -> store::Result<Option<u64>> {
        let Some(waiting) = queue::by_task(store, task)? else {
            return Ok(None);
        };
        let priority = waiting.entry.priority;
        let priorities = Priority::ALL.iter().filter(|before| **before < priority);
        let before: u64 = priorities.map(|before| self.waiting_of(*before)).sum();
        let among = queue::ahead_in_priority(store, &waiting, cap.saturating_sub(before))?;
        Ok(Some((before + among).min(cap)))
    }
}
