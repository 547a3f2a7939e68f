//! Who runs and who waits, in order: the queue as others see it, in builds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::app::builds::scheduler::Works;
use crate::app::domain::task::{Class, Place, Work};
use crate::app::store::{self, BuildRow, Store};
use crate::config::{FORECAST_LIMIT, RANK_LIMIT};

/// A piece of work that holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running<'w> {
    pub work: Work,
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
pub struct View(RefCell<Option<Rc<Order>>>);

/// What waits, in order, and the place of each build in it, from 1.
#[derive(Debug)]
pub struct Order {
    pub waiting: Vec<Waiting>,
    places: HashMap<i64, usize>,
}

impl View {
    pub fn forget(&self) {
        self.0.take();
    }
}

impl Works {
    pub fn slots(&self) -> usize {
        self.queue.slots()
    }

    /// The first `FORECAST_LIMIT` pieces of work that wait, in order.
    pub fn order(&self, store: &Store, unix_ms: i64) -> store::Result<Rc<Order>> {
        if let Some(known) = &*self.view.0.borrow() {
            return Ok(known.clone());
        }
        let mut order = Order {
            waiting: Vec::new(),
            places: HashMap::new(),
        };
        for place in self.queue.order(store, FORECAST_LIMIT, unix_ms)? {
            let waiting = self.stands(store, place)?;
            let nth = order.waiting.len() + 1;
            let behind = waiting.behind.iter().map(|(build, _)| (*build, nth));
            order.places.extend(behind);
            if let Work::Build(build) = waiting.place.entry.work {
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
            || row.shares.is_some()
            || self.active.contains_key(&Work::Build(row.id))
        {
            return Ok(None);
        }
        let order = self.order(store, unix_ms)?;
        if let Some(place) = order.places.get(&row.id) {
            return Ok(Some(*place));
        }
        let source = Work::Source(row.check);
        if self.active.contains_key(&source) {
            let behind = self.builds_behind(row.check, store)?;
            let first = behind.first().map(|first| first.id);
            return Ok((first != Some(row.id)).then(|| self.queue.waiting() as usize + 1));
        }
        let rank = |work| self.queue.rank(store, work, RANK_LIMIT);
        let rank = match rank(Work::Build(row.id))? {
            None => rank(source)?,
            rank => rank,
        };
        Ok(rank.map(|before| before as usize + 1))
    }

    /// The place that new work of that class has at most.
    pub fn last_place(&self, class: Class) -> usize {
        let classes = Class::ALL.iter().filter(|before| **before <= class);
        classes.map(|c| self.queue.waiting_of(*c)).sum::<u64>() as usize
    }

    /// What holds a slot, longest first.
    pub fn running_work(&self, store: &Store) -> store::Result<Vec<Running<'_>>> {
        let mut running = Vec::new();
        for (work, active) in &self.active {
            let behind = self.behind(store, *work)?;
            running.push(Running {
                work: *work,
                build: match work {
                    Work::Build(build) => Some(*build),
                    Work::Source(_) | Work::Remote(_) => behind.first().map(|(build, _)| *build),
                },
                package: &active.check.package,
                zig_version: match work {
                    Work::Build(_) => &active.zig_version,
                    Work::Source(_) | Work::Remote(_) => "",
                },
                started_unix_ms: active.started_unix_ms,
                behind,
            });
        }
        running.sort_unstable_by_key(|running| (running.started_unix_ms, running.work));
        Ok(running)
    }

    /// Builds that wait: for a slot, for their source, or for the verdict of another.
    pub fn waiting_builds(&self) -> u64 {
        let builds = self
            .active
            .keys()
            .filter(|work| !matches!(work, Work::Remote(_)));
        self.open.saturating_sub(builds.count() as u64)
    }

    fn stands(&self, store: &Store, place: Place) -> store::Result<Waiting> {
        let work = place.entry.work;
        let (package, zig_version, errors) = match work {
            Work::Build(build) => {
                let row = store.build(build)?;
                row.map(|row| (row.package, row.zig_version, row.errors))
            }
            Work::Source(check) => {
                let row = store.check(check)?;
                row.map(|row| (row.package, String::new(), row.errors))
            }
            Work::Remote(package) => {
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
            behind: self.behind(store, work)?,
        })
    }

    /// The builds of the check of a source, with their versions.
    fn behind(&self, store: &Store, work: Work) -> store::Result<Vec<(i64, String)>> {
        let Work::Source(check) = work else {
            return Ok(Vec::new());
        };
        let open = self.builds_behind(check, store)?.into_iter();
        Ok(open.map(|row| (row.id, row.zig_version)).collect())
    }
}
