//! The loop: readiness, budgets, tell; then settle (in `reactor/settle.rs`).

mod settle;
mod timeouts;

use crate::config::limits::ADDRESSES_LIMIT;
use crate::shell::limits::{
    ACCEPTS_LIMIT, ADDRESS_CONNECTIONS_LIMIT, ADDRESS_RETRY_MS, ARRIVALS, CLIENTS_READ_LIMIT,
    CLIENTS_READ_LIMIT_MS, EVENTS_LIMIT, LAST_REQUESTS_LIMIT_MS, PROCESSES_LIMIT, TURN_LIMIT_BYTES,
    WAKES_LIMIT,
};
use std::io::ErrorKind;
use std::mem;
use std::time::Duration;

use mio::{Events, Interest, Poll};

use crate::base::client_addr::ClientAddr;
use crate::base::slab::{Key, Slab};
use crate::interface::event::{Core, Dispatcher, Event, Exit, JobId};
use crate::shell::child::Process;
use crate::shell::client::Client;
use crate::shell::clock::{Clock, http_date};
use crate::shell::connection_limiter::{Admittance, ConnectionLimiter};
use crate::shell::disk::Disk;
use crate::shell::listen::{Acceptor, Listener, connections_limit};
use crate::shell::pollable::{
    Accepted, IoResult, Kind, Pollable, decode_token, token, token_of_one,
};
use crate::shell::signal::SignalPipes;
use crate::shell::systemd::Service;
use timeouts::Timeouts;

/// Runs the core until it says that it has stopped. An error ends everything: one line.
pub fn run<C: Core>(
    core: &mut C,
    listener: Listener,
    signals: SignalPipes,
    clock: Clock,
    disk: Disk,
) -> Result<(), String> {
    let reactor = Reactor::new(core, listener, signals, clock, disk);
    let mut reactor = reactor.map_err(|error| format!("cannot poll: {error}"))?;
    let load = reactor.dispatcher.core.load();
    reactor.service.ready(load, reactor.dispatcher.now.mono_ms);
    let result = reactor.turns();
    reactor.service.stopping();
    reactor.drain_and_close();
    reactor.end_children();
    result
}

/// What a `settle` made happen: told in the next turn, which comes at once.
enum DeferredEvent {
    NotStarted(JobId, String),
    Aborted(Key),
}

struct Reactor<'a, C: Core> {
    poll: Poll,
    events: Events,
    clock: Clock,
    disk: Disk,
    /// Of this turn, as HTTP writes it.
    date: String,
    dispatcher: Dispatcher<'a, C>,
    /// Gone once we were asked to stop.
    acceptor: Option<Acceptor>,
    stops: Pollable,
    drains: Pollable,
    /// Once the core has stopped: when nothing is heard any more.
    last_ms: Option<u64>,
    clients: Slab<Client>,
    processes: Slab<Process>,
    /// Who can go on without another event. While one of these is not empty nobody sleeps.
    ready_clients: Vec<Key>,
    ready_processes: Vec<Key>,
    deferred: Vec<DeferredEvent>,
    /// Clients something happened to in this turn.
    touched: Vec<Key>,
    /// Who has something to be sent and was not heard: streams that were woken, and who has not
    /// taken all of it in an earlier turn.
    woken: Vec<Key>,
    service: Service,
    timeouts: Timeouts,
    limiter: ConnectionLimiter,
    /// What is read, on its way to where it belongs.
    buffer: Vec<u8>,
    /// What a stream gives, on its way to its connection.
    pulled: Vec<u8>,
}

impl<'a, C: Core> Reactor<'a, C> {
    fn new(
        core: &'a mut C,
        listener: Listener,
        signals: SignalPipes,
        clock: Clock,
        disk: Disk,
    ) -> std::io::Result<Reactor<'a, C>> {
        let poll = Poll::new()?;
        let acceptor = Acceptor::new(listener)?;
        let stops = Pollable::new(signals.stop)?;
        let drains = Pollable::new(signals.drain)?;
        let registry = poll.registry();
        acceptor.register(registry, token_of_one(Kind::Listener))?;
        stops.register(registry, token_of_one(Kind::Stops), Interest::READABLE)?;
        drains.register(registry, token_of_one(Kind::Drains), Interest::READABLE)?;
        let now = clock.now();
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS_LIMIT),
            clock,
            disk,
            date: http_date(now),
            dispatcher: Dispatcher {
                core,
                now,
                pending: Vec::new(),
            },
            acceptor: Some(acceptor),
            stops,
            drains,
            last_ms: None,
            clients: Slab::new(connections_limit()),
            processes: Slab::new(PROCESSES_LIMIT),
            ready_clients: Vec::new(),
            ready_processes: Vec::new(),
            deferred: Vec::new(),
            touched: Vec::new(),
            woken: Vec::new(),
            service: Service::find(),
            timeouts: Timeouts::default(),
            limiter: ConnectionLimiter::new(
                ADDRESS_CONNECTIONS_LIMIT,
                ADDRESS_RETRY_MS,
                ARRIVALS,
                ADDRESSES_LIMIT,
            ),
            buffer: vec![0; TURN_LIMIT_BYTES],
            pulled: Vec::new(),
        })
    }

    fn turns(&mut self) -> Result<(), String> {
        while !self.is_over() {
            let timeout = self.timeout();
            self.wait(timeout)?;
            self.turn()?;
            let core = &*self.dispatcher.core;
            let now_ms = self.dispatcher.now.mono_ms;
            self.service.turned(|| core.load(), now_ms);
        }
        Ok(())
    }

    /// The core has stopped, and nobody who was let in is in the middle of asking.
    fn is_over(&mut self) -> bool {
        if !self.dispatcher.core.stopped() {
            return false;
        }
        self.close_acceptor();
        let now_ms = self.dispatcher.now.mono_ms;
        let last_ms = self.last_ms.get_or_insert(now_ms + LAST_REQUESTS_LIMIT_MS);
        now_ms >= *last_ms || !self.clients.iter().any(|(_, client)| client.is_asking())
    }

    fn close_acceptor(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            self.service.stopping();
            acceptor.close(self.poll.registry());
        }
    }

    // ---- readiness ----

    /// How long nothing needs to happen unless the kernel says so.
    fn timeout(&self) -> Option<Duration> {
        let ready = !self.ready_clients.is_empty() || !self.ready_processes.is_empty();
        if ready || !self.deferred.is_empty() || !self.woken.is_empty() {
            return Some(Duration::ZERO);
        }
        let mut until_ms = self.timeouts.first_ms().unwrap_or(u64::MAX);
        // A core that has stopped has nothing to wait for.
        if let Some(deadline_ms) = self.last_ms.or_else(|| self.dispatcher.core.deadline()) {
            until_ms = until_ms.min(deadline_ms);
        }
        if let Some(keepalive_by_ms) = self.service.keepalive_by_ms() {
            until_ms = until_ms.min(keepalive_by_ms);
        }
        let retry_at_ms = self.acceptor.as_ref().and_then(Acceptor::retry_at_ms);
        if let Some(retry_at_ms) = retry_at_ms.filter(|_| !self.clients.is_full()) {
            until_ms = until_ms.min(retry_at_ms);
        }
        let sleep_ms = until_ms.saturating_sub(self.dispatcher.now.mono_ms);
        (until_ms < u64::MAX).then(|| Duration::from_millis(sleep_ms))
    }

    /// Sleeps, reads the clocks, and notes who is ready.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), String> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            // A handler ran. There are no events; the next turn has them.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot poll: {error}")),
        }
        let before = mem::replace(&mut self.dispatcher.now, self.clock.now());
        if before.unix_ms / 1_000 != self.dispatcher.now.unix_ms / 1_000 {
            self.date = http_date(self.dispatcher.now);
        }
        for event in &self.events {
            match decode_token(event.token()) {
                (Kind::Listener, _) => {
                    if let Some(acceptor) = &mut self.acceptor {
                        acceptor.note(event);
                    }
                }
                (Kind::Stops, _) => self.stops.note(event),
                (Kind::Drains, _) => self.drains.note(event),
                (Kind::Client, key) => {
                    if let Some(client) = self.clients.get_mut(key) {
                        client.note(event);
                        queue(&mut self.ready_clients, key, &mut client.queued);
                    }
                }
                (kind, key) => {
                    let Some(process) = self.processes.get_mut(key) else {
                        continue;
                    };
                    if let Some(source) = process.source(kind) {
                        source.note(event);
                        queue(&mut self.ready_processes, key, &mut process.queued);
                    }
                }
            }
        }
        Ok(())
    }

    // ---- one turn: everything that happened is told, then settled ----

    fn turn(&mut self) -> Result<(), String> {
        // First: whether anything may begin hangs on it.
        if let Some(room) = self.disk.look(self.dispatcher.now.mono_ms) {
            self.dispatcher.dispatch(Event::DiskUsage(room));
        }
        self.dispatch_deferred();
        self.expire();
        self.accept();
        self.take_woken();
        self.read_clients();
        self.step_processes();
        self.handle_signals();
        // Last, so that an end seen in this turn comes before the time limit it beat.
        let deadline_ms = self.dispatcher.core.deadline();
        if deadline_ms.is_some_and(|at| at <= self.dispatcher.now.mono_ms) {
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

    /// Ends the patience with clients whose time is up.
    fn expire(&mut self) {
        let now_ms = self.dispatcher.now.mono_ms;
        for _ in 0..WAKES_LIMIT {
            let Some(key) = self.timeouts.take(now_ms) else {
                return;
            };
            let Some(client) = self.clients.get_mut(key) else {
                continue;
            };
            client.timeout_entry = None;
            match client.deadline_ms() {
                Some(at) if at <= now_ms => {
                    client.expire(&self.date);
                    queue(&mut self.ready_clients, key, &mut client.queued);
                }
                later => self.timeouts.note(key, &mut client.timeout_entry, later),
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_LIMIT {
            let Some(acceptor) = self.acceptor.as_mut().filter(|_| !self.clients.is_full()) else {
                return;
            };
            let Some(accepted) = acceptor.accept(self.dispatcher.now.mono_ms) else {
                return;
            };
            self.admit(accepted);
        }
    }

    fn admit(&mut self, accepted: Accepted) {
        let addr = self.dispatcher.core.counted(accepted.from);
        let entry = self.limiter.enter(addr, self.dispatcher.now.mono_ms);
        if entry == Admittance::Dropped {
            return;
        }
        if self.register(accepted, addr, entry).is_none() {
            self.limiter.leave(addr);
        }
    }

    fn register(
        &mut self,
        accepted: Accepted,
        addr: Option<ClientAddr>,
        entry: Admittance,
    ) -> Option<()> {
        let Accepted { fd, from } = accepted;
        // An answer is written whole: waiting for more of it would only delay it. No such thing
        // on a unix socket.
        let _ = rustix::net::sockopt::set_tcp_nodelay(&fd, true);
        let source = Pollable::new(fd).ok()?;
        let mut client = Client::new(source, from, addr, self.dispatcher.now.mono_ms);
        if let Admittance::Refused { retry_ms } = entry {
            client.reject(retry_ms, &self.date);
        }
        let key = self.clients.insert(client)?;
        self.touch(key);
        let both = Interest::READABLE | Interest::WRITABLE;
        let client = self.clients.get(key);
        let registered = client.map(|client| {
            let registry = self.poll.registry();
            client
                .source()
                .register(registry, token(Kind::Client, key), both)
        });
        if let Some(Err(error)) = registered {
            log::warn!("cannot poll a connection: {error}");
            self.clients.remove(key);
            return None;
        }
        Some(())
    }

    /// So many of them as a turn has time for; the others wait, and the poll does not.
    fn take_woken(&mut self) {
        let drain_bytes = self.woken.len().min(WAKES_LIMIT);
        for key in self.woken.drain(..drain_bytes) {
            if let Some(client) = self.clients.get_mut(key) {
                client.woken = false;
                queue(&mut self.touched, key, &mut client.touched);
            }
        }
    }

    fn read_clients(&mut self) {
        let drain_bytes = self.ready_clients.len().min(CLIENTS_READ_LIMIT);
        let until_ms = self.clock.now().mono_ms + CLIENTS_READ_LIMIT_MS;
        let mut heard = 0;
        // What is asked may cost a while: it is the time that counts, too.
        while heard < drain_bytes && (heard == 0 || self.clock.now().mono_ms < until_ms) {
            let key = self.ready_clients[heard];
            heard += 1;
            if let Some(client) = self.clients.get_mut(key) {
                client.queued = false;
                client.read(&mut self.buffer);
                client.handle_input(key, &self.date, &mut self.dispatcher);
                queue(&mut self.touched, key, &mut client.touched);
            }
        }
        self.ready_clients.drain(..heard);
    }

    fn step_processes(&mut self) {
        for key in mem::take(&mut self.ready_processes) {
            if let Some(process) = self.processes.get_mut(key) {
                process.queued = false;
                process.step(self.poll.registry(), &mut self.buffer, &mut self.dispatcher);
                // Those that are over are queued too: `free` finds them there.
                if process.has_work() || process.is_over() {
                    queue(&mut self.ready_processes, key, &mut process.queued);
                }
            }
        }
    }

    fn handle_signals(&mut self) {
        for _ in 0..drain_bytes(&mut self.drains) {
            self.dispatcher.dispatch(Event::Drain);
        }
        for _ in 0..drain_bytes(&mut self.stops) {
            self.close_acceptor();
            self.dispatcher.dispatch(Event::Stop);
        }
    }
}

/// How many bytes are there, read away.
fn drain_bytes(signals: &mut Pollable) -> usize {
    let (mut drain_bytes, mut bytes) = (0, [0; 16]);
    while signals.readable()
        && let IoResult::Bytes(more) = signals.read(&mut bytes)
    {
        drain_bytes += more;
    }
    drain_bytes
}

/// Puts `key` on a list it is not on yet.
fn queue(list: &mut Vec<Key>, key: Key, queued: &mut bool) {
    if !mem::replace(queued, true) {
        list.push(key);
    }
}
