//! The engine and the server: what is asked of it and when, and what its answers set going.

use crate::app::dispatch::App;
use crate::app::engine::capabilities::listed;
use crate::app::engine::commands::Purpose;
use crate::app::engine::{Answer, Ask};
use crate::app::store;
use crate::interface::event::Now;

impl App {
    pub(crate) fn refresh_engine(&mut self, now: Now) {
        let ask = self.engine.refresh();
        self.ask_engine(ask, now);
    }

    pub(crate) fn ask_engine(&mut self, ask: Option<Ask>, now: Now) {
        let Some(ask) = ask else { return };
        let command = match ask {
            Ask::Info => self.docker.info(),
            Ask::Images => self.docker.list_images(),
            Ask::Containers => self.docker.list_containers(),
            Ask::Probe => self.docker.probe_network(self.engine.any_image()),
            Ask::Remove(mut names) => {
                let known = self.scheduler.containers();
                names.retain(|name| !known.contains(name));
                if names.is_empty() {
                    return self.engine_answered(Ok(String::new()), now);
                }
                self.docker.remove(&names)
            }
        };
        self.commands
            .start(command, Purpose::Engine, &mut self.out, now.mono_ms);
    }

    pub(crate) fn engine_answered(&mut self, answer: Answer, now: Now) {
        let is_new = self.engine.is_checking();
        let ask = self.engine.answer(answer, now.mono_ms);
        if let (true, wants @ [_, ..]) = (is_new, self.engine.recommended()) {
            log::warn!("the engine has {}: see SECURITY.md", listed(wants));
        }
        self.ask_engine(ask, now);
        if self.engine.is_asking() {
            return;
        }
        self.say_engine();
        if let Some(why) = self.engine.refused() {
            let why = format!("the engine cannot keep strangers' code to itself: {why}");
            self.is_refused = true;
            self.broken = Some(why);
            return;
        }
        for (conn, held) in std::mem::take(&mut self.held) {
            self.answer_held(conn, held, now);
        }
        if self.engine.is_ready() && !self.stopping {
            let (scheduler, mut cx) = self.context(now);
            let done = scheduler.on_images(&mut cx);
            let done = done.and_then(|()| scheduler.engine_is_back(&mut cx));
            if let Err(error) = done {
                self.break_down(&error);
            }
        }
    }

    pub(crate) fn command_answered(&mut self, purpose: Purpose, answer: Answer, now: Now) {
        match purpose {
            Purpose::Engine => self.engine_answered(answer, now),
            Purpose::VerifyThenKill { task, container } => {
                let (scheduler, mut cx) = self.context(now);
                scheduler.on_container_list(task, container, answer, &mut cx);
            }
            Purpose::ReadPeakMemory { task, container } => {
                let (scheduler, mut cx) = self.context(now);
                scheduler.on_peak_memory(task, &container, answer, &mut cx);
            }
            // Who is not removed now goes with the next sweep.
            Purpose::Removal if answer.is_err() => self.engine.schedule_cleanup(now.mono_ms),
            Purpose::Removal | Purpose::Nothing => {}
        }
    }

    /// What fetches reach: public addresses alone, whatever this machine does, or nobody has looked.
    pub(crate) fn fetch_network(&self) -> &'static str {
        match (self.settings.guards_fetches(), self.engine.is_guarded()) {
            (false, _) => "open",
            (true, true) => "closed",
            (true, false) => "unknown",
        }
    }

    pub(crate) fn say_engine(&self) {
        if let Err(why) = self.engine.latest() {
            log::warn!("the engine is unavailable: {why}");
            return;
        }
        for version in self.engine.missing(&self.settings.zig_versions) {
            log::warn!("image zigcheck:{version} is missing: make docker-build");
        }
    }

    /// Something needs the engine, if it does not answer.
    pub(crate) fn wants_engine(&self, now: Now) -> bool {
        self.scheduler.wants_engine() || self.engine.cleanup_due() || self.is_recheck_due(now)
    }

    fn is_recheck_due(&self, now: Now) -> bool {
        let is_due = |at| at <= now.unix_ms;
        let next = self.store.next_check_due();
        next.is_ok_and(|at| at.is_some_and(is_due))
    }

    /// A look at a remote finds out what is to be built under which images: of a server that nobody
    /// asked anything for a day, the engine's answer is as old.
    pub(crate) fn refresh_for_rechecks(&mut self, now: Now) {
        if self.engine.is_ready()
            && self.engine.known(now.mono_ms).is_none()
            && self.is_recheck_due(now)
        {
            self.refresh_engine(now);
        }
    }

    /// Gives free slots to waiting work, or finds out whether there is an engine to run it.
    pub(crate) fn start_ready(&mut self, now: Now) -> store::Result<()> {
        if self.stopping || !self.wants_engine(now) {
            return Ok(());
        }
        if self.engine.is_ready() {
            if self.draining || self.space.is_low() {
                return Ok(());
            }
            let (scheduler, mut cx) = self.context(now);
            scheduler.start_ready(&mut cx)?;
        } else if self.engine.retry_ms().is_some_and(|at| at <= now.mono_ms) {
            self.refresh_engine(now);
        }
        Ok(())
    }
}
