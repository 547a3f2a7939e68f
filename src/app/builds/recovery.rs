//! The tasks that an earlier run of the server left unfinished.
//!
//! | row | what follows |
//! |---|---|
//! | `fetching`, without a source | its source is fetched again, as a new attempt |
//! | `fetching`, with a source | its dependencies are fetched again, as a new attempt |
//! | `queued`, not in the queue, with a source | it waited for a node: it waits again, as a new attempt |
//! | `queued`, not in the queue, without a source | it waited for a fetch: its source is fetched again |
//! | `building`, `testing` | it holds its slot until the engine gives the state of its container |
//! | waits for the verdict of another build | it goes on waiting, or is answered |
//! | in `target_checks`, not in the queue | it is analysed again, as a new attempt |
//!
//! All other tasks wait in the queue, and stay as they are.

use crate::app::builds::build::JobKind;
use crate::app::builds::commit_searches::Searches;
use crate::app::builds::retirement;
use crate::app::builds::running::{RunningTask, entry};
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::builds::targets::Targets;
use crate::app::domain::task::Task;
use crate::app::domain::verdict::State;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, CheckRow};
use crate::app::store::{placements, store};
use crate::config::settings::Settings;

/// The scheduler of a database, with all unfinished tasks in it.
pub fn open(settings: &Settings, services: &mut Services) -> store::Result<Scheduler> {
    let mut scheduler = Scheduler::new(settings, services)?;
    // The earlier run may have killed a client just before it ended: the container that this one asked for may
    // still be created.
    services.engine.schedule_cleanup(services.now.mono_ms);
    for row in builds::interrupted(&services.store)? {
        recover(&mut scheduler, row, services)?;
    }
    for row in placements::unplaced(&services.store)? {
        let check = checks::by_id(&services.store, row.check)?;
        let check = check.expect("a build has its check");
        fetch_or_begin_again(&mut scheduler, &row, &check, services)?;
    }
    if scheduler.queue.waiting() == 0 && scheduler.open_builds > 0 {
        enqueue_all(&mut scheduler, services)?;
    }
    retirement::begin(&mut scheduler, services)?;
    let mut searches = Searches {
        scheduler: &mut scheduler,
        services,
    };
    searches.resume()?;
    let mut targets = Targets {
        scheduler: &mut scheduler,
        services,
    };
    targets.resume()?;
    Ok(scheduler)
}

/// Enqueues all waiting builds: earlier versions kept no queue in the database.
fn enqueue_all(scheduler: &mut Scheduler, services: &mut Services) -> store::Result<()> {
    for row in builds::queued(&services.store)? {
        let check = checks::by_id(&services.store, row.check)?;
        let check = check.expect("a build has its check");
        let task = match check.source {
            None => Task::FetchSource(check.id),
            Some(_) => Task::Build(row.id),
        };
        if !scheduler.queue.is_waiting(&services.store, task)? {
            scheduler.push(&entry(task, &check, &services.store)?, None, services)?;
        }
    }
    Ok(())
}

fn recover(scheduler: &mut Scheduler, row: BuildRow, services: &mut Services) -> store::Result<()> {
    let check = checks::by_id(&services.store, row.check)?;
    let check = check.expect("a build has its check");
    match row.state {
        State::Fetching => fetch_or_begin_again(scheduler, &row, &check, services),
        _ => adopt(scheduler, &row, check, services),
    }
}

fn fetch_or_begin_again(
    scheduler: &mut Scheduler,
    row: &BuildRow,
    check: &CheckRow,
    services: &mut Services,
) -> store::Result<()> {
    match check.source {
        None => fetch_source_again(scheduler, row, check, services),
        Some(_) => begin_again(scheduler, row, check, services),
    }
}

/// Enqueues a build as a new attempt: something of the earlier one may still be there under its name.
fn begin_again(
    scheduler: &mut Scheduler,
    row: &BuildRow,
    check: &CheckRow,
    services: &mut Services,
) -> store::Result<()> {
    let attempt = row.attempt + 1;
    let line = format!("the server was restarted; attempt {attempt} follows");
    let logs = &mut services.feed.logs;
    logs.annotate(row.id, attempt, &line, &mut services.out);
    services.set_state(row.id, State::Queued, attempt)?;
    let entry = entry(Task::Build(row.id), check, &services.store)?;
    scheduler.push(&entry, None, services)
}

fn fetch_source_again(
    scheduler: &mut Scheduler,
    row: &BuildRow,
    check: &CheckRow,
    services: &mut Services,
) -> store::Result<()> {
    services.set_state(row.id, State::Queued, row.attempt)?;
    let task = Task::FetchSource(check.id);
    let store = &mut services.store;
    if scheduler.queue.is_waiting(store, task)? {
        return Ok(());
    }
    checks::set_attempt(store, check.id, check.attempt + 1, check.errors)?;
    let entry = entry(task, check, store)?;
    scheduler.push(&entry, None, services)
}

/// Gives a build its slot back. Its state stays as it was until the engine gives that of its container.
fn adopt(
    scheduler: &mut Scheduler,
    row: &BuildRow,
    check: CheckRow,
    services: &mut Services,
) -> store::Result<()> {
    let entry = entry(Task::Build(row.id), &check, &services.store)?;
    scheduler.queue.adopt(&entry.tenant);
    let now = services.now;
    let ran_ms = (now.unix_ms - row.run_at.unwrap_or(now.unix_ms)).max(0) as u64;
    let limits = scheduler.job_limits;
    let left_ms = limits.build.total_ms.saturating_sub(ran_ms);
    let until_ms = now.mono_ms + left_ms;
    let mut running_task = RunningTask::adopted(entry, check, row, until_ms, limits);
    let container = running_task.container(JobKind::Build, &services.docker);
    running_task.containers.push(container);
    services.feed.logs.adopt(row.id, running_task.log_offset);
    scheduler
        .verdicts
        .lead(running_task.key.as_deref(), row.id, row.fresh);
    scheduler.running.insert(Task::Build(row.id), running_task);
    Ok(())
}
