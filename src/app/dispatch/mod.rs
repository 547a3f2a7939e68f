//! The server's state: events go in, actions come out.
//!
//! No socket, no clock, no process. The shell performs no action of a turn before its commit.

mod admission;
mod engine_answers;
pub mod limits;

use std::net::IpAddr;

use crate::app::builds::context::Context;
use crate::app::builds::scheduler::Scheduler;
use crate::app::dispatch::limits::{HELD_LIMIT, STOP_LIMIT_MS, VIEWS_WRITTEN_LIMIT};
use crate::app::domain::disk_space::DiskSpace;
use crate::app::domain::popularity::{self, Views};
use crate::app::engine::Engine;
use crate::app::engine::commands::EngineCommands;
use crate::app::engine::docker::Docker;
use crate::app::live::feed::Feed;
use crate::app::retention::{Retention, RetentionLimits};
use crate::app::source::incoming;
use crate::app::store::{self, Store};
use crate::app::web::conditional;
use crate::app::web::handlers::{self, open_to_all, watch};
use crate::app::web::rate_limits::RateLimits;
use crate::app::web::routes::{self, Call};
use crate::app::web::upload::{Tree, Uploads};
use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::config::limits::ENGINE_FRESH_MS;
use crate::config::settings::Settings;
use crate::interface::event::{Action, Core, Event, JobId, Load, Now, Pull};
use crate::interface::message::{Admission, Head, Request, Response};
use crate::interface::outbox::Outbox;

/// A request that waits for the engine's answer; a call with who asks.
#[derive(Debug)]
enum Held {
    Call(Call, String),
    Tree(Tree),
}

pub struct App {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    docker: Docker,
    pub(crate) engine: Engine,
    commands: EngineCommands,
    pub(crate) scheduler: Scheduler,
    uploads: Uploads,
    rate_limits: RateLimits,
    /// It was said that a proxy is not trusted.
    warned: bool,
    pub(crate) space: DiskSpace,
    pub(crate) feed: Feed,
    pub(crate) views: Views,
    retention: Retention,
    held: Vec<(Key, Held)>,
    pub(crate) out: Outbox,
    pub(crate) started_unix_ms: i64,
    /// The latest reading of the clocks.
    pub(crate) now: Now,
    stopping: bool,
    /// Until when errands may take, once it is stopping.
    stop_by_ms: u64,
    /// Nothing new is started, and the end comes once nothing runs.
    draining: bool,
    /// Why nothing can go on: the turn at hand must not be heard of.
    broken: Option<String>,
    /// It was because the engine is not fit: to start again would not help.
    is_refused: bool,
}

impl App {
    /// A server on that database, which goes on with what an earlier run has left. The data
    /// directory and its `logs` and `sources` must exist.
    pub fn open(settings: Settings, mut store: Store, now: Now) -> Result<App, String> {
        let docker = Docker::new(&settings, store.data_id(), store.secret());
        let begun = store.begin_packages(now.unix_ms);
        begun.map_err(|e| e.to_string())?;
        let mut feed = Feed::new(&settings, &store).map_err(|e| e.to_string())?;
        let (mut engine, mut commands) = (
            Engine::new(settings.guards_fetches()),
            EngineCommands::default(),
        );
        let mut out = Outbox::default();
        let mut cx = Context {
            store: &mut store,
            docker: &docker,
            engine: &mut engine,
            commands: &mut commands,
            feed: &mut feed,
            out: &mut out,
            now,
        };
        let scheduler = Scheduler::open(&settings, &mut cx).map_err(|e| e.to_string())?;
        store.commit().map_err(|e| e.to_string())?;
        let known = store.source_names().map_err(|e| e.to_string())?;
        let sources = settings.data.join("sources");
        incoming::remove_strays(&sources, &known)
            .map_err(|e| format!("{}: {e}", sources.display()))?;
        let retention = Retention::open(&settings, RetentionLimits::default());
        let retention = retention.map_err(|e| format!("{}: {e}", settings.data.display()))?;
        let mut app = App {
            retention,
            uploads: Uploads::new(&settings),
            rate_limits: RateLimits::new(&settings),
            warned: false,
            space: DiskSpace::new(settings.disk_floor_bytes),
            feed,
            views: Views::default(),
            settings,
            store,
            docker,
            engine,
            commands,
            scheduler,
            held: Vec::new(),
            out,
            started_unix_ms: now.unix_ms,
            now,
            stopping: false,
            stop_by_ms: u64::MAX,
            draining: false,
            broken: None,
            is_refused: false,
        };
        app.refresh_engine(now);
        Ok(app)
    }

    /// It ended because the engine there is may not run anything.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Slots in use.
    pub fn running(&self) -> usize {
        self.scheduler.running()
    }

    /// Work that waits for a slot.
    pub fn waiting(&self) -> u64 {
        self.scheduler.waiting()
    }

    /// The database failed in the middle: this turn must not be heard of, and is the last.
    pub(crate) fn break_down(&mut self, error: &rusqlite::Error) {
        self.broken = Some(cannot_write(error));
    }

    /// Nothing new is started any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    pub(crate) fn context(&mut self, now: Now) -> (&mut Scheduler, Context<'_>) {
        let context = Context {
            store: &mut self.store,
            docker: &self.docker,
            engine: &mut self.engine,
            commands: &mut self.commands,
            feed: &mut self.feed,
            out: &mut self.out,
            now,
        };
        (&mut self.scheduler, context)
    }

    // -- requests --

    fn request(&mut self, conn: Key, from: Option<IpAddr>, request: Request, now: Now) {
        let client = self.asker(from, &request.head);
        let call = match routes::read(&request, &self.settings) {
            Ok(call) => call,
            Err(response) => return self.out.respond(conn, response),
        };
        match call {
            Call::SubmitTree { .. } => {
                let begun = self.begin_upload(conn, client, &request.head, call, now);
                if let Err(response) = begun {
                    self.refuse_upload(conn, response, now);
                }
            }
            Call::SubmitPackage { .. } | Call::Rebuild { .. } => {
                self.submit(conn, client, call, now)
            }
            Call::Health | Call::TriggerBuild { .. } => {
                self.when_known(conn, Held::Call(call, String::new()), now);
            }
            Call::CancelBuild { .. } | Call::CheckBuilds | Call::AdminStatus => {
                let response = handlers::admin::answer(self, &call, now);
                self.out.respond(conn, response);
            }
            call @ (Call::ShowLog { .. }
            | Call::FollowCheck { .. }
            | Call::WatchEvents { .. }
            | Call::WatchLog { .. }) => {
                if let Err(response) = watch::watch(self, conn, &request.head, call) {
                    self.out.respond(conn, open_to_all(response));
                }
            }
            call => {
                let response = handlers::read(self, &call, now);
                if response.status == 200 && popularity::is_view(&request.head) {
                    handlers::count_view(self, &call);
                }
                let response = conditional::answer(&request.head, response);
                self.out.respond(conn, response);
            }
        }
    }

    /// Answers now where the engine's state is known well enough, else once it is.
    fn when_known(&mut self, conn: Key, held: Held, now: Now) {
        if self.engine.known(now.mono_ms).is_some() {
            return self.answer_held(conn, held, now);
        }
        if self.held.len() >= HELD_LIMIT {
            let sentence = "too many requests wait for the engine to answer";
            let later = Response::later(503, sentence, ENGINE_FRESH_MS);
            return self.out.respond(conn, later);
        }
        self.held.push((conn, held));
        self.refresh_engine(now);
    }

    fn answer_held(&mut self, conn: Key, held: Held, now: Now) {
        let response = match held {
            Held::Call(
                Call::SubmitPackage {
                    package,
                    zig_versions,
                },
                tenant,
            ) => handlers::submit_package(self, package, zig_versions, &tenant, now),
            Held::Call(Call::Rebuild { name }, tenant) => {
                handlers::rebuild(self, &name, &tenant, now)
            }
            Held::Call(Call::TriggerBuild { package }, _) => {
                handlers::admin::trigger(self, &package, now)
            }
            Held::Call(..) => handlers::health(self, now),
            Held::Tree(tree) => match handlers::submit_tree(self, conn, tree, now) {
                Some(response) => response,
                None => return,
            },
        };
        self.out.respond(conn, response);
    }

    // -- the disk --

    fn refuse_upload(&mut self, conn: Key, response: Response, now: Now) {
        if response.status == 507 {
            self.space.failed(now.mono_ms);
        }
        self.out.respond(conn, response);
    }

    /// Where there is no room, uploads under way give back what they hold: none of them could be kept.
    fn heed_disk(&mut self, now: Now) {
        if self.feed.logs.take_full() {
            self.space.failed(now.mono_ms);
        }
        if let Some(response) = self.space.refusal() {
            for conn in self.uploads.give_up() {
                self.out.respond(conn, response.clone());
            }
        }
    }

    // -- jobs --

    fn job(&mut self, job: JobId, event: &Event, now: Now) -> store::Result<()> {
        if self.commands.owns(job) {
            let answer = match event {
                Event::Output { pipe, bytes, .. } => {
                    self.commands.output(job, *pipe, bytes, now.mono_ms);
                    None
                }
                Event::Eof { pipe, .. } => self.commands.eof(job, *pipe),
                Event::Exited { exit, .. } => self.commands.exited(job, exit.clone(), now.mono_ms),
                _ => None,
            };
            if let Some((purpose, answer)) = answer {
                self.command_answered(purpose, answer, now);
            }
            return Ok(());
        }
        if self.stopping {
            // The next run hears of it from the engine.
            return Ok(());
        }
        let (scheduler, mut cx) = self.context(now);
        match event {
            Event::Output { pipe, bytes, .. } => scheduler.output(job, *pipe, bytes, &mut cx),
            Event::Eof { pipe, .. } => scheduler.eof(job, *pipe, &mut cx),
            Event::Exited { exit, .. } => scheduler.exited(job, exit.clone(), &mut cx),
            _ => Ok(()),
        }
    }

    fn time(&mut self, now: Now) -> store::Result<()> {
        for (purpose, answer) in self.commands.time(&mut self.out, now.mono_ms) {
            self.command_answered(purpose, answer, now);
        }
        if !self.stopping && self.engine.take_due_cleanup(now.mono_ms) {
            self.refresh_engine(now);
        }
        if !self.stopping {
            self.space.time(now.mono_ms);
            let has_space = !self.space.is_low();
            if has_space {
                self.refresh_for_rechecks(now);
            }
            let (scheduler, mut cx) = self.context(now);
            scheduler.time(has_space, &mut cx)?;
        }
        match self.uploads.step() {
            None => {}
            Some((conn, Ok(tree))) => self.when_known(conn, Held::Tree(tree), now),
            Some((conn, Err(response))) => self.out.respond(conn, response),
        }
        Ok(())
    }

    /// Lets go of what is past, a bounded piece of it.
    fn tidy_up(&mut self, now: Now) -> store::Result<()> {
        self.retention.delete_expired(&mut self.store, now)
    }

    /// What was looked at goes to the disk with what goes there anyway.
    fn write_views(&mut self) -> store::Result<()> {
        if !self.store.is_writing() {
            return Ok(());
        }
        let views = self.views.take(VIEWS_WRITTEN_LIMIT);
        self.store.add_views(&views)
    }

    /// What runs goes on in its containers, and the next run of the server finds it there. Errands
    /// to the engine get a moment to end.
    fn stop(&mut self, now: Now) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.stop_by_ms = now.mono_ms + STOP_LIMIT_MS;
        }
    }
}

fn cannot_write(error: &rusqlite::Error) -> String {
    format!("the database cannot be written: {error}")
}

impl Core for App {
    /// What comes through a proxy is nobody's alone.
    fn counted(&self, from: Option<IpAddr>) -> Option<ClientAddr> {
        match self.settings.trusted_proxies.trust(from) {
            true => None,
            false => from.and_then(ClientAddr::of),
        }
    }

    fn admit(&self, from: Option<IpAddr>, head: &Head, now: Now) -> Admission {
        let admission = routes::admit(head, &self.settings);
        self.at_the_door(from, head, admission, now)
    }

    fn handle(&mut self, event: Event<'_>, now: Now) {
        if self.broken.is_some() {
            return;
        }
        self.now = now;
        let done = match event {
            Event::Request {
                conn,
                from,
                request,
            } => {
                self.request(conn, from, request, now);
                Ok(())
            }
            Event::Body { conn, bytes } => {
                if let Err(response) = self.take_piece(conn, bytes, now) {
                    self.refuse_upload(conn, response, now);
                }
                self.space.spend(bytes.len() as u64, now.mono_ms);
                Ok(())
            }
            Event::BodyEnd { conn } => {
                if let Err(response) = self.uploads.end(conn) {
                    self.refuse_upload(conn, response, now);
                }
                Ok(())
            }
            Event::Aborted { conn } => {
                self.uploads.gone(conn);
                self.feed.gone(conn);
                self.held.retain(|(held, _)| *held != conn);
                Ok(())
            }
            Event::Output { job, .. } | Event::Eof { job, .. } | Event::Exited { job, .. } => {
                self.job(job, &event, now)
            }
            Event::DiskUsage(room) => {
                self.space.update(room, now.mono_ms);
                let may_all = self.running() == 0;
                self.retention
                    .want_room(self.space.shortage_bytes(), may_all);
                Ok(())
            }
            Event::Time => self.time(now).and_then(|()| self.tidy_up(now)),
            Event::Stop => {
                self.stop(now);
                Ok(())
            }
            Event::Drain => {
                self.draining = true;
                Ok(())
            }
        };
        self.heed_disk(now);
        let done = done.and_then(|()| self.start_ready(now));
        if self.store.take_ended() {
            self.retention.wake();
        }
        if let Err(error) = done {
            self.break_down(&error);
        }
    }

    fn next_action(&mut self) -> Option<Action> {
        self.out.take()
    }

    fn commit(&mut self, _now: Now) -> Result<(), String> {
        match &self.broken {
            Some(why) => Err(why.clone()),
            None => {
                let written = self.write_views().and_then(|()| self.store.commit());
                written.map_err(|error| cannot_write(&error))?;
                self.scheduler.turn_ends();
                self.retention.committed(&self.store);
                Ok(())
            }
        }
    }

    fn deadline(&self) -> Option<u64> {
        // At once: uploads to look through, and what was asked for before the first event.
        if self.uploads.has_work() || !self.out.is_empty() {
            return Some(0);
        }
        if self.stopping {
            return Some(self.stop_by_ms);
        }
        let retry = match self.wants_engine(self.now) {
            true => self.engine.retry_ms(),
            false => None,
        };
        let may_start = self.engine.is_ready() && !self.draining && !self.space.is_low();
        let look = match self.wants_engine(self.now) {
            true => self.space.next_check_ms(),
            false => None,
        };
        [
            self.scheduler.deadline_ms(may_start, &self.store, self.now),
            self.retention.deadline_ms(),
            self.commands.deadline_ms(),
            self.engine.cleanup_ms(),
            retry,
            look,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn pull(&mut self, conn: Key, room: usize, out: &mut Vec<u8>) -> Pull {
        let position = |build: i64| {
            let row = self.store.build(build).ok().flatten()?;
            let unix_ms = self.now.unix_ms;
            self.scheduler.position(&self.store, &row, unix_ms).ok()?
        };
        self.feed.pull(conn, &self.store, &position, room, out)
    }

    fn stopped(&self) -> bool {
        let idle = self.draining && self.running() == 0;
        let over = self.now.mono_ms >= self.stop_by_ms;
        over || ((self.stopping || idle) && self.commands.is_empty())
    }

    fn load(&self) -> Load {
        Load {
            running: self.running(),
            waiting: self.waiting() as usize,
        }
    }
}
