//! The queue as JSON: what runs, what waits, why, and its estimated start.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::app::builds::queue_view::{QueueOrder, Running, Waiting};
use crate::app::domain::ids::BuildId;
use crate::app::domain::task::{Task, WaitReason};
use crate::app::queue::forecast::{self, Piece};
use crate::app::render::json;
use crate::app::render::view::queue::{QueueRows, RunningRow, WaitingRow};
use crate::app::state::State;
use crate::app::store::list::Paging;
use crate::app::store::store::{self, Store};
use crate::app::store::{builds, durations};
use crate::app::web::handlers::rows::build_json_at;
use crate::config::limits::{FORECAST_LIMIT, RETRY_PAUSE_MS, WAITERS_LIMIT};
use crate::interface::event::Now;

/// Why a build waits.
enum Wait<'w> {
    /// For a slot, or its source does.
    Slot(&'w Waiting),
    /// For the fetch of its source, which runs.
    Source,
    /// For the verdict of this build, which is the same.
    Verdict(BuildId),
    /// For the answer of the cluster to the request of that name.
    Machine(&'w str),
}

/// A build that waits.
struct Waiter<'w> {
    build: BuildId,
    position: Option<usize>,
    wait: Wait<'w>,
}

/// Which builds of the queue are read.
#[derive(Debug, Clone, Copy)]
pub enum Chosen<'a> {
    /// All that run, and one page of those that wait, out of the first `FORECAST_LIMIT` places.
    Page(&'a Paging),
    These(&'a [BuildId]),
}

impl<'a> Chosen<'a> {
    /// The ids of the builds; none where all are read.
    fn ids(self) -> Option<&'a [BuildId]> {
        match self {
            Chosen::Page(_) => None,
            Chosen::These(ids) => Some(ids),
        }
    }
}

/// One build for each slot in use, and one page of the waiting builds.
///
/// While a source is fetched, the first build of its check is listed as running; the others wait, and join the end of
/// the queue once the source is there.
pub fn queue_json(state: &State, page: &Paging) -> store::Result<Value> {
    let rows = read(state, Chosen::Page(page))?;
    let running = rows.running.iter().map(|running| {
        let mut value = build_json_at(state, &running.row, None);
        value["elapsed_ms"] = json!(running.elapsed_ms);
        value["expected_ms"] = json!(running.expected_ms);
        value
    });
    let waiting = rows.waiting.iter().map(|waiting| {
        let mut value = build_json_at(state, &waiting.row, waiting.position);
        value["position"] = json!(waiting.position);
        value["reason"] = json!(waiting.reason);
        value["estimated_start"] = json!(waiting.estimated_start.map(json::time));
        value
    });
    Ok(json!({
        "slots": state.scheduler.queue.slots(),
        "running": running.collect::<Vec<Value>>(),
        "waiting": waiting.collect::<Vec<Value>>(),
        "total": state.scheduler.waiting_builds(),
        "page": page.page,
        "limit": page.limit,
    }))
}

/// The builds that run and wait, as they are chosen.
pub fn read(state: &State, chosen: Chosen) -> store::Result<QueueRows> {
    let (store, now) = (&state.services.store, state.now());
    let mut expected = Expected::new(store)?;
    let view = state.scheduler.view(store);
    let (tasks, order) = (view.running_tasks()?, view.order(now.unix_ms)?);
    let running = running(state, &mut expected, &tasks, chosen.ids())?;
    let starts = match is_up(state) && !state.disk.is_low {
        true => starts(state, &mut expected, &tasks, &order)?,
        false => HashMap::new(),
    };
    let (skipped, limit) = match chosen {
        Chosen::Page(page) => ((page.page - 1).saturating_mul(page.limit), page.limit),
        Chosen::These(ids) => (0, ids.len() as u64),
    };
    let waiters = waiters(state, &tasks, &order)?;
    let is_chosen = |build| chosen.ids().is_none_or(|ids| ids.contains(&build));
    let chosen = waiters.iter().filter(|waiter| is_chosen(waiter.build));
    let mut waiting = Vec::new();
    for waiter in chosen.skip(skipped as usize).take(limit as usize) {
        if let Some(row) = builds::by_id(store, waiter.build)? {
            let start = starts.get(&Task::Build(waiter.build));
            waiting.push(WaitingRow {
                row,
                position: waiter.position,
                reason: reason(state, waiter),
                estimated_start: start.map(|ms| now.unix_ms.saturating_add_unsigned(*ms)),
            });
        }
    }
    Ok(QueueRows { running, waiting })
}

/// What runs now.
pub fn read_running(state: &State) -> store::Result<Vec<RunningRow>> {
    let store = &state.services.store;
    let tasks = state.scheduler.view(store).running_tasks()?;
    running(state, &mut Expected::new(store)?, &tasks, None)
}

fn running(
    state: &State,
    expected: &mut Expected,
    tasks: &[Running],
    ids: Option<&[BuildId]>,
) -> store::Result<Vec<RunningRow>> {
    let (store, now) = (&state.services.store, state.now());
    let mut rows = Vec::new();
    let is_chosen = |build| ids.is_none_or(|ids| ids.contains(&build));
    for task in tasks.iter().filter(|task| task.request.is_none()) {
        let row = task
            .build
            .filter(|build| is_chosen(*build))
            .map(|build| builds::by_id(store, build));
        if let Some(row) = row.transpose()?.flatten() {
            rows.push(RunningRow {
                row,
                elapsed_ms: elapsed_ms(task, now),
                expected_ms: expected.of(&task.durations_key, task.zig_version)?,
            });
        }
    }
    Ok(rows)
}

/// False where the engine is known not to answer. An engine that is being asked counts as up.
pub fn is_up(state: &State) -> bool {
    state.services.engine.latest().is_ok() || state.services.engine.is_asking()
}

fn elapsed_ms(running: &Running, now: Now) -> u64 {
    (now.unix_ms - running.started_unix_ms).max(0) as u64
}

/// The waiting builds in order: first those that wait for a machine; last those whose source is being fetched, and
/// those that wait for the verdict of a running build.
fn waiters<'w>(
    state: &State,
    running: &'w [Running],
    order: &'w QueueOrder,
) -> store::Result<Vec<Waiter<'w>>> {
    let mut waiters = Vec::new();
    let mut add = |build, position, wait| {
        waiters.push(Waiter {
            build,
            position,
            wait,
        });
    };
    for running in running {
        if let (Some(build), Some(request)) = (running.build, running.request) {
            add(build, None, Wait::Machine(request));
        }
    }
    for (nth, waiting) in order.waiting.iter().enumerate() {
        if let Task::Build(build) = waiting.place.entry.task {
            add(build, Some(nth + 1), Wait::Slot(waiting));
        }
        for (build, _) in &waiting.behind {
            add(*build, Some(nth + 1), Wait::Slot(waiting));
        }
    }
    let end = state.scheduler.queue.waiting() as usize + 1;
    for running in running {
        let behind = running.behind.iter().map(|(build, _)| *build);
        for build in behind.filter(|build| running.build != Some(*build)) {
            add(build, Some(end), Wait::Source);
        }
        if let Task::Build(build) = running.task {
            for row in builds::waiters(&state.services.store, build, WAITERS_LIMIT)? {
                add(row.id, None, Wait::Verdict(build));
            }
        }
    }
    Ok(waiters)
}

/// The sentence that says why a build does not run yet.
fn reason(state: &State, waiter: &Waiter) -> String {
    let waiting = match waiter.wait {
        Wait::Source => return "its source is being fetched".to_string(),
        Wait::Verdict(build) => {
            return format!("it takes the verdict of build {build}, which is the same and runs");
        }
        Wait::Machine(request) => {
            let listing = state.services.engine.listing();
            let reason = listing.and_then(|listing| listing.reason(request));
            return match reason.filter(|reason| !reason.is_empty()) {
                Some(reason) => format!("its turn has come; it waits for a machine: {reason}"),
                None => "its turn has come; it waits for a machine".to_string(),
            };
        }
        Wait::Slot(waiting) => waiting,
    };
    if !is_up(state) {
        return "the engine is unavailable".to_string();
    }
    if state.disk.is_low {
        return "the disk is nearly full: nothing starts before there is space".to_string();
    }
    let Waiting { place, errors, .. } = waiting;
    let (its_source, source_first) = match place.entry.task {
        Task::FetchSource(_) => ("its source is ", ", and its source comes first"),
        Task::Build(_) | Task::CheckRemote(_) | Task::ListCommits(_) | Task::CheckTargets(_) => {
            ("", "")
        }
    };
    if let Some(at) = place.not_before.filter(|at| *at > state.now().unix_ms) {
        let (until, all) = (json::time(at), RETRY_PAUSE_MS.len());
        let repetition = format!("repetition {errors} of {all}");
        return format!("{its_source}held back until {until} after an error: {repetition}");
    }
    let before = match waiter.position {
        None | Some(1) => "it is next".to_string(),
        Some(position) => format!("{} before it", position - 1),
    };
    let priority = place.entry.priority.describe();
    let share = match place.wait_reason {
        Some(share @ WaitReason::FairShare) => format!("; {}", share.describe()),
        Some(WaitReason::Backoff) | None => String::new(),
    };
    format!("{priority}: {before}{source_first}{share}")
}

/// The estimated starts of waiting tasks, in milliseconds from now.
fn starts(
    state: &State,
    expected: &mut Expected,
    running: &[Running],
    order: &QueueOrder,
) -> store::Result<HashMap<Task, u64>> {
    // Builds join the end of the queue when their source is there. Their start is estimated only where the estimate
    // reaches that end.
    let whole = state.scheduler.queue.waiting() <= FORECAST_LIMIT as u64;
    let mut busy = Vec::new();
    for running in running {
        let expected_ms = expected.of(&running.durations_key, running.zig_version)?;
        let elapsed_ms = elapsed_ms(running, state.now());
        busy.push(Piece {
            task: running.task,
            not_before_ms: 0,
            // A task that is overdue may end at any moment.
            takes_ms: expected_ms.map(|ms| ms.saturating_sub(elapsed_ms)),
            then: expected.of_all(&running.durations_key, &running.behind, whole)?,
        });
    }
    let mut waiting = Vec::new();
    for waiter in &order.waiting {
        let not_before = waiter.place.not_before;
        let pause_ms = not_before.map_or(0, |at| at - state.now().unix_ms);
        waiting.push(Piece {
            task: waiter.place.entry.task,
            not_before_ms: pause_ms.max(0) as u64,
            takes_ms: expected.of(&waiter.durations_key, &waiter.zig_version)?,
            then: expected.of_all(&waiter.durations_key, &waiter.behind, whole)?,
        });
    }
    Ok(forecast::starts(
        state.scheduler.queue.slots(),
        busy,
        waiting,
    ))
}

/// Expected durations by what earlier builds took; reads each package once.
struct Expected<'a> {
    store: &'a Store,
    of_any: Vec<(String, u64)>,
    known: HashMap<String, Vec<(String, u64)>>,
}

impl<'a> Expected<'a> {
    fn new(store: &'a Store) -> store::Result<Expected<'a>> {
        Ok(Expected {
            store,
            of_any: durations::of_package(store, "")?,
            known: HashMap::new(),
        })
    }

    /// The duration of builds of this key under this toolchain, else that of any package.
    fn of(&mut self, key: &str, zig_version: &str) -> store::Result<Option<u64>> {
        if !self.known.contains_key(key) {
            let own = durations::of_package(self.store, key)?;
            self.known.insert(key.to_string(), own);
        }
        let mut all = self.known[key].iter().chain(&self.of_any);
        let found = all.find(|(known, _)| known == zig_version);
        Ok(found.map(|(_, ms)| *ms))
    }

    /// The durations of builds that wait for a source; empty unless `wanted`.
    fn of_all(
        &mut self,
        key: &str,
        builds: &[(BuildId, String)],
        wanted: bool,
    ) -> store::Result<Vec<(Task, Option<u64>)>> {
        let builds = builds.iter().filter(|_| wanted);
        let each = builds.map(|(build, zig_version)| {
            let expected = self.of(key, zig_version)?;
            Ok((Task::Build(*build), expected))
        });
        each.collect()
    }
}
