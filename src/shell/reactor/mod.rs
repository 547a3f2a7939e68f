//! The loop: readiness, budgets, tell; then settle (in `reactor/settle.rs`).

mod settle;
mod timeouts;

use crate::config::{
    ACCEPTS_LIMIT, ADDRESS_CONNECTIONS_LIMIT, ADDRESS_PAUSE_MS, ADDRESSES_LIMIT, ARRIVALS,
    EVENTS_LIMIT, HEARD_LIMIT, HEARING_LIMIT_MS, LAST_REQUESTS_LIMIT_MS, PROCESSES_LIMIT,
    TURN_LIMIT_BYTES, WAKES_LIMIT,
};
use std::io::ErrorKind;
use std::mem;
use std::time::Duration;

use mio::{Events, Interest, Poll};

use crate::base::client_addr::Home;
use crate::base::slab::{Key, Slab};
use crate::interface::event::{Core, Event, Exit, JobId, Teller};
use crate::shell::child::Process;
use crate::shell::client::Client;
use crate::shell::clock::{Clock, http_date};
use crate::shell::connection_limiter::{Crowd, Entry};
use crate::shell::disk::Disk;
use crate::shell::listen::{Door, Listener, connections_limit};
use crate::shell::pollable::{Accepted, Kind, Moved, Source, named_by, token, token_of_one};
use crate::shell::signal::Wishes;
use crate::shell::systemd::Service;
use timeouts::Limits;

/// Runs the core until it says that it has stopped. An error ends everything: one line.
pub fn run<C: Core>(
    core: &mut C,
    listener: Listener,
    wishes: Wishes,
    clock: Clock,
    disk: Disk,
) -> Result<(), String> {
    let reactor = Reactor::new(core, listener, wishes, clock, disk);
    let mut reactor = reactor.map_err(|error| format!("cannot poll: {error}"))?;
    let standing = reactor.teller.core.standing();
    reactor.service.ready(standing, reactor.teller.now.mono_ms);
    let result = reactor.turns();
    reactor.service.stopping();
    reactor.farewell();
    reactor.end_children();
    result
}

/// What a `settle` made happen: told in the next turn, which comes at once.
enum News {
    NotStarted(JobId, String),
    Gone(Key),
}

struct Reactor<'a, C: Core> {
    poll: Poll,
    events: Events,
    clock: Clock,
    disk: Disk,
    /// Of this turn, as HTTP writes it.
    date: String,
    teller: Teller<'a, C>,
    /// Gone once we were asked to stop.
    door: Option<Door>,
    stops: Source,
    drains: Source,
    /// Once the core has stopped: when nothing is heard any more.
    last_ms: Option<u64>,
    clients: Slab<Client>,
    processes: Slab<Process>,
    /// Who can go on without another event. While one of these is not empty nobody sleeps.
    ready_clients: Vec<Key>,
    ready_processes: Vec<Key>,
    news: Vec<News>,
    /// Clients something happened to in this turn.
    touched: Vec<Key>,
    /// Who has something to be sent and was not heard: streams that were woken, and who has not
    /// taken all of it in an earlier turn.
    woken: Vec<Key>,
    service: Service,
    limits: Limits,
    crowd: Crowd,
    /// What is read, on its way to where it belongs.
    buffer: Vec<u8>,
    /// What a stream gives, on its way to its connection.
    pulled: Vec<u8>,
}

impl<'a, C: Core> Reactor<'a, C> {
    fn new(
        core: &'a mut C,
        listener: Listener,
        wishes: Wishes,
        clock: Clock,
        disk: Disk,
    ) -> std::io::Result<Reactor<'a, C>> {
        let poll = Poll::new()?;
        let door = Door::new(listener)?;
        let stops = Source::new(wishes.stops)?;
        let drains = Source::new(wishes.drains)?;
        let registry = poll.registry();
        door.register(registry, token_of_one(Kind::Listener))?;
        stops.register(registry, token_of_one(Kind::Stops), Interest::READABLE)?;
        drains.register(registry, token_of_one(Kind::Drains), Interest::READABLE)?;
        let now = clock.now();
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS_LIMIT),
            clock,
            disk,
            date: http_date(now),
            teller: Teller {
                core,
                now,
                asked: Vec::new(),
            },
            door: Some(door),
            stops,
            drains,
            last_ms: None,
            clients: Slab::new(connections_limit()),
            processes: Slab::new(PROCESSES_LIMIT),
            ready_clients: Vec::new(),
            ready_processes: Vec::new(),
            news: Vec::new(),
            touched: Vec::new(),
            woken: Vec::new(),
            service: Service::find(),
            limits: Limits::default(),
            crowd: Crowd::new(
                ADDRESS_CONNECTIONS_LIMIT,
                ADDRESS_PAUSE_MS,
                ARRIVALS,
                ADDRESSES_LIMIT,
            ),
            buffer: vec![0; TURN_LIMIT_BYTES],
            pulled: Vec::new(),
        })
    }

    fn turns(&mut self) -> Result<(), String> {
        while !self.is_over() {
            let patience = self.patience();
            self.wait(patience)?;
            self.turn()?;
            let core = &*self.teller.core;
            let now_ms = self.teller.now.mono_ms;
            self.service.turned(|| core.standing(), now_ms);
        }
        Ok(())
    }

    /// The core has stopped, and nobody who was let in is in the middle of asking.
    fn is_over(&mut self) -> bool {
        if !self.teller.core.stopped() {
            return false;
        }
        self.close_door();
        let now_ms = self.teller.now.mono_ms;
        let last_ms = self.last_ms.get_or_insert(now_ms + LAST_REQUESTS_LIMIT_MS);
        now_ms >= *last_ms || !self.clients.iter().any(|(_, client)| client.is_asking())
    }

    fn close_door(&mut self) {
        if let Some(door) = self.door.take() {
            self.service.stopping();
            door.close(self.poll.registry());
        }
    }

    // ---- readiness ----

    /// How long nothing needs to happen unless the kernel says so.
    fn patience(&self) -> Option<Duration> {
        let ready = !self.ready_clients.is_empty() || !self.ready_processes.is_empty();
        if ready || !self.news.is_empty() || !self.woken.is_empty() {
            return Some(Duration::ZERO);
        }
        let mut until_ms = self.limits.first_ms().unwrap_or(u64::MAX);
        // A core that has stopped has nothing to wait for.
        if let Some(deadline_ms) = self.last_ms.or_else(|| self.teller.core.deadline()) {
            until_ms = until_ms.min(deadline_ms);
        }
        if let Some(beats_by_ms) = self.service.beats_by_ms() {
            until_ms = until_ms.min(beats_by_ms);
        }
        let opens_ms = self.door.as_ref().and_then(Door::opens_ms);
        if let Some(opens_ms) = opens_ms.filter(|_| !self.clients.is_full()) {
            until_ms = until_ms.min(opens_ms);
        }
        let sleep_ms = until_ms.saturating_sub(self.teller.now.mono_ms);
        (until_ms < u64::MAX).then(|| Duration::from_millis(sleep_ms))
    }

    /// Sleeps, reads the clocks, and notes who is ready.
    fn wait(&mut self, patience: Option<Duration>) -> Result<(), String> {
        match self.poll.poll(&mut self.events, patience) {
            Ok(()) => {}
            // A handler ran. There are no events; the next turn has them.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot poll: {error}")),
        }
        let before = mem::replace(&mut self.teller.now, self.clock.now());
        if before.unix_ms / 1_000 != self.teller.now.unix_ms / 1_000 {
            self.date = http_date(self.teller.now);
        }
        for event in &self.events {
            match named_by(event.token()) {
                (Kind::Listener, _) => {
                    if let Some(door) = &mut self.door {
                        door.note(event);
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
        if let Some(room) = self.disk.look(self.teller.now.mono_ms) {
            self.teller.tell(Event::Room(room));
        }
        self.tell_news();
        self.expire();
        self.accept();
        self.take_woken();
        self.hear_clients();
        self.step_processes();
        self.hear_wishes();
        // Last, so that an end seen in this turn comes before the time limit it beat.
        let deadline_ms = self.teller.core.deadline();
        if deadline_ms.is_some_and(|at| at <= self.teller.now.mono_ms) {
            self.teller.tell(Event::Time);
        }
        self.settle()
    }

    fn tell_news(&mut self) {
        for news in mem::take(&mut self.news) {
            match news {
                News::Gone(conn) => self.teller.tell(Event::Gone { conn }),
                News::NotStarted(job, why) => {
                    let exit = Exit::NotStarted(why);
                    self.teller.tell(Event::Exited { job, exit });
                }
            }
        }
    }

    /// Ends the patience with clients whose time is up.
    fn expire(&mut self) {
        let now_ms = self.teller.now.mono_ms;
        for _ in 0..WAKES_LIMIT {
            let Some(key) = self.limits.take(now_ms) else {
                return;
            };
            let Some(client) = self.clients.get_mut(key) else {
                continue;
            };
            client.limit_entry = None;
            match client.deadline_ms() {
                Some(at) if at <= now_ms => {
                    client.expire(&self.date);
                    queue(&mut self.ready_clients, key, &mut client.queued);
                }
                later => self.limits.note(key, &mut client.limit_entry, later),
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_LIMIT {
            let Some(door) = self.door.as_mut().filter(|_| !self.clients.is_full()) else {
                return;
            };
            let Some(accepted) = door.accept(self.teller.now.mono_ms) else {
                return;
            };
            self.welcome(accepted);
        }
    }

    fn welcome(&mut self, accepted: Accepted) {
        let home = self.teller.core.counted(accepted.from);
        let entry = self.crowd.enter(home, self.teller.now.mono_ms);
        if entry == Entry::Dropped {
            return;
        }
        if self.let_in(accepted, home, entry).is_none() {
            self.crowd.leave(home);
        }
    }

    fn let_in(&mut self, accepted: Accepted, home: Option<Home>, entry: Entry) -> Option<()> {
        let Accepted { fd, from } = accepted;
        // An answer is written whole: waiting for more of it would only delay it. No such thing
        // on a unix socket.
        let _ = rustix::net::sockopt::set_tcp_nodelay(&fd, true);
        let source = Source::new(fd).ok()?;
        let mut client = Client::new(source, from, home, self.teller.now.mono_ms);
        if let Entry::Refused { retry_ms } = entry {
            client.turn_away(retry_ms, &self.date);
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
        let count = self.woken.len().min(WAKES_LIMIT);
        for key in self.woken.drain(..count) {
            if let Some(client) = self.clients.get_mut(key) {
                client.woken = false;
                queue(&mut self.touched, key, &mut client.touched);
            }
        }
    }

    fn hear_clients(&mut self) {
        let count = self.ready_clients.len().min(HEARD_LIMIT);
        let until_ms = self.clock.now().mono_ms + HEARING_LIMIT_MS;
        let mut heard = 0;
        // What is asked may cost a while: it is the time that counts, too.
        while heard < count && (heard == 0 || self.clock.now().mono_ms < until_ms) {
            let key = self.ready_clients[heard];
            heard += 1;
            if let Some(client) = self.clients.get_mut(key) {
                client.queued = false;
                client.read(&mut self.buffer);
                client.hear(key, &self.date, &mut self.teller);
                queue(&mut self.touched, key, &mut client.touched);
            }
        }
        self.ready_clients.drain(..heard);
    }

    fn step_processes(&mut self) {
        for key in mem::take(&mut self.ready_processes) {
            if let Some(process) = self.processes.get_mut(key) {
                process.queued = false;
                process.step(self.poll.registry(), &mut self.buffer, &mut self.teller);
                // Those that are over are queued too: `free` finds them there.
                if process.has_work() || process.is_over() {
                    queue(&mut self.ready_processes, key, &mut process.queued);
                }
            }
        }
    }

    fn hear_wishes(&mut self) {
        for _ in 0..count(&mut self.drains) {
            self.teller.tell(Event::Drain);
        }
        for _ in 0..count(&mut self.stops) {
            self.close_door();
            self.teller.tell(Event::Stop);
        }
    }
}

/// How many bytes are there, read away.
fn count(wishes: &mut Source) -> usize {
    let (mut count, mut bytes) = (0, [0; 16]);
    while wishes.readable()
        && let Moved::Bytes(more) = wishes.read(&mut bytes)
    {
        count += more;
    }
    count
}

/// Puts `key` on a list it is not on yet.
fn queue(list: &mut Vec<Key>, key: Key, queued: &mut bool) {
    if !mem::replace(queued, true) {
        list.push(key);
    }
}
