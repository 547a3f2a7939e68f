//! The core of the notifier: it follows the events of the server, and does one task of each receiver at a time.
//!
//! ```text
//!   stream of events ──> tasks, and the position, in one commit ──> the next task of each receiver that is free
//!                                                                    │
//!             ended, or tried again later, or at its next stage <────┘ answer
//! ```
//!
//! All of it is in the database; in memory there is only what runs.

use std::collections::BTreeMap;

use crate::interface::event::{Action, Event, Exit, JobId, Now, Pipe, Worker};
use crate::interface::outbox::Outbox;
use crate::notify::config::Config;
use crate::notify::follow::{self, Stream};
use crate::notify::issue;
use crate::notify::limits::{
    CALL_LIMIT_S, DELETED_LIMIT_ROWS, ERRORS_LIMIT_BYTES, FOLLOW_SILENCE_LIMIT_S, GRACE_MS,
    KEPT_LIMIT_ROWS, KEPT_MS, MAIL_LIMIT_MS, OUTPUT_LIMIT_BYTES, RETRY_AFTER_LIMIT_S,
    RUNNING_LIMIT, WAITING_LIMIT,
};
use crate::notify::lookup::{self, Owners};
use crate::notify::news::{Message, News};
use crate::notify::outcome::{Next, Outcome, next_try};
use crate::notify::store::{End, Kind, Result, Store, Task};
use crate::notify::task::{self, Sent, Taken};
use crate::shell::curl;

/// Above the number of any event: the server answers with its newest one.
const NEWEST: u64 = 1 << 52;

pub struct Notifier {
    config: Config,
    store: Store,
    owners: Owners,
    outbox: Outbox,
    stream: Following,
    running: BTreeMap<JobId, Running>,
    /// Receivers that asked to be left alone, and until when.
    paused: BTreeMap<String, i64>,
    /// The receiver that was sent something last, beside the server.
    last_receiver: String,
    /// Something has changed that may let a task start.
    is_changed: bool,
    /// When the next task is due that waits for nothing else, in `mono_ms`.
    next_due_ms: Option<u64>,
    stopped: bool,
    /// The error of the database that ends the program.
    failure: Option<String>,
}

/// The stream of events.
#[derive(Default)]
struct Following {
    job: Option<JobId>,
    stream: Stream,
    errors: Vec<u8>,
    /// It has brought something.
    is_alive: bool,
    /// Streams in a row that brought nothing.
    failures: u32,
    /// The next one begins then.
    at_ms: u64,
    /// It ended because too much waits.
    is_paused: bool,
}

/// A task that is being sent.
struct Running {
    task: Task,
    is_mail: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The pipes that have ended.
    ends: u8,
    exit: Option<Exit>,
    until_ms: u64,
}

impl Notifier {
    pub fn new(config: Config, store: Store) -> Notifier {
        Notifier {
            config,
            store,
            owners: Owners::default(),
            outbox: Outbox::default(),
            stream: Following::default(),
            running: BTreeMap::new(),
            paused: BTreeMap::new(),
            last_receiver: String::new(),
            is_changed: true,
            next_due_ms: None,
            stopped: false,
            failure: None,
        }
    }

    fn on_event(&mut self, event: Event, now: Now) -> Result<()> {
        match event {
            Event::Output { job, pipe, bytes } if self.stream.job == Some(job) => {
                self.on_stream(pipe, bytes, now)?;
            }
            Event::Exited { job, exit } if self.stream.job == Some(job) => {
                self.on_stream_end(&exit, now);
            }
            Event::Output { job, pipe, bytes } => self.on_output(job, pipe, bytes),
            Event::Eof { job, .. } => {
                if let Some(running) = self.running.get_mut(&job) {
                    running.ends += 1;
                    self.finish(job, now)?;
                }
            }
            Event::Exited { job, exit } => {
                if let Some(running) = self.running.get_mut(&job) {
                    running.exit = Some(exit);
                    self.finish(job, now)?;
                }
            }
            Event::Time => {
                self.is_changed = true;
                self.end_overdue(now)?;
            }
            Event::Stop => self.stopped = true,
            // Those of a core with clients.
            Event::Request { .. }
            | Event::Body { .. }
            | Event::BodyEnd { .. }
            | Event::Aborted { .. }
            | Event::DiskUsage(_)
            | Event::Drain => {}
        }
        self.start(now)
    }

    // ---- the stream of events ----

    /// When the next stream begins; none while there is one, and while too much waits.
    fn next_stream_ms(&self) -> Option<u64> {
        let is_full = self.stream.is_paused && self.store.waiting() >= WAITING_LIMIT / 2;
        let may_begin = self.stream.job.is_none() && !is_full;
        may_begin.then_some(self.stream.at_ms)
    }

    fn follow(&mut self, now: Now) -> Result<()> {
        if self.next_stream_ms().is_none_or(|at| at > now.mono_ms) {
            return Ok(());
        }
        let position = self.store.position()?;
        let from = position.unwrap_or(NEWEST);
        let headers = [
            ("Accept", "text/event-stream".to_string()),
            ("Last-Event-ID", from.to_string()),
        ];
        let url = format!("{}/api/events", self.config.server);
        let command = curl::stream(&url, &headers, FOLLOW_SILENCE_LIMIT_S);
        self.stream.stream = Stream::default();
        self.stream.errors.clear();
        self.stream.is_paused = false;
        self.stream.is_alive = false;
        self.stream.job = Some(self.outbox.spawn(command));
        Ok(())
    }

    fn on_stream(&mut self, pipe: Pipe, bytes: &[u8], now: Now) -> Result<()> {
        if pipe == Pipe::Stderr {
            keep(&mut self.stream.errors, bytes, ERRORS_LIMIT_BYTES);
            return Ok(());
        }
        if !std::mem::replace(&mut self.stream.is_alive, true) {
            log::info!("{}: its events are followed", self.config.server);
            // The server answers: what waits for it need not wait longer.
            self.store
                .wake(&self.config.server_receiver(), now.unix_ms)?;
            self.is_changed = true;
        }
        self.stream.failures = 0;
        // A stream that ends at once shall not begin anew at once.
        self.stream.at_ms = now.mono_ms + follow::pause_ms(0);
        match self.stream.stream.read(bytes) {
            Ok(messages) => {
                for message in messages {
                    self.on_message(&message, now)?;
                }
            }
            Err(why) => {
                log::warn!("{}: {why}", self.config.server);
                self.end_stream();
            }
        }
        if self.store.waiting() >= WAITING_LIMIT {
            log::warn!(
                "{} tasks wait: no event is taken until half of them are done",
                self.store.waiting()
            );
            self.stream.is_paused = true;
            self.end_stream();
        }
        Ok(())
    }

    /// Ends the stream: what it brings from now on is not read, and comes again with the next one.
    fn end_stream(&mut self) {
        if let Some(job) = self.stream.job.take() {
            self.outbox.push(Action::Kill { job });
        }
    }

    fn on_stream_end(&mut self, exit: &Exit, now: Now) {
        self.stream.job = None;
        let pause = follow::pause_ms(self.stream.failures);
        self.stream.failures += 1;
        self.stream.at_ms = now.mono_ms + pause;
        let said = String::from_utf8_lossy(&self.stream.errors);
        let why = match exit {
            Exit::NotStarted(why) => why,
            Exit::Code(_) | Exit::Signal(_) => said.trim(),
        };
        log::warn!(
            "{}: the stream of events has ended, the next one begins in {} s: {why}",
            self.config.server,
            pause / 1_000
        );
    }

    fn on_message(&mut self, message: &follow::Message, now: Now) -> Result<()> {
        match Message::read(&message.data) {
            Message::News(news) => {
                if news.is_reported() && self.config.may_ask(&news.package) {
                    self.on_news(&news, &message.data, now)?;
                }
            }
            Message::Reset => {
                if self.store.position()?.is_some() {
                    log::warn!(
                        "{}: events are gone that were never seen",
                        self.config.server
                    );
                }
            }
            Message::Other => {}
        }
        if let Some(id) = message.id {
            self.store.set_position(id)?;
        }
        let before = now.unix_ms - KEPT_MS;
        self.store
            .delete_old(before, KEPT_LIMIT_ROWS, DELETED_LIMIT_ROWS)?;
        self.is_changed = true;
        Ok(())
    }

    fn on_news(&mut self, news: &News, data: &str, now: Now) -> Result<()> {
        match lookup::task(&self.config, data, (news.seq, &news.at)) {
            Some(task) => self.store.add(&task, now.unix_ms),
            None => Ok(()),
        }
    }

    // ---- tasks ----

    /// Starts the stream, and the task of each free receiver that is due.
    fn start(&mut self, now: Now) -> Result<()> {
        self.follow(now)?;
        if !std::mem::take(&mut self.is_changed) {
            return Ok(());
        }
        self.next_due_ms = None;
        self.paused.retain(|_, until| *until > now.unix_ms);
        let server = self.config.server_receiver();
        let mut receivers = self.store.receivers()?;
        // Behind the one that came last: none waits because of its name.
        let behind = receivers.partition_point(|name| *name <= self.last_receiver);
        receivers.rotate_left(behind);
        for receiver in receivers {
            // Whatever ends makes space for the next, and for this question. The server is asked at once.
            if receiver != server && self.running_to_others(&server) >= RUNNING_LIMIT {
                continue;
            }
            if self
                .running
                .values()
                .any(|one| one.task.receiver == receiver)
            {
                continue;
            }
            while let Some(task) = self.store.next_for(&receiver)? {
                let paused = self.paused.get(&receiver).copied().unwrap_or(0);
                let due = task.due.max(paused);
                if due > now.unix_ms {
                    let due_ms = now.mono_ms + (due - now.unix_ms) as u64;
                    self.next_due_ms = Some(self.next_due_ms.map_or(due_ms, |at| at.min(due_ms)));
                    break;
                }
                if self.send(task, now)? {
                    break;
                }
            }
        }
        Ok(())
    }

    fn running_to_others(&self, server: &str) -> usize {
        let others = self
            .running
            .values()
            .filter(|one| one.task.receiver != server);
        others.count()
    }

    /// Sends a task. False where there is nothing to send: it has ended.
    fn send(&mut self, task: Task, now: Now) -> Result<bool> {
        let sent = match task::send(&self.config, &task) {
            Ok(sent) => sent,
            Err(why) => {
                log::warn!("{}: {why}", task.key);
                self.store.end(task.id, End::Failed, now.unix_ms)?;
                return Ok(false);
            }
        };
        if let Some(stage) =
            issue::stage_without_answer(&task.stage).filter(|_| task.kind == Kind::Issue)
        {
            self.store.set_stage(task.id, stage)?;
        }
        let (command, limit_ms, is_mail) = match sent {
            Sent::Call(call) => (curl::command(&call), CALL_LIMIT_S * 1_000 + GRACE_MS, false),
            Sent::Mail(command) => (command, MAIL_LIMIT_MS, true),
        };
        let job = self.outbox.spawn(command);
        if task.receiver != self.config.server_receiver() {
            self.last_receiver = task.receiver.clone();
        }
        let running = Running {
            task,
            is_mail,
            stdout: Vec::new(),
            stderr: Vec::new(),
            ends: 0,
            exit: None,
            until_ms: now.mono_ms + limit_ms,
        };
        self.running.insert(job, running);
        Ok(true)
    }

    /// Ends what takes too long.
    fn end_overdue(&mut self, now: Now) -> Result<()> {
        let is_overdue = |(_, running): &(&JobId, &Running)| running.until_ms <= now.mono_ms;
        let overdue = self.running.iter().filter(is_overdue);
        let overdue: Vec<JobId> = overdue.map(|(job, _)| *job).collect();
        for job in overdue {
            self.outbox.push(Action::Kill { job });
            if let Some(running) = self.running.get_mut(&job) {
                running.until_ms = now.mono_ms + GRACE_MS;
                if running.exit.is_some() {
                    // The kill closes its pipes, and no more is heard of it.
                    running.ends = 2;
                }
            }
            self.finish(job, now)?;
        }
        Ok(())
    }

    fn on_output(&mut self, job: JobId, pipe: Pipe, bytes: &[u8]) {
        if let Some(running) = self.running.get_mut(&job) {
            match pipe {
                Pipe::Stdout => keep(&mut running.stdout, bytes, OUTPUT_LIMIT_BYTES),
                Pipe::Stderr => keep(&mut running.stderr, bytes, ERRORS_LIMIT_BYTES),
            }
        }
    }

    /// Takes the answer of a task whose child is over.
    fn finish(&mut self, job: JobId, now: Now) -> Result<()> {
        let is_over = |running: &Running| match &running.exit {
            None => false,
            Some(Exit::NotStarted(_)) => true,
            // What sendmail leaves behind may hold its pipes for long.
            Some(Exit::Code(_) | Exit::Signal(_)) => running.is_mail || running.ends == 2,
        };
        if !self.running.get(&job).is_some_and(is_over) {
            return Ok(());
        }
        let Some(running) = self.running.remove(&job) else {
            return Ok(());
        };
        self.is_changed = true;
        let (task, exit) = (running.task, running.exit.unwrap_or(Exit::Signal(0)));
        let taken = match running.is_mail {
            true => {
                self.outbox.push(Action::Kill { job });
                Taken::Mail(exit, String::from_utf8_lossy(&running.stderr).into_owned())
            }
            false => Taken::Call(curl::reply(&exit, &running.stdout, &running.stderr, now)),
        };
        let outcome = task::answered(&self.config, &mut self.owners, &task, taken, now.mono_ms);
        self.settle(&task, outcome, now)
    }

    fn settle(&mut self, task: &Task, outcome: Outcome, now: Now) -> Result<()> {
        match outcome {
            Outcome::Done(tasks) => {
                self.store.end(task.id, End::Done, now.unix_ms)?;
                if !matches!(task.kind, Kind::Event | Kind::Owner) {
                    log::info!("{} is done", task.key);
                }
                for task in &tasks {
                    self.store.add(task, now.unix_ms)?;
                }
            }
            Outcome::Next(Next {
                stage,
                receiver,
                data,
            }) => {
                let next = (stage, &receiver[..], &data[..]);
                self.store.advance(task.id, next, now.unix_ms)?;
            }
            Outcome::Failed(why) => {
                log::error!("{}: {}: given up: {why}", task.key, task.receiver);
                self.store.end(task.id, End::Failed, now.unix_ms)?;
            }
            Outcome::Retry { after_s, why } => self.retry(task, after_s, &why, now)?,
        }
        Ok(())
    }

    fn retry(&mut self, task: &Task, after_s: Option<u64>, why: &str, now: Now) -> Result<()> {
        let attempts = task.attempts + 1;
        let times = (task.created_at, now.unix_ms);
        let due = next_try(attempts, after_s, self.config.first_pause_ms, times);
        let Some(due) = due else {
            log::error!(
                "{}: {}: given up after {attempts} tries: {why}",
                task.key,
                task.receiver
            );
            return self.store.end(task.id, End::Failed, now.unix_ms);
        };
        let pause_s = (due - now.unix_ms) / 1_000;
        log::warn!(
            "{}: {}: tried again in {pause_s} s: {why}",
            task.key,
            task.receiver
        );
        if let Some(after_s) = after_s {
            let after_ms = after_s.min(RETRY_AFTER_LIMIT_S) as i64 * 1_000;
            self.paused
                .insert(task.receiver.clone(), now.unix_ms + after_ms);
        }
        self.store.retry(task.id, attempts, due)
    }
}

/// Keeps the first bytes of what a child writes.
fn keep(kept: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let space = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(space)]);
}

impl Worker for Notifier {
    fn handle(&mut self, event: Event<'_>, now: Now) {
        if self.failure.is_none()
            && let Err(error) = self.on_event(event, now)
        {
            self.failure = Some(error.to_string());
        }
    }

    fn next_action(&mut self) -> Option<Action> {
        self.outbox.take()
    }

    fn commit(&mut self, _now: Now) -> std::result::Result<(), String> {
        let result = match self.failure.take() {
            Some(error) => Err(error),
            None => self.store.commit().map_err(|error| error.to_string()),
        };
        result.map_err(|error| format!("the database: {error}"))
    }

    fn deadline(&self) -> Option<u64> {
        let running = self.running.values().map(|running| running.until_ms);
        running
            .chain(self.next_stream_ms())
            .chain(self.next_due_ms)
            .min()
    }

    fn stopped(&self) -> bool {
        self.stopped
    }
}
