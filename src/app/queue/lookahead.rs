//! The queue played forward, over the heads of its lines.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::app::domain::task::{Entry, Place, Priority, Task, WaitReason};
use crate::app::queue::policy::Policy;
use crate::app::store::lanes::Lane;
use crate::app::store::queue::Waiting;
use crate::app::store::store::{self, Store};

/// The lines as they would be after some starts, read as far as they are needed.
struct Lines<'a> {
    store: &'a Store,
    /// More are never served in these lines, or passed over.
    limit: usize,
    lines: HashMap<Priority, BTreeMap<Key, String>>,
    works: HashMap<(Priority, String), TaskIds>,
}

/// Turn, popularity, ticket: the order of a line.
type Key = (i64, Reverse<i64>, i64);

/// What waits of a party in a class.
#[derive(Default)]
struct TaskIds {
    /// Read and not started, in order.
    next: VecDeque<Waiting>,
    read: usize,
}

/// The next works that may start. What runs ends in the order in which it started.
pub fn order(
    policy: &Policy,
    store: &Store,
    limit: usize,
    unix_ms: i64,
) -> store::Result<Vec<Place>> {
    let mut lines = Lines {
        store,
        limit: limit + policy.running() + 1,
        lines: HashMap::new(),
        works: HashMap::new(),
    };
    let mut later = policy.clone();
    let mut places = Vec::new();
    let mut others_wait = None;
    while places.len() < limit {
        later.ends_first();
        let in_line = &mut |priority, may: &dyn Fn(&str) -> bool| lines.first(priority, may);
        // Who is served if a slot comes free now, is one with a right to it, if there is any.
        if others_wait.is_none() {
            let next = policy.next(unix_ms, in_line)?;
            others_wait = Some(next.is_some_and(|(_, turn)| !policy.has_its_share(&turn.tenant)));
        }
        let Some((priority, turn)) = later.next(unix_ms, in_line)? else {
            break;
        };
        let next_turn = later.start(priority, &turn, unix_ms);
        let task = lines.start(priority, &turn, next_turn)?;
        let is_passed_over = others_wait == Some(true) && policy.has_its_share(&turn.tenant);
        places.push(Place {
            entry: Entry {
                task,
                priority,
                tenant: turn.tenant,
                popularity: turn.popularity,
            },
            not_before: None,
            wait_reason: is_passed_over.then_some(WaitReason::FairShare),
        });
    }
    Ok(places)
}

impl Lines<'_> {
    fn line(&mut self, priority: Priority) -> store::Result<&mut BTreeMap<Key, String>> {
        if !self.lines.contains_key(&priority) {
            let turns = self.store.lanes(priority, self.limit)?;
            let line = turns.into_iter().map(|turn| (key(&turn), turn.tenant));
            self.lines.insert(priority, line.collect());
        }
        Ok(self.lines.entry(priority).or_default())
    }

    fn first(
        &mut self,
        priority: Priority,
        may: &dyn Fn(&str) -> bool,
    ) -> store::Result<Option<Lane>> {
        let first = self.line(priority)?.iter().find(|(_, tenant)| may(tenant));
        Ok(first.map(|(key, tenant)| Lane {
            tenant: tenant.clone(),
            round: key.0,
            popularity: key.1.0,
            ticket: key.2,
        }))
    }

    /// Takes the first work of the party from its line, where its next one then stands.
    fn start(&mut self, priority: Priority, turn: &Lane, next_turn: i64) -> store::Result<Task> {
        let of = (priority, turn.tenant.clone());
        let works = self.works.entry(of).or_default();
        if works.next.len() < 2 {
            // As much again as there was: a party with a million is not read whole, and one with
            // hundreds among the next is read in few steps.
            let (skip, more) = (works.read, works.read.max(2));
            let read = self.store.waiting_of(priority, &turn.tenant, skip, more)?;
            works.read += read.len();
            works.next.extend(read);
        }
        let first = works.next.pop_front();
        let first = first.expect("who stands in a line has work there");
        assert_eq!(first.ticket, turn.ticket, "the line shows the first work");
        let next = works.next.front().map(|next| Lane {
            tenant: turn.tenant.clone(),
            round: next_turn,
            popularity: next.entry.popularity,
            ticket: next.ticket,
        });
        let line = self.line(priority)?;
        line.remove(&key(turn));
        line.extend(next.map(|next| (key(&next), next.tenant)));
        Ok(first.entry.task)
    }
}

fn key(turn: &Lane) -> Key {
    (turn.round, Reverse(turn.popularity), turn.ticket)
}
