//! When the engine is asked, and what its answers lead to.

use crate::app::dispatch::dispatch::App;
use crate::app::dispatch::engine_waiter::{Asked, EngineWaiter};
use crate::app::dispatch::limits::ENGINE_WAITERS_LIMIT;
use crate::app::engine::capabilities::list_missing;
use crate::app::engine::commands::{Answer, Answered, Purpose};
use crate::app::engine::engine::{EngineAction, MAKE_IMAGES};
use crate::app::engine::routing::Place;
use crate::app::state::{Fatal, Lifecycle};
use crate::app::store::{packages, store};
use crate::app::web::answer::{Answer as Reply, Error};
use crate::app::web::conditional;
use crate::app::web::handlers::nodes;
use crate::app::web::routes::nodes::NodeCall;
use crate::base::slab::Key;
use crate::config::limits::ENGINE_FRESH_MS;
use crate::interface::message::{Head, Response};

impl App {
    pub(crate) fn refresh_engine(&mut self) {
        let asks = self.state.services.engine.refresh();
        self.ask_engines(asks);
    }

    fn ask_engines(&mut self, asks: Vec<(Place, EngineAction)>) {
        self.reads.forget();
        for (place, ask) in asks {
            self.ask_engine(place, ask);
        }
    }

    pub(crate) fn is_engine_fresh(&self) -> bool {
        let engine = &self.state.services.engine;
        engine.is_fresh(self.state.now().mono_ms)
    }

    /// Asks the engine where its last answer is old. What starts next waits for the new answer.
    pub(crate) fn refresh_stale_engine(&mut self) {
        if !self.is_engine_fresh() {
            self.refresh_engine();
        }
    }

    /// Asks the cluster anew where somebody looks while a build waits for a machine: its reason may be another one now.
    pub(crate) fn refresh_stale_nodes(&mut self) {
        if self.state.scheduler.is_placing() {
            let now_ms = self.state.now().mono_ms;
            self.state.services.engine.want_fresh_nodes(now_ms);
        }
    }

    fn ask_engine(&mut self, place: Place, ask: EngineAction) {
        let services = &mut self.state.services;
        let docker = &services.docker;
        let command = match ask {
            EngineAction::Connect => docker.connect(),
            EngineAction::ReadInfo => docker.info(place),
            EngineAction::ListImages => docker.list_images(place),
            EngineAction::ListContainers => docker.list_containers(place),
            EngineAction::ProbeNetwork => docker.probe_network(services.engine.any_image()),
            EngineAction::Remove(mut names) => {
                let known = self.state.scheduler.containers();
                let is_at = |name: &str| docker.routing().place_of(name) == place;
                names.retain(|name| !(known.contains(name) && is_at(name)));
                if names.is_empty() {
                    return self.engine_answered(place, Ok(String::new()));
                }
                docker.remove(place, &names)
            }
        };
        services.start(command, Purpose::Engine(place));
    }

    fn engine_answered(&mut self, place: Place, answer: Answer) {
        let services = &mut self.state.services;
        let engine = &mut services.engine;
        let is_new = engine.at(place).is_checking();
        let ask = engine.answer(place, answer, services.now.mono_ms);
        if let Some(kind) = engine.kind(place) {
            services.docker.set_kind(place, kind);
        }
        let engine = engine.at(place);
        if let (true, wants @ [_, ..]) = (is_new, engine.recommended()) {
            let at = engine.node().map(|node| format!(" of node {node}"));
            let (at, wants) = (at.unwrap_or_default(), list_missing(wants));
            log::warn!("the engine{at} has {wants}: see SECURITY.md");
        }
        if let Some(ask) = ask {
            self.ask_engine(place, ask);
        }
        if self.state.services.engine.is_asking() {
            return;
        }
        let (services, settings) = (&self.state.services, &self.state.settings);
        let slots = services.engine.slots(settings.max_builds);
        self.state.scheduler.queue.set_slots(slots);
        self.log_engine();
        if let Some(why) = self.state.services.engine.refused() {
            let why = format!("the engine cannot keep strangers' code to itself: {why}");
            self.state.lifecycle = Lifecycle::Broken(Fatal::UnfitEngine(why));
            return;
        }
        self.answer_waiters();
        if self.state.services.engine.is_ready() {
            let done = self.schedule(|scheduler, services| scheduler.on_engine_ready(services));
            if let Err(error) = done {
                self.state.break_down(&error);
            }
        }
    }

    /// What is asked for now if the engine's last answer is fresh, else after the next one.
    pub(crate) fn wait_for_engine(
        &mut self,
        conn: Key,
        head: &Head,
        asked: Asked,
    ) -> Result<Reply, Error> {
        let waiter = EngineWaiter {
            conn,
            asked,
            precondition: conditional::check_untagged(head, self.state.now().unix_ms),
        };
        if self.is_engine_fresh() {
            return waiter.answer(&self.state);
        }
        if self.engine_waiters.len() >= ENGINE_WAITERS_LIMIT {
            let sentence = "too many requests wait for the engine to answer";
            return Err(Response::later(503, sentence, ENGINE_FRESH_MS).into());
        }
        self.engine_waiters.push(waiter);
        self.refresh_engine();
        Ok(Reply::Later)
    }

    /// Answers a call about nodes. A change is answered once the cluster has made it.
    pub(crate) fn node_call(
        &mut self,
        conn: Key,
        head: &Head,
        call: NodeCall,
    ) -> Result<Reply, Error> {
        let (name, reason) = match call {
            NodeCall::List => return self.wait_for_engine(conn, head, Asked::Nodes),
            NodeCall::Drain { node, reason } => (node, Some(reason)),
            NodeCall::Resume { node } => (node, None),
        };
        let drained = reason.is_some();
        let node = nodes::find(&self.state, &name)?;
        if !drained && node.is_in_service() {
            return Ok(nodes::changed(&name, drained).into());
        }
        let services = &mut self.state.services;
        let command = services.docker.set_node(&name, reason.as_deref());
        services.start(
            command,
            Purpose::SetNode {
                conn,
                name,
                drained,
            },
        );
        Ok(Reply::Later)
    }

    fn node_set(&mut self, conn: Key, name: &str, drained: bool, answer: &Answer) {
        self.refresh_engine();
        let response = match answer {
            Ok(_) => nodes::changed(name, drained),
            Err(why) => Response::error(503, &format!("the cluster: {why}")),
        };
        self.send(conn, true, Ok(response.into()));
    }

    fn answer_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.engine_waiters) {
            let conn = waiter.conn;
            let answer = waiter.answer(&self.state);
            self.send(conn, true, answer);
        }
    }

    pub(crate) fn commands_ended(&mut self, ended: impl IntoIterator<Item = Answered>) {
        for Answered { purpose, answer } in ended {
            let (scheduler, services) = (&mut self.state.scheduler, &mut self.state.services);
            match purpose {
                Purpose::Engine(place) => self.engine_answered(place, answer),
                Purpose::ReadPeakMemory { task, container } => {
                    scheduler.on_peak_memory(task, &container, answer, services);
                }
                Purpose::SetNode {
                    conn,
                    name,
                    drained,
                } => self.node_set(conn, &name, drained, &answer),
                // What is still there is removed with the next strays.
                Purpose::Removal if answer.is_err() => {
                    services.engine.schedule_cleanup(services.now.mono_ms);
                }
                Purpose::Removal | Purpose::Nothing => {}
            }
        }
    }

    /// Warns of what is wrong since this answer: as long as something waits, the engine is asked again and again.
    fn log_engine(&mut self) {
        let engine = &self.state.services.engine;
        let warnings: Vec<String> = match engine.latest() {
            Err(why) => vec![format!("the engine is unavailable: {why}")],
            Ok(()) => {
                let missing = engine.missing(&self.state.settings.zig_versions);
                let warning =
                    |version| format!("image zigcheck:{version} is missing: {MAKE_IMAGES}");
                missing.map(warning).collect()
            }
        };
        let known = std::mem::replace(&mut self.engine_warnings, warnings);
        let new = self.engine_warnings.iter();
        for warning in new.filter(|warning| !known.contains(warning)) {
            log::warn!("{warning}");
        }
        if self.engine_warnings.is_empty() && !known.is_empty() {
            log::info!("the engine answers, and has all images");
        }
    }

    /// True where something waits for the engine to answer.
    pub(crate) fn wants_engine(&self) -> bool {
        self.state.scheduler.wants_engine()
            || self.state.services.engine.cleanup_due()
            || self.is_recheck_due()
    }

    fn is_recheck_due(&self) -> bool {
        let is_due = |at| at <= self.state.now().unix_ms;
        let next = packages::next_check_due(&self.state.services.store);
        next.is_ok_and(|at| at.is_some_and(is_due))
    }

    /// Asks the engine before a recheck that is due, which enqueues builds by its images: on a server without requests
    /// its last answer is as old as the last recheck.
    pub(crate) fn refresh_for_rechecks(&mut self) {
        if self.state.services.engine.is_ready() && self.is_recheck_due() {
            self.refresh_stale_engine();
        }
    }

    /// Starts waiting tasks in free slots; asks an absent engine again when its retry is due.
    pub(crate) fn start_ready(&mut self) -> store::Result<()> {
        if self.state.is_stopping() || !self.wants_engine() {
            return Ok(());
        }
        if self.state.is_draining() {
            self.schedule(|scheduler, services| scheduler.withdraw_requests(services))?;
        }
        let may_start = !self.state.is_draining() && !self.state.disk.is_low;
        let now_ms = self.state.now().mono_ms;
        let engine = &mut self.state.services.engine;
        if engine.is_ready() && may_start {
            let due = engine.refresh_due(now_ms);
            if !due.is_empty() {
                self.ask_engines(due);
                return Ok(());
            }
            return self.schedule(|scheduler, services| scheduler.start_ready(services));
        }
        if !engine.is_ready() && engine.retry_ms().is_some_and(|at| at <= now_ms) {
            self.refresh_engine();
        }
        Ok(())
    }
}
