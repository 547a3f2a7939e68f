//! Events go in, actions come out.
//!
//! No socket, no clock, no process. The shell performs no action of a turn before its commit.

use std::net::IpAddr;

use crate::app::dispatch::limits::{HEALTH_WAITERS_LIMIT, STOP_LIMIT_MS, VIEWS_WRITTEN_LIMIT};
use crate::app::domain::ids::BuildId;
use crate::app::domain::popularity;
use crate::app::retention::{Retention, RetentionLimits};
use crate::app::source::incoming;
use crate::app::state::{Fatal, Lifecycle, State, cannot_write};
use crate::app::store::builds;
use crate::app::store::packages;
use crate::app::store::sources;
use crate::app::store::store::{self, Store};
use crate::app::web::call::{Call, ReadCall};
use crate::app::web::conditional;
use crate::app::web::handlers::answer::{Answer, Error};
use crate::app::web::handlers::{admin, health, read, submit, watch};
use crate::app::web::rate_limits::RateLimits;
use crate::app::web::request::open_to_all;
use crate::app::web::routes::table;
use crate::app::web::upload::Uploads;
use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::config::limits::ENGINE_FRESH_MS;
use crate::config::settings::Settings;
use crate::interface::event::{Action, Core, Event, JobId, Load, Now, Pull};
use crate::interface::message::{Admission, Head, Request, Response};

pub struct App {
    pub(crate) state: State,
    pub(crate) uploads: Uploads,
    pub(crate) rate_limits: RateLimits,
    /// The log has a warning of a proxy that is not trusted.
    pub(crate) has_warned_of_proxy: bool,
    retention: Retention,
    /// Health requests that wait for the engine's answer.
    pub(crate) health_waiters: Vec<Key>,
}

impl App {
    /// A server on that database, which goes on with what an earlier run has left. The data
    /// directory and its `logs` and `sources` must exist.
    pub fn open(settings: Settings, store: Store, now: Now) -> Result<App, String> {
        let state = State::open(settings, store, now)?;
        let settings = &state.settings;
        let known = sources::file_names(&state.services.store);
        let known = known.map_err(|e| e.to_string())?;
        let sources = settings.data.join("sources");
        incoming::remove_strays(&sources, &known)
            .map_err(|e| format!("{}: {e}", sources.display()))?;
        let retention = Retention::open(settings, RetentionLimits::default());
        let retention = retention.map_err(|e| format!("{}: {e}", settings.data.display()))?;
        let mut app = App {
            retention,
            uploads: Uploads::new(settings),
            rate_limits: RateLimits::new(settings),
            has_warned_of_proxy: false,
            health_waiters: Vec::new(),
            state,
        };
        app.refresh_engine();
        Ok(app)
    }

    /// True where the server ended because the engine may not run anything: to start it again does not help.
    pub fn is_unfit(&self) -> bool {
        matches!(
            self.state.lifecycle,
            Lifecycle::Broken(Fatal::UnfitEngine(_))
        )
    }

    /// Slots in use.
    pub fn running(&self) -> usize {
        self.state.scheduler.running()
    }

    /// Tasks that wait for a slot.
    pub fn waiting(&self) -> u64 {
        self.state.scheduler.waiting()
    }

    // -- requests --

    fn request(&mut self, conn: Key, from: Option<IpAddr>, request: Request) {
        let head = &request.head;
        let client = self.identify(from, head);
        let settings = &self.state.settings;
        let routed = table::find(head, settings);
        let called = routed.and_then(|routed| Ok((routed.read(&request.body, settings)?, routed)));
        let (call, routed) = match called {
            Ok(called) => called,
            Err(response) => return self.state.services.out.respond(conn, response),
        };
        let answer = match call {
            Call::Health => return self.health(conn),
            Call::Upload(options) => {
                if let Err(response) = self.begin_upload(conn, client, head, options) {
                    self.refuse_upload(conn, response);
                }
                return;
            }
            Call::Read(call) => self.read(head, &call),
            Call::Watch(call) => watch::watch(&mut self.state, conn, head, call),
            Call::Submit(call) => self.submit(client, routed.is_limited(), call),
            Call::Admin(call) => admin::answer(&mut self.state, &call).map(Answer::from),
        };
        self.send(conn, routed.is_open(), answer);
    }

    fn read(&mut self, head: &Head, call: &ReadCall) -> Result<Answer, Error> {
        let response = read::read(&self.state, call)?;
        if response.status == 200 && popularity::is_view(head) {
            self.count_view(call);
        }
        Ok(conditional::answer(head, response).into())
    }

    fn count_view(&mut self, call: &ReadCall) {
        let Some(name) = call.viewed_package() else {
            return;
        };
        // The row was read a moment ago, and a count is not worth an error.
        if let Ok(Some(package)) = packages::id_of(&self.state.services.store, name) {
            self.state.views.count(package);
        }
    }

    /// Sends what a handler gave. The one place where an error of the database breaks the server down.
    fn send(&mut self, conn: Key, is_open: bool, answer: Result<Answer, Error>) {
        let opened = |response: Response| match is_open {
            true => open_to_all(response),
            false => response,
        };
        let out = &mut self.state.services.out;
        match answer {
            Ok(Answer::Response(response)) | Err(Error::Refused(response)) => {
                out.respond(conn, opened(response));
            }
            Ok(Answer::Stream(head, body)) => {
                let head = opened(head);
                out.push(Action::Stream { conn, head, body });
            }
            Ok(Answer::Upgrade) => out.push(Action::Upgrade { conn }),
            Err(Error::Database(error)) => {
                log::error!("the database: {error}");
                let sentence = format!("the database does not answer: {error}");
                out.respond(conn, opened(Response::error(503, &sentence)));
            }
            Err(Error::HalfWritten(error)) => self.state.break_down(&error),
        }
    }

    /// Answers at once while the engine's last answer is fresh, else after the next one.
    fn health(&mut self, conn: Key) {
        if self.is_engine_fresh() {
            return self.respond_health(conn);
        }
        if self.health_waiters.len() >= HEALTH_WAITERS_LIMIT {
            let sentence = "too many requests wait for the engine to answer";
            let later = Response::later(503, sentence, ENGINE_FRESH_MS);
            return self.state.services.out.respond(conn, later);
        }
        self.health_waiters.push(conn);
        self.refresh_engine();
    }

    pub(crate) fn respond_health(&mut self, conn: Key) {
        let response = open_to_all(health::health(&self.state));
        self.state.services.out.respond(conn, response);
    }

    // -- the disk --

    fn refuse_upload(&mut self, conn: Key, response: Response) {
        if response.status == 507 {
            self.state.disk.note_full(self.state.now().mono_ms);
        }
        self.state.services.out.respond(conn, response);
    }

    /// While the disk is low, ends all uploads: their files give space back, and none of them could be accepted.
    fn end_uploads_if_disk_low(&mut self) {
        if self.state.services.feed.logs.take_full() {
            self.state.disk.note_full(self.state.now().mono_ms);
        }
        if let Some(response) = self.state.disk.refusal() {
            for conn in self.uploads.end_all() {
                self.state.services.out.respond(conn, response.clone());
            }
        }
    }

    // -- jobs --

    fn job(&mut self, job: JobId, event: &Event) -> store::Result<()> {
        if self.state.services.commands.owns(job) {
            let answer = match event {
                Event::Output { pipe, bytes, .. } => {
                    self.state.services.commands.output(
                        job,
                        *pipe,
                        bytes,
                        self.state.now().mono_ms,
                    );
                    None
                }
                Event::Eof { pipe, .. } => self.state.services.commands.eof(job, *pipe),
                Event::Exited { exit, .. } => {
                    self.state
                        .services
                        .commands
                        .exited(job, exit.clone(), self.state.now().mono_ms)
                }
                _ => None,
            };
            if let Some((purpose, answer)) = answer {
                self.command_answered(purpose, answer);
            }
            return Ok(());
        }
        if self.state.is_stopping() {
            // The next run of the server learns of the container from the engine.
            return Ok(());
        }
        let (scheduler, services) = (&mut self.state.scheduler, &mut self.state.services);
        match event {
            Event::Output { pipe, bytes, .. } => scheduler.output(job, *pipe, bytes, services),
            Event::Eof { pipe, .. } => scheduler.eof(job, *pipe, services),
            Event::Exited { exit, .. } => scheduler.exited(job, exit.clone(), services),
            _ => Ok(()),
        }
    }

    fn time(&mut self) -> store::Result<()> {
        let services = &mut self.state.services;
        let now_ms = services.now.mono_ms;
        for (purpose, answer) in services.commands.on_time(&mut services.out, now_ms) {
            self.command_answered(purpose, answer);
        }
        if !self.state.is_stopping() {
            if self.state.services.engine.take_due_cleanup(now_ms) {
                self.refresh_engine();
            }
            self.state.disk.on_time(now_ms);
            let has_space = !self.state.disk.is_low();
            if has_space {
                self.refresh_for_rechecks();
            }
            let (scheduler, services) = (&mut self.state.scheduler, &mut self.state.services);
            scheduler.on_time(has_space, services)?;
        }
        match self.uploads.step() {
            None => {}
            Some((conn, Ok(tree))) => {
                self.refresh_stale_engine();
                let answer = submit::submit_tree(&mut self.state, conn, tree);
                self.send(conn, false, answer);
            }
            Some((conn, Err(response))) => self.state.services.out.respond(conn, response),
        }
        Ok(())
    }

    /// Deletes a bounded part of what has expired.
    fn delete_expired(&mut self) -> store::Result<()> {
        let services = &mut self.state.services;
        self.retention
            .delete_expired(&mut services.store, services.now)
    }

    /// Stores counted views in a turn that writes anyway: a view alone is not worth a commit.
    fn write_views(&mut self) -> store::Result<()> {
        if !self.state.services.store.is_writing() {
            return Ok(());
        }
        let views = self.state.views.take(VIEWS_WRITTEN_LIMIT);
        packages::add_views(&mut self.state.services.store, &views)
    }
}

impl Core for App {
    /// Connections of a trusted proxy are not counted: they belong to many clients.
    fn counted(&self, from: Option<IpAddr>) -> Option<ClientAddr> {
        match self.state.settings.trusted_proxies.trust(from) {
            true => None,
            false => from.and_then(ClientAddr::of),
        }
    }

    fn admit(&self, from: Option<IpAddr>, head: &Head, now: Now) -> Admission {
        self.admission(from, head, now)
    }

    fn handle(&mut self, event: Event<'_>, now: Now) {
        if matches!(self.state.lifecycle, Lifecycle::Broken(_)) {
            return;
        }
        self.state.services.now = now;
        let done = match event {
            Event::Request {
                conn,
                from,
                request,
            } => {
                self.request(conn, from, request);
                Ok(())
            }
            Event::Body { conn, bytes } => {
                if let Err(response) = self.take_piece(conn, bytes) {
                    self.refuse_upload(conn, response);
                }
                self.state
                    .disk
                    .note_written(bytes.len() as u64, self.state.now().mono_ms);
                Ok(())
            }
            Event::BodyEnd { conn } => {
                if let Err(response) = self.uploads.end(conn) {
                    self.refuse_upload(conn, response);
                }
                Ok(())
            }
            Event::Aborted { conn } => {
                self.uploads.abort(conn);
                self.state.services.feed.remove(conn);
                self.health_waiters.retain(|waiter| *waiter != conn);
                Ok(())
            }
            Event::Output { job, .. } | Event::Eof { job, .. } | Event::Exited { job, .. } => {
                self.job(job, &event)
            }
            Event::DiskUsage(usage) => {
                self.state.disk.update(usage, self.state.now().mono_ms);
                let is_idle = self.running() == 0;
                self.retention
                    .set_shortage(self.state.disk.shortage_bytes(), is_idle);
                Ok(())
            }
            Event::Time => self.time().and_then(|()| self.delete_expired()),
            Event::Stop => {
                self.state.stop(STOP_LIMIT_MS);
                Ok(())
            }
            Event::Drain => {
                self.state.drain();
                Ok(())
            }
        };
        self.end_uploads_if_disk_low();
        let done = done.and_then(|()| self.start_ready());
        self.retention
            .note_ended(self.state.scheduler.ended_builds());
        if let Err(error) = done {
            self.state.break_down(&error);
        }
    }

    fn next_action(&mut self) -> Option<Action> {
        self.state.services.out.take()
    }

    fn commit(&mut self, _now: Now) -> Result<(), String> {
        match &self.state.lifecycle {
            Lifecycle::Broken(fatal) => Err(fatal.sentence().to_string()),
            _ => {
                let written = self
                    .write_views()
                    .and_then(|()| self.state.services.store.commit());
                written.map_err(|error| cannot_write(&error))?;
                self.state.scheduler.on_commit();
                self.retention.committed(&self.state.services.store);
                Ok(())
            }
        }
    }

    fn deadline(&self) -> Option<u64> {
        // At once: uploads to inspect, and actions from before the first event.
        if self.uploads.has_work() || !self.state.services.out.is_empty() {
            return Some(0);
        }
        if let Lifecycle::Stopping { until_ms } = self.state.lifecycle {
            return Some(until_ms);
        }
        let retry = match self.wants_engine() {
            true => self.state.services.engine.retry_ms(),
            false => None,
        };
        let may_start = self.state.services.engine.is_ready()
            && !self.state.is_draining()
            && !self.state.disk.is_low();
        let disk_check = match self.wants_engine() {
            true => self.state.disk.next_check_ms(),
            false => None,
        };
        [
            self.state.scheduler.deadline_ms(
                may_start,
                &self.state.services.store,
                self.state.now(),
            ),
            self.retention.deadline_ms(),
            self.state.services.commands.deadline_ms(),
            self.state.services.engine.cleanup_ms(),
            retry,
            disk_check,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn pull(&mut self, conn: Key, space: usize, out: &mut Vec<u8>) -> Pull {
        let (scheduler, services) = (&self.state.scheduler, &mut self.state.services);
        let (store, unix_ms) = (&services.store, services.now.unix_ms);
        let position = |build: BuildId| {
            let row = builds::by_id(store, build).ok().flatten()?;
            scheduler.view(store).position(&row, unix_ms).ok()?
        };
        services.feed.pull(conn, store, &position, space, out)
    }

    fn stopped(&self) -> bool {
        let is_quiet = self.state.services.commands.is_empty();
        match self.state.lifecycle {
            Lifecycle::Draining => is_quiet && self.running() == 0,
            Lifecycle::Stopping { until_ms } => is_quiet || self.state.now().mono_ms >= until_ms,
            Lifecycle::Running | Lifecycle::Broken(_) => false,
        }
    }

    fn load(&self) -> Load {
        Load {
            running: self.running(),
            waiting: self.waiting() as usize,
        }
    }
}
