//! The queue as people see it: what runs and what waits, in order, in builds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::app::builds::limits::RANK_LIMIT;
use crate::app::builds::running::{RunningTask, builds_behind};
use crate::app::domain::ids::BuildId;
use crate::app::domain::task::{Place, Task};
use crate::app::queue::queue::Queue;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::store::{self, Store};
use crate::app::store::{checks, packages};
use crate::config::limits::FORECAST_LIMIT;

/// A task that holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running<'w> {
    pub task: Task,
    /// The build that it is. While a source is fetched, the first build of its check stands for it. A recheck has
    /// none.
    pub build: Option<BuildId>,
    /// The key of its averages in `durations`.
    pub durations_key: String,
    /// Empty unless it is a build.
    pub zig_version: &'w str,
    pub started_unix_ms: i64,
    /// The name of its request, while it waits for a slot of the cluster.
    pub request: Option<&'w str>,
    /// The builds that wait for this source, with their versions.
    pub behind: Vec<(BuildId, String)>,
}

/// A task that waits for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub place: Place,
    /// The key of its averages in `durations`.
    pub durations_key: String,
    /// Empty unless it is a build.
    pub zig_version: String,
    /// Attempts that ended in an error.
    pub errors: u32,
    /// The builds that wait for this source, with their versions.
    pub behind: Vec<(BuildId, String)>,
}

/// What waits, in order, and the position of each build in it, from 1.
#[derive(Debug)]
pub struct QueueOrder {
    pub waiting: Vec<Waiting>,
    positions: HashMap<BuildId, usize>,
}

/// The latest order, with the version of the queue that it shows and the number of unfinished builds then.
#[derive(Debug, Default)]
pub struct OrderCache(RefCell<Option<(u64, u64, Rc<QueueOrder>)>>);

pub struct QueueView<'a> {
    pub queue: &'a Queue,
    pub running: &'a HashMap<Task, RunningTask>,
    pub store: &'a Store,
    /// Unfinished builds, wherever they are.
    pub open_builds: u64,
    pub cache: &'a OrderCache,
}

impl<'a> QueueView<'a> {
    /// The first `FORECAST_LIMIT` tasks that wait, in order.
    pub fn order(&self, unix_ms: i64) -> store::Result<Rc<QueueOrder>> {
        let (version, open) = (self.queue.version, self.open_builds);
        if let Some((of_version, of_open, order)) = &*self.cache.0.borrow()
            && (*of_version, *of_open) == (version, open)
        {
            return Ok(order.clone());
        }
        let mut order = QueueOrder {
            waiting: Vec::new(),
            positions: HashMap::new(),
        };
        for place in self.queue.order(self.store, FORECAST_LIMIT, unix_ms)? {
            let waiting = self.describe(place)?;
            let position = order.waiting.len() + 1;
            let behind = waiting.behind.iter().map(|(build, _)| (*build, position));
            order.positions.extend(behind);
            if let Task::Build(build) = waiting.place.entry.task {
                order.positions.insert(build, position);
            }
            order.waiting.push(waiting);
        }
        let order = Rc::new(order);
        *self.cache.0.borrow_mut() = Some((version, open, order.clone()));
        Ok(order)
    }

    /// The position of a build in the queue, from 1. While its source waits, it has the position of that; while the
    /// source is fetched, the one at the end, where it will join. None if it runs, if it stands for its source while
    /// that is fetched, and if it waits for no slot. Beyond the forecast it is an estimate by priority, popularity and
    /// age, at most `RANK_LIMIT`.
    pub fn position(&self, row: &BuildRow, unix_ms: i64) -> store::Result<Option<usize>> {
        if row.state.is_final()
            || row.waits_for.is_some()
            || self.running.contains_key(&Task::Build(row.id))
        {
            return Ok(None);
        }
        let order = self.order(unix_ms)?;
        if let Some(position) = order.positions.get(&row.id) {
            return Ok(Some(*position));
        }
        let source = Task::FetchSource(row.check);
        if self.running.contains_key(&source) {
            let behind = builds_behind(self.running, row.check, self.store)?;
            let first = behind.first().map(|first| first.id);
            return Ok((first != Some(row.id)).then(|| self.queue.waiting() as usize + 1));
        }
        let rank = |task| self.queue.rank(self.store, task, RANK_LIMIT);
        let rank = match rank(Task::Build(row.id))? {
            None => rank(source)?,
            rank => rank,
        };
        Ok(rank.map(|before| before as usize + 1))
    }

    /// The tasks that hold a slot, the longest first.
    pub fn running_tasks(&self) -> store::Result<Vec<Running<'a>>> {
        let mut running = Vec::new();
        for (task, running_task) in self.running {
            let behind = self.behind(*task)?;
            let first_behind = behind.first().map(|(build, _)| *build);
            let (build, zig_version) = match task {
                Task::Build(build) => (Some(*build), running_task.zig_version.as_str()),
                Task::FetchSource(_)
                | Task::CheckRemote(_)
                | Task::ListCommits(_)
                | Task::CheckTargets(_) => (first_behind, ""),
            };
            running.push(Running {
                task: *task,
                build,
                durations_key: running_task.durations_key(),
                zig_version,
                started_unix_ms: running_task.started_unix_ms,
                request: running_task.request(),
                behind,
            });
        }
        running.sort_unstable_by_key(|running| (running.started_unix_ms, running.task));
        Ok(running)
    }

    fn describe(&self, place: Place) -> store::Result<Waiting> {
        let task = place.entry.task;
        let (durations_key, zig_version, errors) = match task {
            Task::Build(build) => {
                let row = builds::by_id(self.store, build)?;
                row.map(|row| (row.durations_key(), row.zig_version, row.errors))
            }
            Task::CheckTargets(build) => {
                let row = builds::by_id(self.store, build)?;
                row.map(|row| (row.durations_key(), String::new(), 0))
            }
            Task::FetchSource(check) => {
                let row = checks::by_id(self.store, check)?;
                row.map(|row| (row.durations_key(), String::new(), row.errors))
            }
            Task::CheckRemote(package) | Task::ListCommits(package) => {
                let row = packages::by_id(self.store, package)?;
                row.map(|row| (row.name, String::new(), 0))
            }
        }
        .unwrap_or_default();
        Ok(Waiting {
            place,
            durations_key,
            zig_version,
            errors,
            behind: self.behind(task)?,
        })
    }

    /// The builds that wait for a source, with their versions.
    fn behind(&self, task: Task) -> store::Result<Vec<(BuildId, String)>> {
        let Task::FetchSource(check) = task else {
            return Ok(Vec::new());
        };
        let rows = builds_behind(self.running, check, self.store)?.into_iter();
        Ok(rows.map(|row| (row.id, row.zig_version)).collect())
    }
}
