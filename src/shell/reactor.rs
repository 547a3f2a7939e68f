//! The reactor: each turn waits, dispatches what happened to the core, commits once, then acts, writes and frees.
//!
//! ```text
//!   wait --> dispatch: disk, deferred, timeouts, accepts, clients, children, signals, deadline
//!    ^          |
//!    |          v
//!    |       commit --- fails: answer 503 to the requests of this turn, end the program
//!    |          |
//!    |          v
//!    +------ perform actions --> write to clients --> remove what is over
//! ```

use std::io::ErrorKind;
use std::mem;
use std::time::Duration;

use mio::{Events, Interest, Poll};

use crate::base::slab::Key;
use crate::interface::counters::ShellCounters;
use crate::interface::event::{Action, Core, Dispatcher, Event, Exit, JobId};
use crate::interface::message::Response;
use crate::shell::client::Client;
use crate::shell::clients::{Clients, Unsent};
use crate::shell::clock::{Clock, http_date};
use crate::shell::disk::Disk;
use crate::shell::limits::{
    ACCEPTS_LIMIT, DRAIN_LIMIT_MS, EVENTS_LIMIT, LAST_REQUESTS_LIMIT_MS, TURN_LIMIT_BYTES,
};
use crate::shell::listen::{Acceptors, Listeners};
use crate::shell::pollable::{IoResult, Kind, Pollable, decode_token, token_of_one};
use crate::shell::processes::{Processes, children_limit, reserved_files};
use crate::shell::signal::SignalPipes;
use crate::shell::systemd::Service;

/// Runs the core until it has stopped. An error ends the program: one line.
pub fn run<C: Core>(
    core: &mut C,
    listeners: impl Into<Listeners>,
    signals: SignalPipes,
    clock: Clock,
    disk: Disk,
) -> Result<(), String> {
    let reactor = Reactor::new(core, listeners.into(), signals, clock, disk);
    let mut reactor = reactor.map_err(|error| format!("cannot poll: {error}"))?;
    let load = reactor.dispatcher.core.load();
    reactor.service.ready(load, reactor.dispatcher.now.mono_ms);
    let result = reactor.run_turns();
    reactor.service.stopping();
    reactor.drain_and_close();
    reactor.processes.abandon_all();
    result
}

/// What the second half of a turn caused. The next turn dispatches it, and comes at once.
enum DeferredEvent {
    NotStarted(JobId, String),
    Aborted(Key),
}

struct Reactor<'a, C: Core> {
    poll: Poll,
    events: Events,
    clock: Clock,
    disk: Disk,
    /// The time of this turn as HTTP writes it.
    date: String,
    dispatcher: Dispatcher<'a, C>,
    /// None once we were asked to stop.
    acceptors: Option<Acceptors>,
    stop_signals: Pollable,
    drain_signals: Pollable,
    /// Set once the core has stopped: when open requests are no longer waited for.
    last_requests_until_ms: Option<u64>,
    clients: Clients,
    processes: Processes,
    deferred: Vec<DeferredEvent>,
    service: Service,
    counters: ShellCounters,
    /// Bytes read from a client or a child, on their way to the core.
    buffer: Vec<u8>,
}

impl<'a, C: Core> Reactor<'a, C> {
    fn new(
        core: &'a mut C,
        listeners: Listeners,
        signals: SignalPipes,
        clock: Clock,
        disk: Disk,
    ) -> std::io::Result<Reactor<'a, C>> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        let acceptors = Acceptors::new(listeners, registry)?;
        let stop_signals = Pollable::new(signals.stop)?;
        stop_signals.register(registry, token_of_one(Kind::Stop), Interest::READABLE)?;
        let drain_signals = Pollable::new(signals.drain)?;
        drain_signals.register(registry, token_of_one(Kind::Drain), Interest::READABLE)?;
        let now = clock.now();
        let tasks = core.tasks_limit();
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS_LIMIT),
            clock,
            disk,
            date: http_date(now),
            dispatcher: Dispatcher::new(core, now),
            acceptors: Some(acceptors),
            stop_signals,
            drain_signals,
            last_requests_until_ms: None,
            clients: Clients::beside(reserved_files(tasks)),
            processes: Processes::new(children_limit(tasks)),
            deferred: Vec::new(),
            service: Service::detect(),
            counters: ShellCounters::default(),
            buffer: vec![0; TURN_LIMIT_BYTES],
        })
    }

    fn run_turns(&mut self) -> Result<(), String> {
        while !self.is_over() {
            let timeout = self.timeout();
            self.wait(timeout)?;
            let began_us = self.clock.mono_us();
            self.turn()?;
            self.counters.turns.add(self.clock.mono_us() - began_us);
            self.counters.clients = self.clients.counters();
            self.dispatcher.core.note_counters(&self.counters);
            let core = &*self.dispatcher.core;
            let now_ms = self.dispatcher.now.mono_ms;
            self.service.turn_done(|| core.load(), now_ms);
        }
        Ok(())
    }

    /// True once the core has stopped and no open connection is in the middle of a request.
    fn is_over(&mut self) -> bool {
        if !self.dispatcher.core.stopped() {
            return false;
        }
        self.close_acceptors();
        let now_ms = self.dispatcher.now.mono_ms;
        let until_ms = self
            .last_requests_until_ms
            .get_or_insert(now_ms + LAST_REQUESTS_LIMIT_MS);
        now_ms >= *until_ms || !self.clients.has_unfinished_request()
    }

    fn close_acceptors(&mut self) {
        if let Some(acceptors) = self.acceptors.take() {
            self.service.stopping();
            acceptors.close(self.poll.registry());
        }
    }

    // ---- readiness ----

    /// How long the poll may sleep without an event; none where only an event gives work.
    fn timeout(&self) -> Option<Duration> {
        let ready = self.clients.has_ready() || self.processes.has_ready();
        if ready || !self.deferred.is_empty() {
            return Some(Duration::ZERO);
        }
        let core = &self.dispatcher.core;
        let accepts = self.acceptors.as_ref().map(Acceptors::retry_at_ms);
        let [admin_at_ms, public_at_ms] = accepts.unwrap_or_default();
        let deadlines = [
            self.clients.first_timeout_ms(),
            // A core that has stopped waits for nothing.
            self.last_requests_until_ms.or_else(|| core.deadline()),
            self.service.watchdog_due_ms(),
            admin_at_ms.filter(|_| !self.clients.is_full_for_admins()),
            public_at_ms.filter(|_| !self.clients.is_full()),
        ];
        let until_ms = deadlines.into_iter().flatten().min()?;
        let sleep_ms = until_ms.saturating_sub(self.dispatcher.now.mono_ms);
        Some(Duration::from_millis(sleep_ms))
    }

    /// Sleeps, reads the clocks, and records which descriptors are ready.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), String> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            // A signal handler ran. The next turn has the events.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot poll: {error}")),
        }
        let before = mem::replace(&mut self.dispatcher.now, self.clock.now());
        if before.unix_ms / 1_000 != self.dispatcher.now.unix_ms / 1_000 {
            self.date = http_date(self.dispatcher.now);
        }
        for event in &self.events {
            match decode_token(event.token()) {
                (kind @ (Kind::Listener | Kind::AdminListener), _) => {
                    if let Some(acceptors) = &mut self.acceptors {
                        acceptors.note(kind, event);
                    }
                }
                (Kind::Stop, _) => self.stop_signals.note(event),
                (Kind::Drain, _) => self.drain_signals.note(event),
                (Kind::Client, key) => self.clients.note(key, event),
                (kind, key) => self.processes.note(kind, key, event),
            }
        }
        Ok(())
    }

    // ---- one turn ----

    fn turn(&mut self) -> Result<(), String> {
        let now_ms = self.dispatcher.now.mono_ms;
        // First: it decides whether anything may start in this turn.
        if let Some(usage) = self.disk.measure(now_ms) {
            self.dispatcher.dispatch(Event::DiskUsage(usage));
        }
        self.dispatch_deferred();
        self.clients.expire(now_ms, &self.date);
        self.accept();
        self.clients.take_woken();
        let (buffer, dispatcher) = (&mut self.buffer, &mut self.dispatcher);
        self.clients
            .read(self.clock, &self.date, buffer, dispatcher);
        self.processes
            .step(self.poll.registry(), buffer, dispatcher);
        self.handle_signals();
        // Last: an exit seen in this turn comes before the time limit that it met.
        let deadline_ms = self.dispatcher.core.deadline();
        if deadline_ms.is_some_and(|at| at <= now_ms) {
            self.dispatcher.dispatch(Event::Time);
        }
        self.settle()
    }

    fn dispatch_deferred(&mut self) {
        for deferred in mem::take(&mut self.deferred) {
            match deferred {
                DeferredEvent::Aborted(conn) => self.dispatcher.dispatch(Event::Aborted { conn }),
                DeferredEvent::NotStarted(job, why) => {
                    let exit = Exit::NotStarted(why);
                    self.dispatcher.dispatch(Event::Exited { job, exit });
                }
            }
        }
    }

    fn accept(&mut self) {
        let now_ms = self.dispatcher.now.mono_ms;
        for _ in 0..ACCEPTS_LIMIT {
            let Some(acceptors) = &mut self.acceptors else {
                return;
            };
            let is_full = self.clients.is_full();
            // First: many clients do not delay an admin.
            let admin = match self.clients.is_full_for_admins() {
                true => None,
                false => acceptors.accept_admin(now_ms),
            };
            let accepted = admin.or_else(|| (!is_full).then(|| acceptors.accept(now_ms)).flatten());
            let Some(accepted) = accepted else { return };
            let addr = self.dispatcher.core.counted(accepted.from);
            let registry = self.poll.registry();
            self.clients.admit(accepted, addr, now_ms, registry);
        }
    }

    fn handle_signals(&mut self) {
        for _ in 0..drain_bytes(&mut self.drain_signals) {
            self.dispatcher.dispatch(Event::Drain);
        }
        for _ in 0..drain_bytes(&mut self.stop_signals) {
            self.close_acceptors();
            self.dispatcher.dispatch(Event::Stop);
        }
    }

    // ---- settle: commit, act, write, free ----

    /// An error means that nothing of this turn was saved. Its requests were answered so; the program ends.
    fn settle(&mut self) -> Result<(), String> {
        let now = self.dispatcher.now;
        if let Err(error) = self.dispatcher.core.commit(now) {
            self.refuse();
            return Err(error);
        }
        for action in mem::take(&mut self.dispatcher.pending) {
            self.perform(action);
        }
        self.clients.write(self.dispatcher.core);
        let registry = self.poll.registry();
        let removed = self.clients.settle(now.mono_ms, registry);
        let finished = self.processes.remove_finished();
        // Descriptors were freed that an `accept` may have lacked.
        if (removed.count > 0 || finished)
            && let Some(acceptors) = &mut self.acceptors
        {
            acceptors.resume();
        }
        let aborted = removed.aborted.into_iter();
        self.deferred.extend(aborted.map(DeferredEvent::Aborted));
        Ok(())
    }

    /// Answers 503 in place of every answer of this turn, and cuts streams: no client may see what was not saved.
    fn refuse(&mut self) {
        for action in mem::take(&mut self.dispatcher.pending) {
            if let Some(conn) = action.answers() {
                let response = Response::error(503, "the database cannot be written");
                self.perform(Action::Respond { conn, response });
            }
        }
        self.clients.cut_streams();
    }

    fn perform(&mut self, action: Action) {
        let date = &self.date;
        let registry = self.poll.registry();
        match action {
            Action::Respond { conn, response } => {
                let answer = |client: &mut Client| client.respond(response, date);
                self.clients.answer(conn, answer);
            }
            Action::Stream { conn, head, body } => {
                let answer = |client: &mut Client| client.start_stream(head, body, date);
                self.clients.answer(conn, answer);
            }
            Action::Upgrade { conn } => self.clients.answer(conn, |client| client.upgrade(date)),
            Action::Wake { conn } => self.clients.wake(conn),
            Action::Spawn { job, command } => {
                if let Err(why) = self.processes.start(job, command, registry) {
                    self.deferred.push(DeferredEvent::NotStarted(job, why));
                }
            }
            Action::Kill { job } => self.processes.kill(job, registry),
        }
    }

    // ---- shutdown ----

    /// Sends what is left, until clients have taken it or the time is over. Nothing is read or dispatched any more.
    fn drain_and_close(&mut self) {
        let until_ms = self.clock.now().mono_ms + DRAIN_LIMIT_MS;
        self.clients.drain_and_close(&self.date);
        loop {
            self.clients.write(self.dispatcher.core);
            let sleep_ms = until_ms.saturating_sub(self.clock.now().mono_ms);
            let sleep_ms = match self.clients.unsent() {
                Unsent::Nothing => return,
                _ if sleep_ms == 0 => return,
                Unsent::Writable => 0,
                Unsent::Blocked => sleep_ms,
            };
            if self.wait(Some(Duration::from_millis(sleep_ms))).is_err() {
                return;
            }
        }
    }
}

/// Reads all bytes of a signal pipe; how many there were.
fn drain_bytes(signals: &mut Pollable) -> usize {
    let (mut count, mut bytes) = (0, [0; 16]);
    while signals.readable()
        && let IoResult::Bytes(more) = signals.read(&mut bytes)
    {
        count += more;
    }
    count
}
