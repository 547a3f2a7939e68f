//! What an earlier run of the server was working on, found again.
//!
//! | row | what becomes of it |
//! |---|---|
//! | `fetching`, and it has no source yet | the source waits again, as a new attempt |
//! | `fetching` else | its dependencies are fetched again, as a new attempt |
//! | `building`, `testing` | it holds its slot until the engine says how its container is |
//! | waits for another's verdict | that goes on, or it is answered |
//!
//! All else waits in the queue, and is not touched.

use crate::app::builds::build::Kind;
use crate::app::builds::running::RunningTask;
use crate::app::builds::scheduler::{Scheduler, entry};
use crate::app::builds::services::Services;
use crate::app::domain::task::Task;
use crate::app::domain::verdict::State;
use crate::app::queue::queue::Queue;
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;
use crate::app::store::store;
use crate::config::settings::Settings;

impl Scheduler {
    /// The work there is in a database.
    pub fn open(settings: &Settings, cx: &mut Services) -> store::Result<Scheduler> {
        let queue = Queue::open(settings.max_builds, &cx.store, cx.now.unix_ms)?;
        let open = cx.store.count_open_builds()?;
        let mut works = Scheduler::new(settings, queue, open);
        works.rebuilding = cx.store.is_rebuilding()?;
        works.finished_leaders = cx.store.finished_leaders()?.into();
        // The run before may have killed a client a moment before it ended: what that one asked for
        // may still come.
        cx.engine.schedule_cleanup(cx.now.mono_ms);
        for row in cx.store.interrupted_builds()? {
            works.find_again(row, cx)?;
        }
        if works.queue.waiting() == 0 && works.open > 0 {
            works.enqueue_checks(cx)?;
        }
        Ok(works)
    }

    /// Earlier versions kept no queue in the database: whatever waits there gets its place.
    fn enqueue_checks(&mut self, cx: &mut Services) -> store::Result<()> {
        for row in cx.store.queued()? {
            let check = cx.store.check(row.check)?.expect("a build has its check");
            let task = match check.source {
                None => Task::FetchSource(check.id),
                Some(_) => Task::Build(row.id),
            };
            if !self.queue.is_waiting(&cx.store, task)? {
                self.push(&entry(task, &check, &cx.store)?, None, cx)?;
            }
        }
        Ok(())
    }

    fn find_again(&mut self, row: BuildRow, cx: &mut Services) -> store::Result<()> {
        let check = cx.store.check(row.check)?.expect("a build has its check");
        if row.state != State::Fetching {
            self.adopt(&row, check, cx)
        } else if check.source.is_none() {
            self.source_again(&row, &check, cx)
        } else {
            let attempt = row.attempt + 1;
            let line = format!("the server was restarted; attempt {attempt} follows");
            cx.feed.logs.annotate(row.id, attempt, &line, &mut cx.out);
            cx.set_state(row.id, State::Queued, attempt)?;
            let entry = entry(Task::Build(row.id), &check, &cx.store)?;
            self.push(&entry, None, cx)
        }
    }

    fn source_again(
        &mut self,
        row: &BuildRow,
        check: &CheckRow,
        cx: &mut Services,
    ) -> store::Result<()> {
        cx.set_state(row.id, State::Queued, row.attempt)?;
        let task = Task::FetchSource(check.id);
        if self.queue.is_waiting(&cx.store, task)? {
            return Ok(());
        }
        cx.store
            .set_check_attempt(check.id, check.attempt + 1, check.errors)?;
        self.push(&entry(task, check, &cx.store)?, None, cx)
    }

    /// Whatever became of its container: until that is known the build is where it was.
    fn adopt(&mut self, row: &BuildRow, check: CheckRow, cx: &mut Services) -> store::Result<()> {
        let entry = entry(Task::Build(row.id), &check, &cx.store)?;
        self.queue.adopt(&entry.tenant);
        let run_at = row.run_at.unwrap_or(cx.now.unix_ms);
        let ran_ms = (cx.now.unix_ms - run_at).max(0) as u64;
        let left_ms = self.limits.build.total_ms.saturating_sub(ran_ms);
        let until_ms = cx.now.mono_ms + left_ms;
        let mut running_task = RunningTask::adopted(entry, check, row, until_ms, self.limits);
        let name = running_task.container(Kind::Build, &cx.docker);
        running_task.containers.push(name);
        cx.feed.logs.adopt(row.id, running_task.log_offset);
        if let Some(key) = &running_task.key {
            self.keys.insert(key.clone(), row.id);
        }
        self.running.insert(Task::Build(row.id), running_task);
        Ok(())
    }
}
