//! How work ends: with what was wanted, with a verdict, with another attempt to come, or because
//! somebody does not want it any more.

use crate::app::builds::running::Active;
use crate::app::builds::scheduler::{Context, Works, end_by_name};
use crate::app::domain::task::{Entry, Work};
use crate::app::domain::verdict::{Reason, State, Verdict};
use crate::app::engine::commands::Purpose;
use crate::app::store::{self, BuildRow, CheckRow, Finished, Store};

impl Works {
    pub(crate) fn ready(&mut self, work: Work, cx: &mut Context) -> store::Result<()> {
        let active = self.leave(work, cx);
        match work {
            Work::Remote(package) => {
                let commit = active.gathered.remote_commit();
                let commit = commit.expect("a commit that is ready");
                self.looked(package, cx)?;
                self.remote_told(package, &commit, cx)
            }
            _ => self.source_ready(active, cx),
        }
    }

    fn source_ready(&mut self, active: Active, cx: &mut Context) -> store::Result<()> {
        let at = cx.now.unix_ms;
        let check = active.check.id;
        cx.store.note_fetch(check, at - active.started_unix_ms)?;
        let fetched = active.gathered.into_source();
        let fetched = fetched.expect("a source that is ready");
        let commit = fetched.commit.as_deref();
        cx.store.set_source(check, &fetched.source, commit, at)?;
        let row = cx.store.check(check)?.expect("it is being worked on");
        if let Some(package) = row.package_id {
            cx.store.set_uses(package, &fetched.uses)?;
        }
        for build in self.builds_behind(check, cx.store)? {
            cx.set_state(build.id, State::Queued, build.attempt)?;
            if build.shares.is_none() {
                self.line_up(&build, &row, cx)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        work: Work,
        verdict: &Verdict,
        cx: &mut Context,
    ) -> store::Result<()> {
        self.doubt(verdict, cx);
        let active = self.leave(work, cx);
        match work {
            Work::Build(build) => self.finish_build(build, verdict, cx),
            Work::Source(check) => {
                // No build without its source: all of them end as the fetch did.
                for row in self.builds_behind(check, cx.store)? {
                    cx.feed.logs.begin(row.id, row.attempt);
                    cx.feed.logs.append(row.id, active.gathered.words(), cx.out);
                    cx.store.forget_toolchain(row.id)?;
                    self.finish_build(row.id, verdict, cx)?;
                }
                Ok(())
            }
            Work::Remote(package) => {
                let why = verdict.error_log.lines().last().unwrap_or("");
                log::warn!("the remote of {}: {why}", active.check.package);
                self.looked(package, cx)
            }
        }
    }

    fn finish_build(
        &mut self,
        build: i64,
        verdict: &Verdict,
        cx: &mut Context,
    ) -> store::Result<()> {
        let (log_bytes, log_truncated) = cx.feed.logs.finish(build, cx.out);
        let end = Finished {
            build,
            verdict,
            log_bytes,
            log_truncated,
        };
        cx.store.finish_build(&end, cx.now.unix_ms)?;
        self.ended(build, cx)?;
        cx.tell(build)
    }

    /// Takes the slot and the containers from work that needs them no more.
    fn leave(&mut self, work: Work, cx: &mut Context) -> Active {
        let mut active = self.active.remove(&work).expect("it made this step");
        self.queue.release(&active.entry.party);
        self.view.forget();
        let containers = std::mem::take(&mut active.containers);
        if !containers.is_empty() {
            let remove = cx.docker.remove(&containers);
            cx.errands
                .start(remove, Purpose::Removal, cx.out, cx.now.mono_ms);
        }
        active
    }

    pub(crate) fn retry(
        &mut self,
        work: Work,
        error: &Verdict,
        at_ms: u64,
        cx: &mut Context,
    ) -> store::Result<()> {
        if let Work::Remote(_) = work {
            // There is another look tomorrow.
            return self.finish(work, error, cx);
        }
        self.doubt(error, cx);
        let why = error.error_log.lines().next().unwrap_or("");
        log::warn!("{work:?}: {why}; another attempt follows");
        let active = self.leave(work, cx);
        let (attempt, errors) = (active.machine.attempt(), active.machine.errors());
        let pause_ms = at_ms.saturating_sub(cx.now.mono_ms);
        let at = (pause_ms > 0).then(|| cx.now.unix_ms.saturating_add_unsigned(pause_ms));
        match work {
            Work::Source(check) => {
                cx.store.set_check_attempt(check, attempt, errors)?;
                for row in self.builds_behind(check, cx.store)? {
                    cx.set_state(row.id, State::Queued, row.attempt)?;
                }
            }
            Work::Build(build) => {
                self.keys.retain(|_, runs| *runs != build);
                // All attempts stand in one log: who reads it sees why there is another.
                let reason = error.reason.map_or("error", Reason::as_str);
                let line = format!("{reason}; attempt {attempt} follows");
                cx.feed.logs.remark(build, attempt, &line, cx.out);
                cx.set_state(build, State::Queued, attempt)?;
                cx.store.count_error(build, errors, active.own_name)?;
                let check = cx.store.check(active.check.id)?.expect("it has its check");
                // Unless it was fetched again meanwhile.
                let same = check.attempt == active.check.attempt;
                let at_fault = active.gathered.is_cut_off() && check.url.is_some() && same;
                if at_fault || check.source.is_none() {
                    return self.fetch_again(&active, &check, cx);
                }
            }
            Work::Remote(_) => unreachable!("a look is not repeated"),
        }
        self.push(&active.entry, at, cx)
    }

    /// The builds of a check that wait for its source. Where that is fetched for the second time,
    /// others are on their way.
    pub(crate) fn builds_behind(&self, check: i64, store: &Store) -> store::Result<Vec<BuildRow>> {
        let mut rows = store.open_builds(check)?;
        rows.retain(|row| !self.active.contains_key(&Work::Build(row.id)));
        Ok(rows)
    }

    /// The source did not reach a container whole although nobody stood between them: its file is
    /// at fault, and it is fetched again for all builds of its check that wait. Where that is under
    /// way they wait for it.
    fn fetch_again(
        &mut self,
        active: &Active,
        check: &CheckRow,
        cx: &mut Context,
    ) -> store::Result<()> {
        let work = Work::Source(check.id);
        if self.active.contains_key(&work) || self.queue.is_waiting(cx.store, work)? {
            return Ok(());
        }
        let source = active.source();
        let image = cx.engine.image(&active.zig_version);
        if let (Some(manifest), Some(image)) = (&source.manifest, image) {
            let image = image.to_string();
            self.forget_dependencies(manifest, &image, cx)?;
        }
        cx.store.forget_source(check.id)?;
        cx.store
            .set_check_attempt(check.id, check.attempt + 1, check.errors)?;
        for row in cx.store.open_builds(check.id)? {
            self.queue.remove(cx.store, Work::Build(row.id))?;
        }
        let entry = Entry {
            work,
            ..active.entry.clone()
        };
        self.push(&entry, None, cx)
    }

    fn doubt(&self, verdict: &Verdict, cx: &mut Context) {
        if verdict.reason == Some(Reason::EngineError) {
            cx.engine.doubt();
        }
    }

    // -- cancelling --

    /// Ends a build that has not ended, in whatever state it is.
    pub fn cancel(&mut self, row: &BuildRow, cx: &mut Context) -> store::Result<()> {
        assert!(!row.state.is_final(), "build {} has ended", row.id);
        let (build, check) = (row.id, row.check);
        self.drop_work(Work::Build(build), cx)?;
        if row.attempt > 1 {
            // What earlier attempts wrote is there, though nobody may have it open.
            cx.feed.logs.begin(build, row.attempt);
        }
        let log = cx.feed.logs.finish(build, cx.out);
        cx.store.cancel_build(build, log, cx.now.unix_ms)?;
        self.ended(build, cx)?;
        if self.builds_behind(check, cx.store)?.is_empty() {
            // Nobody is left who would need its source; one that runs asks for it anew if it does.
            self.drop_work(Work::Source(check), cx)?;
        }
        cx.tell(build)
    }

    /// Work that waits or runs does neither any more.
    fn drop_work(&mut self, work: Work, cx: &mut Context) -> store::Result<()> {
        self.view.forget();
        if let Some(active) = self.active.get_mut(&work) {
            let containers = std::mem::take(&mut active.containers);
            self.let_go_of_job(work, cx);
            self.leave(work, cx);
            // Nobody has seen whether the last of them is ours, or there yet: it is ended by its
            // label, and removed when the engine is swept.
            for container in containers {
                end_by_name(None, container, cx);
            }
            cx.engine.sweep_again(cx.now.mono_ms);
            return Ok(());
        }
        self.queue.remove(cx.store, work)?;
        Ok(())
    }
}
