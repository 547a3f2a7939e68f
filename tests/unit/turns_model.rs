//! The queue against all its rules by brute force, by seeded chance.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::common::rows::{Place as Where, in_memory};
use crate::common::seed::Seed;
use zigcheck::app::domain::task::{Entry, Place, Priority, Task, WaitReason};
use zigcheck::app::queue::limits::{PRIORITY_WAIT_LIMIT_MS, ROUND_LIMIT_TENANTS};
use zigcheck::app::queue::queue::Queue;
use zigcheck::app::store::store::Store;

/// What the queue promises, said without any cleverness.
#[derive(Clone, Default)]
struct Model {
    slots: usize,
    /// Parties, in the order of their starts.
    running: Vec<String>,
    /// In the order of coming.
    waiting: Vec<Item>,
    /// When something of a priority started last, or since when something may.
    since: [i64; 6],
    was_overdue: bool,
    round: i64,
    served: Vec<String>,
    /// The tenants with interactive tasks that may start.
    turns: BTreeMap<String, i64>,
}

#[derive(Clone, PartialEq)]
struct Item {
    entry: Entry,
    /// Its age: it keeps its place while it is held back.
    ticket: usize,
    not_before: Option<i64>,
}

impl Model {
    fn ready(&self) -> impl Iterator<Item = &Item> {
        self.waiting.iter().filter(|item| item.not_before.is_none())
    }

    fn ready_of(&self, priority: Priority) -> impl Iterator<Item = &Item> {
        self.ready()
            .filter(move |item| item.entry.priority == priority)
    }

    /// Called before the item may start.
    fn join(&mut self, entry: &Entry, now: i64) {
        if self.ready_of(entry.priority).next().is_none() {
            self.since[entry.priority as usize] = now;
        }
        if entry.priority == Priority::Interactive && !self.turns.contains_key(&entry.tenant) {
            let closed = self.served.len() >= ROUND_LIMIT_TENANTS;
            let next = closed || self.served.contains(&entry.tenant);
            let turn = self.round + i64::from(next);
            self.turns.insert(entry.tenant.clone(), turn);
        }
    }

    fn push(&mut self, entry: &Entry, not_before: Option<i64>, ticket: usize, now: i64) {
        let not_before = not_before.filter(|at| *at > now);
        if not_before.is_none() {
            self.join(entry, now);
        }
        let entry = entry.clone();
        self.waiting.push(Item {
            entry,
            ticket,
            not_before,
        });
    }

    fn join_due(&mut self, now: i64) {
        let is_due = |item: &&Item| item.not_before.is_some_and(|at| at <= now);
        let mut due: Vec<Item> = self.waiting.iter().filter(is_due).cloned().collect();
        due.sort_by_key(|item| (item.not_before, item.ticket));
        for item in due {
            self.join(&item.entry, now);
            let of_ticket = |known: &&mut Item| known.ticket == item.ticket;
            let known = self.waiting.iter_mut().find(of_ticket).unwrap();
            known.not_before = None;
        }
    }

    fn has_its_share(&self, tenant: &str) -> bool {
        let held = self.running.iter().filter(|of| *of == tenant).count();
        held >= usize::max(1, self.slots / 2)
    }

    fn is_overdue(&self, priority: Priority, now: i64) -> bool {
        let limit = PRIORITY_WAIT_LIMIT_MS[priority as usize];
        limit.is_some_and(|limit| now - self.since[priority as usize] >= limit)
    }

    /// What others would have to let pass.
    fn may_start(&self, now: i64) -> Vec<&Item> {
        let group = self.first_group(now);
        let has_right = |item: &&&Item| !self.has_its_share(&item.entry.tenant);
        let with_right: Vec<&Item> = group.iter().filter(has_right).copied().collect();
        match with_right.is_empty() {
            true => group,
            false => with_right,
        }
    }

    /// What may start, without searches where there is anything else, but for those that waited too long; the analysis
    /// for other targets where there is nothing else.
    fn first_group(&self, now: i64) -> Vec<&Item> {
        let overdue = !self.was_overdue && self.is_overdue(Priority::Search, now);
        let is_search = |item: &&Item| item.entry.priority == Priority::Search;
        let is_targets = |item: &&Item| item.entry.priority == Priority::Targets;
        let (targets, others): (Vec<&Item>, Vec<&Item>) = self.ready().partition(is_targets);
        let (searches, others): (Vec<&Item>, Vec<&Item>) = others.into_iter().partition(is_search);
        match () {
            () if others.is_empty() && searches.is_empty() => targets,
            () if overdue => others.into_iter().chain(searches).collect(),
            () if others.is_empty() => searches,
            () => others,
        }
    }

    fn next(&self, now: i64) -> Option<Item> {
        let mut may = self.may_start(now);
        let overdue = may
            .iter()
            .map(|item| item.entry.priority)
            .filter(|priority| !self.was_overdue && self.is_overdue(*priority, now))
            .min_by_key(|priority| (self.since[*priority as usize], *priority));
        let priority = overdue.or(may.iter().map(|item| item.entry.priority).min())?;
        may.retain(|item| item.entry.priority == priority);
        let turn = |item: &Item| match priority {
            Priority::Interactive => self.turns[&item.entry.tenant],
            _ => 0,
        };
        let best = may.into_iter().min_by_key(|item| {
            let popular = Reverse(item.entry.popularity);
            (turn(item), popular, item.ticket)
        });
        best.cloned()
    }

    fn start(&mut self, now: i64) -> Option<Entry> {
        let item = self.next(now)?;
        let priority = item.entry.priority;
        self.was_overdue = !self.was_overdue && self.is_overdue(priority, now);
        self.since[priority as usize] = now;
        self.forget(&item);
        self.running.push(item.entry.tenant.clone());
        if priority == Priority::Interactive {
            let tenant = &item.entry.tenant;
            let turn = self.turns[tenant];
            if turn > self.round {
                self.round = turn;
                self.served.clear();
            }
            if self.served.len() < ROUND_LIMIT_TENANTS && !self.served.contains(tenant) {
                self.served.push(tenant.clone());
            }
            self.turns.insert(tenant.clone(), self.round + 1);
            self.tidy_turns();
        }
        Some(item.entry)
    }

    fn take(&mut self, now: i64) -> Option<Entry> {
        self.join_due(now);
        match self.running.len() < self.slots {
            true => self.start(now),
            false => None,
        }
    }

    fn forget(&mut self, item: &Item) {
        self.waiting.retain(|known| known.ticket != item.ticket);
    }

    fn tidy_turns(&mut self) {
        let people = self.ready_of(Priority::Interactive);
        let tenants: Vec<String> = people.map(|item| item.entry.tenant.clone()).collect();
        self.turns.retain(|tenant, _| tenants.contains(tenant));
    }

    fn remove(&mut self, task: Task) -> bool {
        let Some(item) = self.of(task).cloned() else {
            return false;
        };
        self.forget(&item);
        self.tidy_turns();
        true
    }

    fn of(&self, task: Task) -> Option<&Item> {
        self.waiting.iter().find(|item| item.entry.task == task)
    }

    fn release(&mut self, tenant: &str) {
        let slot = self.running.iter().position(|of| of == tenant);
        self.running.remove(slot.unwrap());
    }

    fn restart(&mut self, now: i64) {
        self.running.clear();
        self.since = [now; 6];
        self.was_overdue = false;
        self.round = self.turns.values().min().map_or(0, |first| first - 1);
        self.served.clear();
    }

    fn deadline(&self) -> Option<i64> {
        if self.running.len() >= self.slots {
            return None;
        }
        match self.ready().next() {
            Some(_) => Some(0),
            None => self.waiting.iter().filter_map(|i| i.not_before).min(),
        }
    }

    fn order(&self, limit: usize, now: i64) -> Vec<Place> {
        let mut first = self.first_group(now).into_iter();
        let others_wait = first.any(|item| !self.has_its_share(&item.entry.tenant));
        let mut later = self.clone();
        let mut places = Vec::new();
        while places.len() < limit {
            while later.running.len() >= later.slots {
                later.running.remove(0);
            }
            let Some(entry) = later.start(now) else {
                break;
            };
            let passed_over = others_wait && self.has_its_share(&entry.tenant);
            places.push(Place {
                entry,
                not_before: None,
                wait_reason: passed_over.then_some(WaitReason::FairShare),
            });
        }
        let mut held: Vec<Item> = later.waiting;
        held.retain(|item| item.not_before.is_some());
        held.sort_by_key(|item| (item.not_before, item.ticket));
        places.extend(held.into_iter().map(|item| Place {
            entry: item.entry,
            not_before: item.not_before,
            wait_reason: Some(WaitReason::Backoff),
        }));
        places.truncate(limit);
        places
    }

    fn rank(&self, task: Task, cap: u64) -> Option<u64> {
        let key = |item: &Item| {
            let popular = Reverse(item.entry.popularity);
            (item.entry.priority, popular, item.ticket)
        };
        let own = key(self.of(task)?);
        let before = self.waiting.iter().filter(|item| key(item) < own);
        Some((before.count() as u64).min(cap))
    }
}

/// How often each rule was met.
#[derive(Debug, Default)]
struct Seen {
    taken: u64,
    paused: u64,
    passed_over: u64,
    overdue: u64,
    restarts: u64,
    rounds: i64,
}

struct Run {
    chance: Seed,
    store: Store,
    queue: Queue,
    model: Model,
    now: i64,
    pushed: usize,
    seen: Seen,
}

impl Run {
    fn task(&mut self) -> Task {
        // Few numbers, so that works of one number and different kinds meet.
        let id = self.chance.between(1, 40) as i64;
        let kind = self.chance.below(3) as i64;
        Task::from_columns(kind, id).expect("three kinds")
    }

    fn push(&mut self) {
        let task = self.task();
        if self.model.of(task).is_some() {
            return;
        }
        let priority = match self.chance.once_in(2) {
            true => Priority::Interactive,
            false => *self.chance.pick(&Priority::ALL),
        };
        // One tenant has more than the others.
        let tenant = match self.chance.once_in(2) {
            true => 0,
            false => self.chance.below(6),
        };
        let popularity = [0, 0, 3, 7][self.chance.below(4)];
        let wait = [None, None, None, Some(-5), Some(0), Some(9), Some(40_000)];
        let not_before = self.chance.pick(&wait).map(|wait| self.now + wait);
        let entry = Entry {
            task,
            priority,
            tenant: format!("tenant {tenant}"),
            popularity,
        };
        let store = &mut self.store;
        let pushed = self.queue.push(store, &entry, not_before, self.now);
        pushed.unwrap();
        self.model.push(&entry, not_before, self.pushed, self.now);
        self.pushed += 1;
    }

    fn take(&mut self) {
        self.model.join_due(self.now);
        let first_priority = self.model.ready().map(|item| item.entry.priority).min();
        let wanted = self.model.take(self.now);
        let taken = self.queue.take(&mut self.store, self.now).unwrap();
        assert_eq!(taken, wanted);
        self.seen.taken += u64::from(taken.is_some());
        let of_later = taken.is_some_and(|taken| Some(taken.priority) > first_priority);
        self.seen.overdue += u64::from(of_later && self.model.was_overdue);
    }

    fn release(&mut self) {
        if self.model.running.is_empty() {
            return;
        }
        let running = &self.model.running;
        let tenant = running[self.chance.below(running.len())].clone();
        self.model.release(&tenant);
        self.queue.release(&tenant);
    }

    fn remove(&mut self) {
        let task = self.task();
        let removed = self.queue.remove(&mut self.store, task).unwrap();
        assert_eq!(removed, self.model.remove(task), "{task:?}");
    }

    /// Some of what ran is adopted, in another order; sometimes there are fewer slots now.
    fn restart(&mut self) {
        let mut running = std::mem::take(&mut self.model.running);
        self.model.restart(self.now);
        self.model.slots = self.chance.between(1, 6);
        self.queue = Queue::open(self.model.slots, &self.store, self.now).unwrap();
        while !running.is_empty() {
            let tenant = running.swap_remove(self.chance.below(running.len()));
            if !self.chance.once_in(4) {
                self.queue.adopt(&tenant);
                self.model.running.push(tenant);
            }
        }
        self.seen.restarts += 1;
    }

    fn compare(&mut self) {
        let Run {
            queue,
            model,
            store,
            now,
            ..
        } = self;
        let said = (queue.running(), queue.waiting(), queue.deadline());
        let waiting = model.waiting.len() as u64;
        assert_eq!(said, (model.running.len(), waiting, model.deadline()));
        for priority in Priority::ALL {
            let of_priority = |item: &&Item| item.entry.priority == priority;
            let count = model.waiting.iter().filter(of_priority).count() as u64;
            assert_eq!(queue.waiting_of(priority), count);
        }
        let limit = [0, 1, 2, 5, 5, 9, 30, 200][self.chance.below(8)];
        let order = queue.order(store, limit, *now).unwrap();
        assert_eq!(order, model.order(limit, *now), "the next {limit}");
        for place in order {
            self.seen.paused += u64::from(place.wait_reason == Some(WaitReason::Backoff));
            self.seen.passed_over += u64::from(place.wait_reason == Some(WaitReason::FairShare));
        }
        let task = self.task();
        let waits = self.queue.is_waiting(&self.store, task).unwrap();
        assert_eq!(waits, self.model.of(task).is_some());
        let cap = [0, 3, 1_000][self.chance.below(3)];
        let rank = self.queue.rank(&self.store, task, cap).unwrap();
        assert_eq!(rank, self.model.rank(task, cap));
    }

    fn step(&mut self) {
        match self.chance.below(32) {
            0..=9 => self.push(),
            10..=17 => self.take(),
            18..=23 => self.release(),
            24 => self.remove(),
            25..=27 => self.now += self.chance.between(0, 9) as i64,
            28 => self.now += self.chance.between(0, 900) as i64 * 1_000,
            29 if self.chance.once_in(20) => self.restart(),
            _ => {}
        }
        self.compare();
    }
}

/// Where a failure was met.
struct Spot {
    seed: u64,
    step: u64,
}

impl Drop for Spot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}, step {}", self.seed, self.step);
        }
    }
}

fn run(seed: u64, mut store: Store, mut again: impl FnMut(Store) -> Store) -> Seen {
    store.commit().unwrap();
    let mut run = Run {
        chance: Seed(seed),
        queue: Queue::open(1 + seed as usize % 5, &store, 0).unwrap(),
        store,
        model: Model {
            slots: 1 + seed as usize % 5,
            ..Model::default()
        },
        now: 0,
        pushed: 0,
        seen: Seen::default(),
    };
    let mut spot = Spot { seed, step: 0 };
    for step in 0..1_500 {
        spot.step = step;
        run.step();
        if step % 400 == 399 {
            run.store = again(run.store);
            run.restart();
            run.compare();
        }
    }
    run.seen.rounds = run.model.round;
    run.seen
}

#[test]
fn the_queue_does_what_its_rules_say() {
    let mut all = Seen::default();
    for seed in 1..=40 {
        let seen = run(seed, in_memory(), |store| store);
        all.taken += seen.taken;
        all.paused += seen.paused;
        all.passed_over += seen.passed_over;
        all.overdue += seen.overdue;
        all.restarts += seen.restarts;
        all.rounds += seen.rounds;
    }
    println!("{all:?}");
    assert!(all.taken > 4_000 && all.restarts > 80, "{all:?}");
    assert!(all.overdue > 200 && all.rounds > 1_500, "{all:?}");
    assert!(all.paused > 5_000 && all.passed_over > 50_000, "{all:?}");
}

#[test]
fn what_waits_survives_on_disk() {
    let place = Where::on_disk("turns");
    run(7, place.open(), |store| place.again(store));
}
