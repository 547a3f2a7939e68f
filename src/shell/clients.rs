//! All clients: they are admitted, read, written, timed out and removed.

use mio::event::Event;
use mio::{Interest, Registry};

use crate::base::client_addr::ClientAddr;
use crate::base::key_queue::KeyQueue;
use crate::base::slab::{Key, Slab};
use crate::config::limits::ADDRESSES_LIMIT;
use crate::interface::counters::{ClientCounters, DropCause};
use crate::interface::event::{Core, Dispatcher};
use crate::shell::client::Client;
use crate::shell::clock::Clock;
use crate::shell::connection_limiter::{Admittance, ConnectionLimiter};
use crate::shell::limits::{
    ADDRESS_CONNECTIONS_LIMIT, ADDRESS_RETRY_MS, ADMIN_CONNECTIONS_LIMIT, ARRIVALS,
    CLIENTS_READ_LIMIT, CLIENTS_READ_LIMIT_MS, WAKES_LIMIT,
};
use crate::shell::listen::connections_limit;
use crate::shell::pollable::{Accepted, Kind, Pollable, token};
use crate::shell::timeouts::Timeouts;

pub struct Clients {
    slab: Slab<Client>,
    /// The most clients that are no admins.
    limit: usize,
    /// Clients that can be read, or have input for the app, without another event.
    ready: KeyQueue,
    /// Clients that have something to send and nothing to read: woken streams, and clients that did not take all of
    /// it in an earlier turn.
    woken: KeyQueue,
    /// Clients that this turn writes to and settles.
    touched: KeyQueue,
    timeouts: Timeouts,
    limiter: ConnectionLimiter,
    counters: ClientCounters,
    /// What a stream gives, on its way to its connection.
    pulled: Vec<u8>,
}

/// What `Clients::settle` removed.
#[derive(Debug, Default)]
pub struct Removed {
    pub count: usize,
    /// Those of which the app holds an unfinished request.
    pub aborted: Vec<Key>,
}

/// What is left to send to all clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    Nothing,
    /// No socket takes any of it now.
    Blocked,
    Writable,
}

impl Clients {
    /// `reserved_files`: those of children.
    pub fn beside(reserved_files: usize) -> Clients {
        let limit = connections_limit(reserved_files);
        Clients {
            slab: Slab::new(limit + ADMIN_CONNECTIONS_LIMIT),
            limit,
            ready: KeyQueue::default(),
            woken: KeyQueue::default(),
            touched: KeyQueue::default(),
            timeouts: Timeouts::default(),
            limiter: ConnectionLimiter::new(
                ADDRESS_CONNECTIONS_LIMIT,
                ADDRESS_RETRY_MS,
                ARRIVALS,
                ADDRESSES_LIMIT,
            ),
            counters: ClientCounters::default(),
            pulled: Vec::new(),
        }
    }

    /// True where only admins are admitted: a few connections are kept for them, whoever else has all others.
    pub fn is_full(&self) -> bool {
        self.slab.len() >= self.limit
    }

    /// True where nobody is.
    pub fn is_full_for_admins(&self) -> bool {
        self.slab.is_full()
    }

    pub fn counters(&self) -> ClientCounters {
        self.counters
    }

    /// True where a client can go on without another event.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.woken.is_empty()
    }

    /// When `expire` has work at the earliest, in `mono_ms`.
    pub fn first_timeout_ms(&self) -> Option<u64> {
        self.timeouts.first_ms()
    }

    /// True where a client is in the middle of a request, or has not sent its first one.
    pub fn has_unfinished_request(&self) -> bool {
        self.slab.iter().any(|(_, client)| client.is_asking())
    }

    /// Records an event of a client's socket.
    pub fn note(&mut self, key: Key, event: &Event) {
        if let Some(client) = self.slab.get_mut(key) {
            client.note(event);
            self.ready.push(key);
        }
    }

    // ---- the first half of a turn ----

    /// Registers a connection that was just accepted. A connection over the limit of its address `addr` is answered
    /// 429; far over it, it is closed.
    pub fn admit(
        &mut self,
        accepted: Accepted,
        addr: Option<ClientAddr>,
        now_ms: u64,
        registry: &Registry,
    ) {
        self.counters.accepted += 1;
        let admittance = self.limiter.enter(addr, now_ms);
        if admittance != Admittance::Admitted {
            self.counters.note_drop(DropCause::AddressLimit);
        }
        let retry_ms = match admittance {
            Admittance::Admitted => None,
            Admittance::Refused { retry_ms } => Some(retry_ms),
            Admittance::Dropped => return,
        };
        let Accepted { fd, from } = accepted;
        // Each answer is written whole, so Nagle's algorithm would only delay it. Fails on a unix socket.
        let _ = rustix::net::sockopt::set_tcp_nodelay(&fd, true);
        let client = Pollable::new(fd).map(|socket| Client::new(socket, from, addr, now_ms));
        let registered = client.and_then(|mut client| {
            if let Some(retry_ms) = retry_ms {
                client.reject(retry_ms, now_ms);
            }
            self.register(client, registry)
        });
        if let Err(error) = registered {
            log::warn!("cannot poll a connection: {error}");
            self.limiter.leave(addr);
        }
    }

    fn register(&mut self, client: Client, registry: &Registry) -> std::io::Result<()> {
        let full = || std::io::Error::other("there are too many clients");
        let key = self.slab.insert(client).ok_or_else(full)?;
        let client = self.slab.get(key).ok_or_else(full)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = client
            .socket
            .register(registry, token(Kind::Client, key), both);
        match registered {
            Ok(()) => {
                self.counters.open += 1;
                self.touched.push(key);
            }
            Err(_) => drop(self.slab.remove(key)),
        }
        registered
    }

    /// Handles clients whose time is up: a keepalive is sent, a slow request answered, a stalled client dropped.
    pub fn expire(&mut self, now_ms: u64, date: &str) {
        for _ in 0..WAKES_LIMIT {
            let Some(key) = self.timeouts.take(now_ms) else {
                return;
            };
            let Some(client) = self.slab.get_mut(key) else {
                continue;
            };
            match client.deadline_ms {
                Some(at) if at <= now_ms => {
                    if let Some(cause) = client.expire(date) {
                        self.counters.note_drop(cause);
                    }
                    self.ready.push(key);
                }
                later => self.timeouts.note(key, later),
            }
        }
    }

    /// Picks the clients that this turn only sends to. The others wait for the next turn, which comes at once.
    pub fn take_woken(&mut self) {
        for _ in 0..WAKES_LIMIT {
            let Some(key) = self.woken.pop() else { return };
            self.touched.push(key);
        }
    }

    /// Reads ready clients and dispatches their input, until a number of clients or a time is reached. Requests differ
    /// in what they cost, so the number alone is no bound.
    pub fn read<C: Core>(
        &mut self,
        clock: Clock,
        date: &str,
        buffer: &mut [u8],
        dispatcher: &mut Dispatcher<'_, C>,
    ) {
        let until_ms = clock.now().mono_ms + CLIENTS_READ_LIMIT_MS;
        for count in 0..self.ready.len().min(CLIENTS_READ_LIMIT) {
            if count > 0 && clock.now().mono_ms >= until_ms {
                return;
            }
            let Some(key) = self.ready.pop() else { return };
            if let Some(client) = self.slab.get_mut(key) {
                self.counters.received_bytes += client.read(buffer);
                client.handle_input(key, date, dispatcher);
                self.touched.push(key);
            }
        }
    }

    // ---- the second half ----

    /// Lets `answer` fill the client's output. Does nothing where the client is gone.
    pub fn answer(&mut self, key: Key, answer: impl FnOnce(&mut Client)) {
        if let Some(client) = self.slab.get_mut(key) {
            answer(client);
            self.touched.push(key);
        }
    }

    /// The client's stream has something to give again.
    pub fn wake(&mut self, key: Key) {
        let client = self.slab.get_mut(key);
        if client.is_some_and(Client::wake) {
            self.woken.push(key);
        }
    }

    /// No stream is pulled any further.
    pub fn cut_streams(&mut self) {
        for (_, client) in self.slab.iter_mut() {
            client.cut_stream();
        }
    }

    /// Pulls streams and writes to the clients that were touched.
    pub fn write<C: Core>(&mut self, core: &mut C) {
        for key in self.touched.iter() {
            if let Some(client) = self.slab.get_mut(key) {
                self.counters.sent_bytes += client.write(key, core, &mut self.pulled);
            }
        }
    }

    /// Settles the clients that were touched: each is over and removed, has more to do, or waits until a time.
    pub fn settle(&mut self, now_ms: u64, registry: &Registry) -> Removed {
        let mut removed = Removed::default();
        while let Some(key) = self.touched.pop() {
            let Some(client) = self.slab.get_mut(key) else {
                continue;
            };
            let deadline_ms = client.settle(now_ms);
            if client.is_over() {
                removed.count += 1;
                if client.is_with_app() {
                    removed.aborted.push(key);
                }
                self.remove(key, registry);
                continue;
            }
            self.timeouts.note(key, deadline_ms);
            if client.may_be_read() {
                self.ready.push(key);
            } else if client.can_send() {
                self.woken.push(key);
            }
        }
        removed
    }

    fn remove(&mut self, key: Key, registry: &Registry) {
        if let Some(client) = self.slab.remove(key) {
            self.counters.open -= 1;
            self.timeouts.forget(key);
            self.limiter.leave(client.addr);
            client.socket.close(registry);
        }
    }

    // ---- shutdown ----

    /// Queues the last answer of each client.
    pub fn drain_and_close(&mut self, date: &str) {
        let keys: Vec<Key> = self.slab.keys().collect();
        for key in keys {
            self.answer(key, |client| client.drain_and_close(date));
        }
    }

    /// What is left to send; those clients are touched again.
    pub fn unsent(&mut self) -> Unsent {
        let mut unsent = Unsent::Nothing;
        for (key, client) in self.slab.iter().filter(|(_, client)| !client.is_over()) {
            if client.has_output() {
                self.touched.push(key);
                if client.can_send() {
                    unsent = Unsent::Writable;
                } else if unsent == Unsent::Nothing {
                    unsent = Unsent::Blocked;
                }
            }
        }
        unsent
    }
}
