//! Events go in, actions come out.
//!
//! No socket, no clock, no process. The shell performs no action of a turn before its commit.

use std::collections::HashMap;

use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::dispatch::admitted::Admitted;
use crate::app::dispatch::engine_waiter::{Asked, EngineWaiter};
use crate::app::dispatch::limits::{STOP_LIMIT_MS, WAITS_ANSWERED_LIMIT};
use crate::app::dispatch::texts::Texts;
use crate::app::domain::disk_space::insufficient;
use crate::app::retention::{Retention, RetentionLimits};
use crate::app::source::incoming;
use crate::app::state::{Fatal, Lifecycle, State, cannot_write};
use crate::app::store::store::{self, Store};
use crate::app::store::{meter, sources};
use crate::app::web::access::Admin;
use crate::app::web::answer::{Answer, Error};
use crate::app::web::conditional;
use crate::app::web::handlers::{admin, live, pages, submit, tokens, watch};
use crate::app::web::rate_limits::RateLimits;
use crate::app::web::reads::{self, Read, Reads};
use crate::app::web::request::{is_read, open_if};
use crate::app::web::routes::admin::AdminCall;
use crate::app::web::routes::read::ReadCall;
use crate::app::web::routes::table::Call;
use crate::app::web::upload::Uploads;
use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::config::settings::Settings;
use crate::interface::counters::ShellCounters;
use crate::interface::event::{Action, Core, Event, Load, Now, Pull};
use crate::interface::message::{Admission, Head, Request, Response};
use crate::interface::peer::Peer;

pub struct App {
    pub(crate) state: State,
    pub(crate) uploads: Uploads,
    pub(crate) rate_limits: RateLimits,
    pub(crate) reads: Reads,
    /// Requests whose head was admitted and whose body has not arrived, by the slot of their connection. The next head
    /// in that slot replaces one whose connection has ended.
    pub(crate) admitted: HashMap<u32, Admitted>,
    pub(crate) retention: Retention,
    texts: Texts,
    /// Requests that wait for the engine's answer.
    pub(crate) engine_waiters: Vec<EngineWaiter>,
    /// What was wrong with the engine by its last answer: each is logged once.
    pub(crate) engine_warnings: Vec<String>,
}

impl App {
    /// A server on that database, which goes on with what an earlier run has left. The data
    /// directory and its `logs` and `sources` must exist.
    pub fn open(settings: Settings, store: Store, now: Now) -> Result<App, String> {
        let state = State::open(settings, store, now)?;
        let settings = &state.settings;
        let store = &state.services.store;
        let directory = settings.data.join("sources");
        // Without an answer of the database the file stays.
        let keeps = |name: &str| sources::keeps_file(store, name).unwrap_or(true);
        incoming::remove_strays(&directory, keeps)
            .map_err(|e| format!("{}: {e}", directory.display()))?;
        let retention = Retention::open(settings, RetentionLimits::default());
        let retention = retention.map_err(|e| format!("{}: {e}", settings.data.display()))?;
        let mut app = App {
            retention,
            texts: Texts::due_at(now.mono_ms),
            uploads: Uploads::new(settings),
            rate_limits: RateLimits::new(settings),
            reads: Reads::default(),
            admitted: HashMap::new(),
            engine_waiters: Vec::new(),
            engine_warnings: Vec::new(),
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
        self.state.scheduler.queue.running()
    }

    /// How many reads were answered without being rendered.
    pub fn answered_again(&self) -> u64 {
        self.reads.again
    }

    /// Tasks that wait for a slot.
    pub fn waiting(&self) -> u64 {
        self.state.scheduler.queue.waiting()
    }

    fn event(&mut self, event: Event) -> store::Result<()> {
        let now_ms = self.state.now().mono_ms;
        let State { services, disk, .. } = &mut self.state;
        match event {
            Event::Request { conn, request } => self.request(conn, &request),
            Event::Body { conn, bytes } => {
                disk.note_written(bytes.len() as u64, now_ms);
                if let Err(error) = self.take_piece(conn, bytes) {
                    self.send(conn, false, Err(error));
                }
            }
            Event::BodyEnd { conn } => {
                if let Err(error) = self.uploads.end(conn) {
                    self.send(conn, false, Err(error));
                }
            }
            Event::Aborted { conn } => {
                self.uploads.abort(conn);
                services.feed.remove(conn);
                self.engine_waiters.retain(|waiter| waiter.conn != conn);
                self.reads.abort(conn);
            }
            // An engine command and the scheduler each ignore the jobs of the other.
            Event::Output { job, pipe, bytes } => {
                services.commands.output(job, pipe, bytes, now_ms);
                return self.schedule(|tasks, services| tasks.output(job, pipe, bytes, services));
            }
            Event::Eof { job, pipe } => {
                let ended = services.commands.eof(job, pipe);
                self.commands_ended(ended);
                return self.schedule(|tasks, services| tasks.eof(job, pipe, services));
            }
            Event::Exited { job, exit } => {
                let ended = services.commands.exited(job, exit.clone(), now_ms);
                self.commands_ended(ended);
                return self.schedule(|tasks, services| tasks.exited(job, exit, services));
            }
            Event::DiskUsage(usage) => {
                disk.update(usage, now_ms);
                self.retention.set_shortage(disk.shortage_bytes());
            }
            Event::Time => return self.time(),
            Event::Stop => self.state.stop(STOP_LIMIT_MS),
            Event::Drain => self.state.drain(),
        }
        Ok(())
    }

    /// True where the event changes nothing that a read shows, unless it begins a turn's writes.
    fn is_read(&self, event: &Event) -> bool {
        match event {
            Event::Request { conn, .. } => {
                let admitted = self.admitted.get(&conn.index);
                admitted.is_some_and(|admitted| admitted.routed.is_read())
            }
            Event::Aborted { .. } => true,
            // It came for the sake of reads that wait.
            Event::Time => {
                let now_ms = self.state.now().mono_ms;
                self.reads.has_waiting() && self.next_due_ms().is_none_or(|at| at > now_ms)
            }
            _ => false,
        }
    }

    // -- requests --

    fn request(&mut self, conn: Key, request: &Request) {
        if let Some(admitted) = self.admitted.remove(&conn.index) {
            let answer = self.answer(conn, &admitted, request);
            let error = |error| pages::refused(&self.state, &request.head, error);
            self.send(conn, admitted.routed.is_open(), answer.map_err(error));
        }
    }

    fn answer(
        &mut self,
        conn: Key,
        admitted: &Admitted,
        request: &Request,
    ) -> Result<Answer, Error> {
        let Request { head, body, .. } = request;
        if let Some(Admin::Token(name)) = &admitted.admin {
            tokens::note_use(&mut self.state, name).map_err(Error::HalfWritten)?;
        }
        if is_read(head) {
            return self.answer_call(conn, admitted, request);
        }
        reads::check_change(&mut self.state, head)?;
        let answer = self.answer_call(conn, admitted, request)?;
        if let Some(admin) = &admitted.admin
            && admin::has_changed(&answer)
        {
            // After what it is about, in the same transaction.
            let who = admin.describe(admitted.client);
            let noted = admin::note(&mut self.state, &who, head, body);
            noted.map_err(Error::HalfWritten)?;
        }
        Ok(answer)
    }

    fn answer_call(
        &mut self,
        conn: Key,
        admitted: &Admitted,
        request: &Request,
    ) -> Result<Answer, Error> {
        let (Admitted { routed, client, .. }, Request { head, body, .. }) = (admitted, request);
        let now_unix_ms = self.state.now().unix_ms;
        self.refresh_stale_nodes();
        match routed.read(head, body, &self.state.settings)? {
            Call::Health => self.wait_for_engine(conn, head, Asked::Health),
            Call::Read(call) => {
                if call == ReadCall::Metrics {
                    self.refresh_stale_engine();
                }
                let to = (conn, routed.is_open());
                self.reads
                    .answer(&mut self.state, to, head, Read::Data(call))
            }
            Call::Page(call) => {
                // An image that was made is found when somebody looks.
                if self.state.images_made().is_some() {
                    self.refresh_stale_engine();
                }
                let state = &mut self.state;
                if let Some(answer) = live::watch(state, conn, head, &call)? {
                    return Ok(answer);
                }
                let to = (conn, routed.is_open());
                self.reads.answer(state, to, head, Read::Page(call))
            }
            Call::Watch(call) => watch::watch(&mut self.state, conn, head, call),
            Call::Submit(call) => {
                let asked = self.submit(*client, routed.is_limited(), call);
                asked.map(|asked| asked.response.into())
            }
            Call::Form(form) => self.submit_form(*client, form),
            Call::Hook(call) => self.hook(*client, &call),
            Call::Upload(options) => self.begin_upload(conn, *client, head, options),
            Call::Admin(AdminCall::Node(call)) => self.node_call(conn, head, call),
            Call::Admin(call) => {
                if is_read(head) {
                    conditional::check_untagged(head, now_unix_ms)?;
                }
                self.retention.wake();
                if call.needs_engine() {
                    self.refresh_stale_engine();
                }
                Ok(admin::answer(&mut self.state, call)?.into())
            }
        }
    }

    /// Sends what a handler gave. The one place where an error of the database breaks the server down.
    pub(crate) fn send(&mut self, conn: Key, is_open: bool, answer: Result<Answer, Error>) {
        let response = match answer {
            Ok(Answer::Response(response)) | Err(Error::Refused(response)) => response,
            Ok(Answer::Stream(head, body)) => {
                let head = open_if(is_open, head);
                self.state.count_answer(head.status);
                return self.push(Action::Stream { conn, head, body });
            }
            Ok(Answer::Upgrade) => return self.push(Action::Upgrade { conn }),
            Ok(Answer::Later) => return,
            Err(Error::DiskFull(sentence)) => {
                self.state.disk.note_full(self.state.now().mono_ms);
                insufficient(&sentence)
            }
            // The log has the statement.
            Err(Error::Database(error)) if meter::is_interrupted(&error) => {
                Response::error(503, "this read takes too long; ask for less of it")
            }
            Err(Error::Database(error)) => {
                log::error!("the database: {error}");
                Response::error(503, &format!("the database does not answer: {error}"))
            }
            Err(Error::HalfWritten(error)) => return self.state.break_down(&error),
        };
        let response = open_if(is_open, response);
        self.state.count_answer(response.status);
        self.push(Action::Respond { conn, response });
    }

    fn push(&mut self, action: Action) {
        self.state.services.out.push(action);
    }

    /// Answers clients whose check has ended, a bounded number of them.
    fn answer_waits(&mut self) {
        for _ in 0..WAITS_ANSWERED_LIMIT {
            let Some((conn, wait)) = self.state.services.feed.waits.take_due() else {
                break;
            };
            if let Some(answer) = watch::end_of(&self.state, &wait).transpose() {
                self.state.services.feed.waits.remove(conn);
                self.send(conn, wait.is_read, answer.map(Answer::from));
            }
        }
    }

    // -- jobs and time --

    /// Lets the scheduler act, unless the server stops: its next run learns of the containers from the engine.
    pub(crate) fn schedule(
        &mut self,
        act: impl FnOnce(&mut Scheduler, &mut Services) -> store::Result<()>,
    ) -> store::Result<()> {
        match self.state.is_stopping() {
            true => Ok(()),
            false => act(&mut self.state.scheduler, &mut self.state.services),
        }
    }

    /// Answers reads that waited. Nothing has changed since the last event.
    fn answer_reads(&mut self) {
        while let Some((conn, is_open, answer)) = self.reads.next(&mut self.state) {
            self.send(conn, is_open, answer);
        }
    }

    fn time(&mut self) -> store::Result<()> {
        let services = &mut self.state.services;
        let now_ms = services.now.mono_ms;
        let ended = services.commands.on_time(&mut services.out, now_ms);
        self.commands_ended(ended);
        if !self.state.is_stopping() {
            if self.state.services.engine.take_due_cleanup(now_ms) {
                self.refresh_engine();
            }
            self.state.disk.on_time(now_ms);
            if !self.state.disk.is_low {
                self.refresh_for_rechecks();
            }
        }
        let has_space = !self.state.disk.is_low;
        self.schedule(|scheduler, services| {
            scheduler.cancel_removed(services)?;
            scheduler.on_time(has_space, services)
        })?;
        if let Some((conn, tree)) = self.uploads.step() {
            let answer = tree.and_then(|tree| {
                self.refresh_stale_engine();
                submit::submit_tree(&mut self.state, conn, tree)
            });
            self.send(conn, false, answer);
        }
        self.answer_waits();
        let Services { store, now, .. } = &mut self.state.services;
        self.texts.index(store, has_space, now.mono_ms)?;
        self.retention.delete_expired(store, *now)
    }

    /// When the next thing is due that is no read; at once for 0.
    fn next_due_ms(&self) -> Option<u64> {
        // At once: uploads to inspect, clients to answer, and actions from before the first event.
        let services = &self.state.services;
        let has_waits = services.feed.waits.has_due();
        if self.uploads.has_work() || has_waits || !services.out.is_empty() {
            return Some(0);
        }
        if let Lifecycle::Stopping { until_ms } = self.state.lifecycle {
            return Some(until_ms);
        }
        let State {
            services,
            scheduler,
            disk,
            ..
        } = &self.state;
        let wants_engine = self.wants_engine();
        let may_start = services.engine.is_ready() && !self.state.is_draining() && !disk.is_low;
        let deadlines = [
            scheduler.deadline_ms(may_start, services),
            self.retention.due_ms,
            self.texts.deadline_ms(disk),
            services.commands.deadline_ms(),
            services.engine.cleanup_ms(),
            services
                .engine
                .images_wanted_ms()
                .filter(|_| may_start && wants_engine),
            services.engine.retry_ms().filter(|_| wants_engine),
            disk.next_check_ms().filter(|_| wants_engine),
        ];
        deadlines.into_iter().flatten().min()
    }
}

impl Core for App {
    fn tasks_limit(&self) -> usize {
        self.state.settings.max_builds
    }

    /// Connections of a trusted proxy are not counted: they belong to many clients.
    fn counted(&self, from: Peer) -> Option<ClientAddr> {
        match self.state.settings.trusted_proxies.trust(from.address()) {
            true => None,
            false => from.address().and_then(ClientAddr::of),
        }
    }

    fn admit(&mut self, conn: Key, from: Peer, head: &Head, now: Now) -> Admission {
        match self.check_head(from, head, now) {
            Ok((admission, admitted)) => {
                self.admitted.insert(conn.index, admitted);
                admission
            }
            Err(response) => {
                self.state.count_answer(response.status);
                Admission::Refuse(response)
            }
        }
    }

    fn handle(&mut self, event: Event<'_>, now: Now) {
        if matches!(self.state.lifecycle, Lifecycle::Broken(_)) {
            return;
        }
        self.state.services.now = now;
        let is_read = self.is_read(&event);
        let is_time = matches!(event, Event::Time);
        if is_time {
            self.answer_reads();
        }
        if !is_read {
            self.reads.forget();
        }
        let done = match is_time && is_read {
            true => Ok(()),
            false => self.event(event),
        };
        self.end_uploads_if_disk_low();
        let done = done.and_then(|()| self.start_ready());
        if !is_read || self.state.services.store.is_writing() {
            self.reads.forget();
        }
        self.retention.note_ended(self.state.scheduler.ended_builds);
        if let Err(error) = done {
            self.state.break_down(&error);
        }
    }

    fn next_action(&mut self) -> Option<Action> {
        self.state.services.out.take()
    }

    fn commit(&mut self, _now: Now) -> Result<(), String> {
        self.reads.begin_turn();
        if let Lifecycle::Broken(fatal) = &self.state.lifecycle {
            return Err(fatal.sentence().to_string());
        }
        let written = self.state.write_views();
        let Services { store, now, .. } = &self.state.services;
        let written = written.and_then(|()| self.texts.note(store, now.mono_ms));
        let written = written.and_then(|()| self.state.services.store.commit());
        written.map_err(|error| cannot_write(&error))?;
        let orphans = self.state.scheduler.on_commit();
        let in_use = self.state.scheduler.files_in_use();
        self.retention
            .committed(&self.state.services.store, orphans, in_use);
        Ok(())
    }

    fn deadline(&self) -> Option<u64> {
        match self.reads.has_waiting() {
            true => Some(0),
            false => self.next_due_ms(),
        }
    }

    fn pull(&mut self, conn: Key, space: usize, out: &mut Vec<u8>) -> Pull {
        live::pull(&mut self.state, conn, space, out)
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

    fn note_counters(&mut self, counters: &ShellCounters) {
        self.state.shell = *counters;
    }
}
