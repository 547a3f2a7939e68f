//! The server's state: events go in, actions come out.
//!
//! Nothing here touches a socket, a clock or a process. What a turn changes is in the database's
//! open transaction until `commit`, and the shell performs no action before that.

use crate::api::{self, Call};
use crate::build::State;
use crate::calls::{self, open_to_all};
use crate::conditional;
use crate::config::{HELD_LIMIT, Settings, VIEWS_WRITTEN_LIMIT};
use crate::docker::Docker;
use crate::engine::{Answer, Ask, Engine};
use crate::errand::Errands;
use crate::event::{Action, Core, Event, JobId, Now, Pull, Standing};
use crate::feed::Feed;
use crate::history::{History, Keep};
use crate::message::{Admission, Head, Request, Response};
use crate::outbox::Outbox;
use crate::popularity::{self, Views};
use crate::slab::Key;
use crate::source;
use crate::store::{self, Store};
use crate::upload::{Tree, Uploads};
use crate::watch;
use crate::work::{Context, Works};

/// A request that waits for the engine's answer.
#[derive(Debug)]
enum Held {
    Call(Call),
    Tree(Tree),
}

pub struct App {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    docker: Docker,
    pub(crate) engine: Engine,
    errands: Errands,
    pub(crate) works: Works,
    uploads: Uploads,
    pub(crate) feed: Feed,
    pub(crate) views: Views,
    history: History,
    held: Vec<(Key, Held)>,
    pub(crate) out: Outbox,
    pub(crate) started_unix_ms: i64,
    stopping: bool,
    /// Nothing new is started, and the end comes once nothing runs.
    draining: bool,
    /// The database failed in the middle of a turn: the turn must not be heard of.
    broken: Option<String>,
}

impl App {
    /// A server on that database, with the work an earlier run left back in the queue. The data
    /// directory and its `logs` and `sources` must exist.
    pub fn open(settings: Settings, mut store: Store, now: Now) -> Result<App, String> {
        let docker = Docker::new(&settings, store.data_id());
        let begun = store.begin_packages(now.unix_ms);
        begun.map_err(|e| e.to_string())?;
        let mut feed = Feed::new(&settings, &store).map_err(|e| e.to_string())?;
        let works = recover(&settings, &mut store, &mut feed, now).map_err(|e| e.to_string())?;
        let known = store.source_names().map_err(|e| e.to_string())?;
        let sources = settings.data.join("sources");
        source::sweep(&sources, &known).map_err(|e| format!("{}: {e}", sources.display()))?;
        let history = History::open(&settings, Keep::default());
        let history = history.map_err(|e| format!("{}: {e}", settings.data.display()))?;
        let mut app = App {
            history,
            uploads: Uploads::new(&settings),
            feed,
            views: Views::default(),
            settings,
            store,
            docker,
            engine: Engine::new(),
            errands: Errands::default(),
            works,
            held: Vec::new(),
            out: Outbox::default(),
            started_unix_ms: now.unix_ms,
            stopping: false,
            draining: false,
            broken: None,
        };
        app.wake_engine(now);
        Ok(app)
    }

    /// Slots in use.
    pub fn running(&self) -> usize {
        self.works.running()
    }

    /// Work that waits for a slot.
    pub fn waiting(&self) -> usize {
        self.works.waiting()
    }

    /// The database failed in the middle: this turn must not be heard of, and is the last.
    pub(crate) fn break_down(&mut self, why: String) {
        self.broken = Some(why);
    }

    /// Ends a build that is not finished; whether there was anything to end.
    pub(crate) fn cancel(&mut self, _build: i64, _now: Now) -> store::Result<bool> {
        // Nothing can be ended yet.
        Ok(false)
    }

    /// Nothing new is started any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    fn context(&mut self, now: Now) -> (&mut Works, Context<'_>) {
        let context = Context {
            store: &mut self.store,
            docker: &self.docker,
            engine: &mut self.engine,
            errands: &mut self.errands,
            feed: &mut self.feed,
            out: &mut self.out,
            now,
        };
        (&mut self.works, context)
    }

    // -- requests --

    fn request(&mut self, conn: Key, request: Request, now: Now) {
        let call = match api::read(&request, &self.settings) {
            Ok(call) => call,
            Err(response) => return self.out.respond(conn, response),
        };
        match call {
            Call::SubmitTree {
                name,
                zig_versions,
                follow,
            } => {
                if let Err(response) = self.uploads.begin(conn, name, zig_versions, follow) {
                    self.out.respond(conn, response);
                }
            }
            Call::Health
            | Call::SubmitPackage { .. }
            | Call::Rebuild { .. }
            | Call::TriggerBuild { .. } => self.when_known(conn, Held::Call(call), now),
            Call::CancelBuild { .. } | Call::CheckBuilds | Call::AdminStatus => {
                let response = calls::admin::answer(self, &call, now);
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
                let response = calls::read(self, &call, now);
                if response.status == 200 && popularity::is_view(&request.head) {
                    calls::seen(self, &call);
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
            return self.out.respond(conn, Response::error(503, sentence));
        }
        self.held.push((conn, held));
        self.wake_engine(now);
    }

    fn answer_held(&mut self, conn: Key, held: Held, now: Now) {
        let response = match held {
            Held::Call(Call::SubmitPackage {
                package,
                zig_versions,
            }) => calls::submit_package(self, package, zig_versions, now),
            Held::Call(Call::Rebuild { name }) => calls::rebuild(self, &name, now),
            Held::Call(Call::TriggerBuild { package }) => {
                calls::admin::trigger(self, &package, now)
            }
            Held::Call(_) => calls::health(self, now),
            Held::Tree(tree) => match calls::submit_tree(self, conn, tree, now) {
                Some(response) => response,
                None => return,
            },
        };
        self.out.respond(conn, response);
    }

    // -- the engine --

    fn wake_engine(&mut self, now: Now) {
        let ask = self.engine.wake();
        self.ask_engine(ask, now);
    }

    fn ask_engine(&mut self, ask: Option<Ask>, now: Now) {
        let Some(ask) = ask else { return };
        let command = match ask {
            Ask::Images => self.docker.list_images(),
            Ask::Containers => self.docker.list_containers(),
            Ask::Remove(mut names) => {
                let known = self.works.containers();
                names.retain(|name| !known.contains(name));
                if names.is_empty() {
                    return self.engine_answered(Ok(String::new()), now);
                }
                self.docker.remove(&names)
            }
        };
        self.errands
            .start(command, true, &mut self.out, now.mono_ms);
    }

    fn engine_answered(&mut self, answer: Answer, now: Now) {
        let ask = self.engine.answer(answer, now.mono_ms);
        self.ask_engine(ask, now);
        if self.engine.is_asking() {
            return;
        }
        self.say_engine();
        for (conn, held) in std::mem::take(&mut self.held) {
            self.answer_held(conn, held, now);
        }
    }

    fn say_engine(&self) {
        if let Err(why) = self.engine.latest() {
            log::warn!("the engine is unavailable: {why}");
            return;
        }
        for version in self.engine.missing(&self.settings.zig_versions) {
            log::warn!("image zigcheck:{version} is missing: make docker-build");
        }
    }

    // -- jobs --

    fn job(&mut self, job: JobId, event: &Event, now: Now) -> store::Result<()> {
        if self.errands.owns(job) {
            let answer = match event {
                Event::Output { pipe, bytes, .. } => {
                    self.errands.output(job, *pipe, bytes, now.mono_ms);
                    None
                }
                Event::Eof { pipe, .. } => self.errands.eof(job, *pipe),
                Event::Exited { exit, .. } => self.errands.exited(job, exit.clone(), now.mono_ms),
                _ => None,
            };
            if let Some(answer) = answer {
                self.engine_answered(answer, now);
            }
            return Ok(());
        }
        if self.stopping {
            // Its container was just removed, which is no verdict on it.
            return Ok(());
        }
        let (works, mut cx) = self.context(now);
        match event {
            Event::Output { pipe, bytes, .. } => works.output(job, *pipe, bytes, &mut cx),
            Event::Eof { pipe, .. } => works.eof(job, *pipe, &mut cx),
            Event::Exited { exit, .. } => works.exited(job, exit.clone(), &mut cx),
            _ => Ok(()),
        }
    }

    fn time(&mut self, now: Now) -> store::Result<()> {
        for answer in self.errands.time(&mut self.out, now.mono_ms) {
            self.engine_answered(answer, now);
        }
        if !self.stopping {
            let (works, mut cx) = self.context(now);
            works.time(&mut cx)?;
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
        self.history.sweep(&mut self.store, now)
    }

    /// Gives free slots to waiting work, or finds out whether there is an engine to run it.
    fn start_ready(&mut self, now: Now) -> store::Result<()> {
        if self.stopping || self.draining || self.works.waiting() == 0 {
            return Ok(());
        }
        if self.engine.is_ready() {
            let (works, mut cx) = self.context(now);
            works.start_ready(&mut cx)?;
        } else if self.engine.retry_ms().is_some_and(|at| at <= now.mono_ms) {
            self.wake_engine(now);
        }
        Ok(())
    }

    /// What was looked at goes to the disk with what goes there anyway.
    fn write_views(&mut self) -> store::Result<()> {
        if !self.store.is_writing() {
            return Ok(());
        }
        let views = self.views.take(VIEWS_WRITTEN_LIMIT);
        self.store.add_views(&views)
    }

    /// Containers under way are removed; their rows say that they are to be built again.
    fn stop(&mut self, now: Now) {
        let containers = self.works.containers();
        if !self.stopping && !containers.is_empty() {
            let remove = self.docker.remove(&containers);
            self.errands
                .start(remove, false, &mut self.out, now.mono_ms);
        }
        self.stopping = true;
    }
}

impl Core for App {
    fn admit(&self, head: &Head) -> Admission {
        match api::admit(head, &self.settings) {
            // Before the tree is sent, not after.
            Admission::Spool { .. } if self.uploads.is_full() => Admission::Refuse(Uploads::busy()),
            admission => admission,
        }
    }

    fn handle(&mut self, event: Event<'_>, now: Now) {
        if self.broken.is_some() {
            return;
        }
        let done = match event {
            Event::Request { conn, request } => {
                self.request(conn, request, now);
                Ok(())
            }
            Event::Body { conn, bytes } => {
                if let Err(response) = self.uploads.body(conn, bytes) {
                    self.out.respond(conn, response);
                }
                Ok(())
            }
            Event::BodyEnd { conn } => {
                if let Err(response) = self.uploads.end(conn) {
                    self.out.respond(conn, response);
                }
                Ok(())
            }
            Event::Gone { conn } => {
                self.uploads.gone(conn);
                self.feed.gone(conn);
                self.held.retain(|(held, _)| *held != conn);
                Ok(())
            }
            Event::Output { job, .. } | Event::Eof { job, .. } | Event::Exited { job, .. } => {
                self.job(job, &event, now)
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
        let done = done.and_then(|()| self.start_ready(now));
        if self.store.take_ended() {
            self.history.wake();
        }
        if let Err(error) = done {
            self.break_down(error.to_string());
        }
    }

    fn next_action(&mut self) -> Option<Action> {
        self.out.take()
    }

    fn commit(&mut self, _now: Now) -> Result<(), String> {
        match &self.broken {
            Some(error) => Err(error.clone()),
            None => {
                let written = self.write_views().and_then(|()| self.store.commit());
                written.map_err(|e| e.to_string())?;
                self.history.committed(&self.store);
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
            return self.errands.deadline_ms();
        }
        let retry = match self.works.waiting() {
            0 => None,
            _ => self.engine.retry_ms(),
        };
        [
            self.works.deadline_ms(self.engine.is_ready()),
            self.history.deadline_ms(),
            self.errands.deadline_ms(),
            retry,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn pull(&mut self, conn: Key, room: usize, out: &mut Vec<u8>) -> Pull {
        let position = |build: i64| self.works.position(build);
        self.feed.pull(conn, &self.store, &position, room, out)
    }

    fn stopped(&self) -> bool {
        let idle = self.draining && self.running() == 0;
        (self.stopping || idle) && self.errands.is_empty()
    }

    fn standing(&self) -> Standing {
        Standing {
            running: self.running(),
            waiting: self.waiting(),
        }
    }
}

/// The work an earlier run left: what it was running goes back to the queue as a new attempt.
fn recover(
    settings: &Settings,
    store: &mut Store,
    feed: &mut Feed,
    now: Now,
) -> store::Result<Works> {
    let mut works = Works::new(settings);
    for check in store.open_checks()? {
        let mut open = Vec::new();
        let mut check = check;
        let mut cut_off = false;
        for mut build in store.builds_of(check.id)? {
            if build.state.is_final() {
                continue;
            }
            let was_running = build.state != State::Queued;
            cut_off |= was_running;
            if was_running {
                (build.state, build.attempt) = (State::Queued, build.attempt + 1);
                store.set_state(build.id, build.state, build.attempt)?;
                feed.logs.resume(build.id, build.attempt);
                // Nobody is awake yet.
                feed.changed(store, &build, now.unix_ms, &mut Outbox::default())?;
            }
            open.push((build.id, build.zig_version, build.attempt));
        }
        if cut_off && check.source.is_none() {
            check.attempt += 1;
            store.set_check_attempt(check.id, check.attempt)?;
        }
        works.add(check, open);
    }
    store.commit()?;
    Ok(works)
}
