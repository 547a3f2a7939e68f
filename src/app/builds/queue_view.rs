//! Who runs and who waits, in order: the queue as others see it, in builds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::app::builds::limits::RANK_LIMIT;
use crate::app::builds::scheduler::Scheduler;
use crate::app::domain::task::{Place, Priority, Task};
use crate::app::store::builds::BuildRow;
use crate::app::store::store::{self, Store};
use crate::config::limits::FORECAST_LIMIT;

/// A piece of work that holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running<'w> {
    pub task: Task,
    /// The build it is; while a source is fetched, the first build of its check stands for it. A
    /// look at a remote has none.
    pub build: Option<i64>,
    pub package: &'w str,
    /// Of a source: empty.
    pub zig_version: &'w str,
    pub started_unix_ms: i64,
    /// Builds that wait for this source, with their versions.
    pub behind: Vec<(i64, String)>,
}

/// A piece of work that waits for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub place: Place,
    pub package: String,
    /// Of a source: empty.
    pub zig_version: String,
    /// Attempts that ended in an error.
    pub errors: u32,
    /// Of a source: the builds that wait for it, with their versions.
    pub behind: Vec<(i64, String)>,
}

/// The first of what waits, looked up once for as long as nothing changes.
#[derive(Debug, Default)]
pub struct View(RefCell<Option<Rc<QueueOrder>>>);

/// What waits, in order, and the place of each build in it, from 1.
#[derive(Debug)]
pub struct QueueOrder {
    pub waiting: Vec<Waiting>,
    places: HashMap<i64, usize>,
}

impl View {
    pub fn forget(&self) {
        self.0.take();
    }
}

impl Scheduler {
    pub fn slots(&self) -> usize {
        self.queue.slots()
    }

    /// The first `FORECAST_LIMIT` pieces of work that wait, in order.
    pub fn order(&self, store: &Store, unix_ms: i64) -> store::Result<Rc<QueueOrder>> {
        if let Some(known) = &*self.view.0.borrow() {
            return Ok(known.clone());
        }
        let mut order = QueueOrder {
            waiting: Vec::new(),
            places: HashMap::new(),
        };
        for place in self.queue.order(store, FORECAST_LIMIT, unix_ms)? {
            let waiting = self.describe(store, place)?;
            let nth = order.waiting.len() + 1;
            let behind = waiting.behind.iter().map(|(build, _)| (*build, nth));
            order.places.extend(behind);
            if let Task::Build(build) = waiting.place.entry.task {
                order.places.insert(build, nth);
            }
            order.waiting.push(waiting);
        }
        let order = Rc::new(order);
        *self.view.0.borrow_mut() = Some(order.clone());
        Ok(order)
    }

    /// Where a build stands in the queue, from 1. While its source is still waited for, it stands
    /// where that does; while that is fetched, at the end, where it will join. None for what runs,
    /// for the build that stands for the source meanwhile, and for what waits for no slot. Far
    /// back in a long queue it is told by class, popularity and age alone, up to `RANK_LIMIT`.
    pub fn position(
        &self,
        store: &Store,
        row: &BuildRow,
        unix_ms: i64,
    ) -> store::Result<Option<usize>> {
        if row.state.is_final()
            || row.waits_for.is_some()
            || self.running.contains_key(&Task::Build(row.id))
        {
            return Ok(None);
        }
        let order = self.order(store, unix_ms)?;
        if let Some(place) = order.places.get(&row.id) {
            return Ok(Some(*place));
        }
        let source = Task::FetchSource(row.check);
        if self.running.contains_key(&source) {
            let behind = self.builds_behind(row.check, store)?;
            let first = behind.first().map(|first| first.id);
            return Ok((first != Some(row.id)).then(|| self.queue.waiting() as usize + 1));
        }
        let rank = |task| self.queue.rank(store, task, RANK_LIMIT);
        let rank = match rank(Task::Build(row.id))? {
            None => rank(source)?,
            rank => rank,
        };
        Ok(rank.map(|before| before as usize + 1))
    }

    /// The place that new work of that class has at most.
    pub fn last_place(&self, priority: Priority) -> usize {
        let priorities = Priority::ALL.iter().filter(|before| **before <= priority);
        priorities.map(|c| self.queue.waiting_of(*c)).sum::<u64>() as usize
    }

    /// What holds a slot, longest first.
    pub fn running_tasks(&self, store: &Store) -> store::Result<Vec<Running<'_>>> {
        let mut running = Vec::new();
        for (task, running_task) in &self.running {
            let behind = self.behind(store, *task)?;
            running.push(Running {
                task: *task,
                build: match task {
                    Task::Build(build) => Some(*build),
                    Task::FetchSource(_) | Task::CheckRemote(_) => {
                        behind.first().map(|(build, _)| *build)
                    }
                },
                package: &running_task.check.package,
                zig_version: match task {
                    Task::Build(_) => &running_task.zig_version,
                    Task::FetchSource(_) | Task::CheckRemote(_) => "",
                },
                started_unix_ms: running_task.started_unix_ms,
                behind,
            });
        }
        running.sort_unstable_by_key(|running| (running.started_unix_ms, running.task));
        Ok(running)
    }

    /// Builds that wait: for a slot, for their source, or for the verdict of another.
    pub fn waiting_builds(&self) -> u64 {
        let builds = self
            .running
            .keys()
            .filter(|task| !matches!(task, Task::CheckRemote(_)));
        self.open.saturating_sub(builds.count() as u64)
    }

    fn describe(&self, store: &Store, place: Place) -> store::Result<Waiting> {
        let task = place.entry.task;
        let (package, zig_version, errors) = match task {
            Task::Build(build) => {
                let row = store.build(build)?;
                row.map(|row| (row.package, row.zig_version, row.errors))
            }
            Task::FetchSource(check) => {
                let row = store.check(check)?;
                row.map(|row| (row.package, String::new(), row.errors))
            }
            Task::CheckRemote(package) => {
                let row = store.package_of_id(package)?;
                row.map(|row| (row.name, String::new(), 0))
            }
        }
        .unwrap_or_default();
        Ok(Waiting {
            place,
            package,
            zig_version,
            errors,
            behind: self.behind(store, task)?,
        })
    }

    /// The builds of the check of a source, with their versions.
    fn behind(&self, store: &Store, task: Task) -> store::Result<Vec<(i64, String)>> {
        let Task::FetchSource(check) = task else {
            return Ok(Vec::new());
        };
        let open = self.builds_behind(check, store)?.into_iter();
        Ok(open.map(|row| (row.id, row.zig_version)).collect())
    }
}
