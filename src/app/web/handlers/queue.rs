//! The queue as JSON: what runs, what waits, why, and its estimated start.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::app::builds::queue_view::{QueueOrder, Running, Waiting};
use crate::app::domain::ids::BuildId;
use crate::app::domain::task::{Task, WaitReason};
use crate::app::queue::forecast::{self, Piece};
use crate::app::render::json;
use crate::app::state::State;
use crate::app::store::builds;
use crate::app::store::durations;
use crate::app::store::list::Paging;
use crate::app::store::store;
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
}

/// A build that waits.
struct Waiter<'w> {
    build: BuildId,
    position: Option<usize>,
    wait: Wait<'w>,
}

/// One build for each slot in use, and one page of the waiting builds, out of the first `FORECAST_LIMIT` places.
///
/// While a source is fetched, the first build of its check is listed as running; the others wait, and join the end of
/// the queue once the source is there.
pub fn queue_json(state: &State, page: Paging) -> store::Result<Value> {
    let mut expected = Expected::new(state)?;
    let view = state.scheduler.view(&state.services.store);
    let running = view.running_tasks()?;
    let order = view.order(state.now().unix_ms)?;
    let mut running_json = Vec::new();
    for running in &running {
        let row = running
            .build
            .map(|build| builds::by_id(&state.services.store, build));
        let Some(row) = row.transpose()?.flatten() else {
            continue;
        };
        let mut value = build_json_at(state, &row, None);
        value["elapsed_ms"] = json!(elapsed_ms(running, state.now()));
        value["expected_ms"] = json!(expected.of(running.package, running.zig_version)?);
        running_json.push(value);
    }
    let starts = match is_up(state) && !state.disk.is_low() {
        true => starts(state, &mut expected, &running, &order)?,
        false => HashMap::new(),
    };
    let waiters = waiters(state, &running, &order)?;
    let skipped = (page.page - 1).saturating_mul(page.limit);
    let of_page = waiters.iter().skip(skipped as usize);
    let mut waiting = Vec::new();
    for waiter in of_page.take(page.limit as usize) {
        let Some(row) = builds::by_id(&state.services.store, waiter.build)? else {
            continue;
        };
        let start = starts.get(&Task::Build(waiter.build));
        let start = start.map(|ms| json::time(state.now().unix_ms.saturating_add_unsigned(*ms)));
        let mut value = build_json_at(state, &row, waiter.position);
        value["position"] = json!(waiter.position);
        value["reason"] = json!(reason(state, waiter));
        value["estimated_start"] = json!(start);
        waiting.push(value);
    }
    Ok(json!({
        "slots": state.scheduler.slots(),
        "running": running_json,
        "waiting": waiting,
        "total": state.scheduler.waiting_builds(),
        "page": page.page,
        "limit": page.limit,
    }))
}

/// False where the engine is known not to answer. An engine that is being asked counts as up.
pub fn is_up(state: &State) -> bool {
    state.services.engine.latest().is_ok() || state.services.engine.is_asking()
}

fn elapsed_ms(running: &Running, now: Now) -> u64 {
    (now.unix_ms - running.started_unix_ms).max(0) as u64
}

/// The waiting builds in order; last those whose source is being fetched, and those that wait for the verdict of a
/// running build.
fn waiters<'w>(
    state: &State,
    running: &[Running],
    order: &'w Rc<QueueOrder>,
) -> store::Result<Vec<Waiter<'w>>> {
    let mut waiters = Vec::new();
    for (nth, waiting) in order.waiting.iter().enumerate() {
        let builds: Vec<BuildId> = match waiting.place.entry.task {
            Task::Build(build) => vec![build],
            _ => waiting.behind.iter().map(|(build, _)| *build).collect(),
        };
        waiters.extend(builds.into_iter().map(|build| Waiter {
            build,
            position: Some(nth + 1),
            wait: Wait::Slot(waiting),
        }));
    }
    let end = state.scheduler.waiting() as usize + 1;
    for running in running {
        let behind = running.behind.iter().map(|(build, _)| *build);
        let others = behind.filter(|build| running.build != Some(*build));
        waiters.extend(others.map(|build| Waiter {
            build,
            position: Some(end),
            wait: Wait::Source,
        }));
        if let Task::Build(build) = running.task {
            let same = builds::waiters(&state.services.store, build, WAITERS_LIMIT)?;
            waiters.extend(same.into_iter().map(|row| Waiter {
                build: row.id,
                position: None,
                wait: Wait::Verdict(build),
            }));
        }
    }
    Ok(waiters)
}

/// The sentence that says why a build does not run yet.
fn reason(state: &State, waiter: &Waiter) -> String {
    let waiting = match &waiter.wait {
        Wait::Source => return "its source is being fetched".to_string(),
        Wait::Verdict(build) => {
            return format!(
                "build {build} is the same, and runs: its verdict will be that of both"
            );
        }
        Wait::Slot(waiting) => waiting,
    };
    if !is_up(state) {
        return "the engine is unavailable".to_string();
    }
    if state.disk.is_low() {
        return "the disk is nearly full: nothing starts before there is space".to_string();
    }
    let source = matches!(waiting.place.entry.task, Task::FetchSource(_));
    let what = if source { "its source is " } else { "" };
    if let Some(at) = waiting
        .place
        .not_before
        .filter(|at| *at > state.now().unix_ms)
    {
        let (until, nth, all) = (json::time(at), waiting.errors, RETRY_PAUSE_MS.len());
        return format!("{what}held back until {until} after an error: repetition {nth} of {all}");
    }
    let before = match waiter.position {
        None | Some(1) => "it is next".to_string(),
        Some(position) => format!("{} before it", position - 1),
    };
    let priority = waiting.place.entry.priority.describe();
    let share = match waiting.place.wait_reason {
        Some(held @ WaitReason::FairShare) => format!("; {}", held.describe()),
        _ => String::new(),
    };
    let first = if source {
        ", and its source comes first"
    } else {
        ""
    };
    format!("{priority}: {before}{first}{share}")
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
    let whole = state.scheduler.waiting() <= FORECAST_LIMIT as u64;
    let mut busy = Vec::new();
    for running in running {
        let expected_ms = expected.of(running.package, running.zig_version)?;
        // A task that is overdue may end at any moment.
        let left = expected_ms.map(|ms| ms.saturating_sub(elapsed_ms(running, state.now())));
        busy.push(Piece {
            task: running.task,
            not_before_ms: 0,
            takes_ms: left,
            then: expected.of_all(running.package, &running.behind, whole)?,
        });
    }
    let mut waiting = Vec::new();
    for waiter in &order.waiting {
        let held_ms = waiter
            .place
            .not_before
            .map_or(0, |at| at - state.now().unix_ms);
        waiting.push(Piece {
            task: waiter.place.entry.task,
            not_before_ms: held_ms.max(0) as u64,
            takes_ms: expected.of(&waiter.package, &waiter.zig_version)?,
            then: expected.of_all(&waiter.package, &waiter.behind, whole)?,
        });
    }
    Ok(forecast::starts(state.scheduler.slots(), busy, waiting))
}

/// Expected durations by what earlier builds took; reads each package once.
struct Expected<'a> {
    state: &'a State,
    of_any: Vec<(String, u64)>,
    known: HashMap<String, Vec<(String, u64)>>,
}

impl<'a> Expected<'a> {
    fn new(state: &'a State) -> store::Result<Expected<'a>> {
        Ok(Expected {
            state,
            of_any: durations::of_package(&state.services.store, "")?,
            known: HashMap::new(),
        })
    }

    /// The duration of builds of this package under this toolchain, else that of any package.
    fn of(&mut self, package: &str, zig_version: &str) -> store::Result<Option<u64>> {
        if !self.known.contains_key(package) {
            let own = durations::of_package(&self.state.services.store, package)?;
            self.known.insert(package.to_string(), own);
        }
        let mut all = self.known[package].iter().chain(&self.of_any);
        let found = all.find(|(known, _)| known == zig_version);
        Ok(found.map(|(_, ms)| *ms))
    }

    /// The durations of builds that wait for a source; empty unless `wanted`.
    fn of_all(
        &mut self,
        package: &str,
        builds: &[(BuildId, String)],
        wanted: bool,
    ) -> store::Result<Vec<(Task, Option<u64>)>> {
        let builds = builds.iter().filter(|_| wanted);
        let each = builds.map(|(build, zig_version)| {
            let expected = self.of(package, zig_version)?;
            Ok((Task::Build(*build), expected))
        });
        each.collect()
    }
}
