//! The order of the next starts: the policy applied to a copy of its state and of the lanes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::app::domain::task::{Entry, Place, Priority, Task, WaitReason};
use crate::app::queue::policy::Policy;
use crate::app::store::lanes::{self, Lane};
use crate::app::store::queue::{self, Waiting};
use crate::app::store::store::{self, Store};

/// The lanes as they would be after some starts, read as far as they are needed.
struct Lanes<'a> {
    store: &'a Store,
    /// No more lanes than that are served or passed over.
    limit: usize,
    lanes: HashMap<Priority, BTreeMap<Key, String>>,
    tasks: HashMap<(Priority, String), LaneTasks>,
}

/// Round, popularity, ticket: the order of the lanes of a priority.
type Key = (i64, Reverse<i64>, i64);

/// The waiting tasks of a tenant at a priority.
#[derive(Default)]
struct LaneTasks {
    /// Read and not started yet, in order.
    next: VecDeque<Waiting>,
    read: usize,
}

/// The next tasks that may start, if running tasks end in the order of their starts.
pub fn order(
    policy: &Policy,
    store: &Store,
    limit: usize,
    unix_ms: i64,
) -> store::Result<Vec<Place>> {
    let mut lanes = Lanes {
        store,
        limit: limit + policy.running() + 1,
        lanes: HashMap::new(),
        tasks: HashMap::new(),
    };
    let mut later = policy.clone();
    let mut places = Vec::new();
    let mut others_wait = None;
    while places.len() < limit {
        later.free_a_slot();
        let first_lane = &mut |priority, may: &dyn Fn(&str) -> bool| lanes.first(priority, may);
        // If another tenant may be served now, a tenant with its share is passed over.
        if others_wait.is_none() {
            let next = policy.next(unix_ms, first_lane)?;
            others_wait = Some(next.is_some_and(|(_, lane)| !policy.has_its_share(&lane.tenant)));
        }
        let Some((priority, lane)) = later.next(unix_ms, first_lane)? else {
            break;
        };
        let next_round = later.start(priority, &lane, unix_ms);
        let task = lanes.start(priority, &lane, next_round)?;
        let is_passed_over = others_wait == Some(true) && policy.has_its_share(&lane.tenant);
        places.push(Place {
            entry: Entry {
                task,
                priority,
                tenant: lane.tenant,
                popularity: lane.popularity,
            },
            not_before: None,
            wait_reason: is_passed_over.then_some(WaitReason::FairShare),
        });
    }
    Ok(places)
}

impl Lanes<'_> {
    fn of_priority(&mut self, priority: Priority) -> store::Result<&mut BTreeMap<Key, String>> {
        if !self.lanes.contains_key(&priority) {
            let lanes = lanes::list(self.store, priority, self.limit)?;
            let of_priority = lanes.into_iter().map(|lane| (key(&lane), lane.tenant));
            self.lanes.insert(priority, of_priority.collect());
        }
        Ok(self.lanes.entry(priority).or_default())
    }

    fn first(
        &mut self,
        priority: Priority,
        may: &dyn Fn(&str) -> bool,
    ) -> store::Result<Option<Lane>> {
        let first = self
            .of_priority(priority)?
            .iter()
            .find(|(_, tenant)| may(tenant));
        Ok(first.map(|(key, tenant)| Lane {
            tenant: tenant.clone(),
            round: key.0,
            popularity: key.1.0,
            ticket: key.2,
        }))
    }

    /// Starts the first task of a lane, which then shows the next one.
    fn start(&mut self, priority: Priority, lane: &Lane, next_round: i64) -> store::Result<Task> {
        let of = (priority, lane.tenant.clone());
        let tasks = self.tasks.entry(of).or_default();
        if tasks.next.len() < 2 {
            // As many again as were read: a lane with a million tasks is not read whole, and one with hundreds
            // among the next is read in few steps.
            let (skip, more) = (tasks.read, tasks.read.max(2));
            let read = queue::of_tenant(self.store, priority, &lane.tenant, skip, more)?;
            tasks.read += read.len();
            tasks.next.extend(read);
        }
        let first = tasks.next.pop_front();
        let first = first.expect("a lane has a task");
        assert_eq!(first.ticket, lane.ticket, "a lane shows its first task");
        let next = tasks.next.front().map(|next| Lane {
            tenant: lane.tenant.clone(),
            round: next_round,
            popularity: next.entry.popularity,
            ticket: next.ticket,
        });
        let of_priority = self.of_priority(priority)?;
        of_priority.remove(&key(lane));
        of_priority.extend(next.map(|next| (key(&next), next.tenant)));
        Ok(first.entry.task)
    }
}

fn key(lane: &Lane) -> Key {
    (lane.round, Reverse(lane.popularity), lane.ticket)
}
