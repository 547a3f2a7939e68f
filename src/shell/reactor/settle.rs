//! The second half of a turn: commit -> start and kill -> write -> free. And the last of all.

use std::mem;
use std::time::Duration;

use crate::base::slab::Key;
use crate::interface::event::{Action, Command, Core, JobId};
use crate::interface::message::Response;
use crate::shell::child::Process;
use crate::shell::client::Client;
use crate::shell::limits::DRAIN_LIMIT_MS;
use crate::shell::reactor::{DeferredEvent, PROCESSES_LIMIT, Reactor, queue};

impl<C: Core> Reactor<'_, C> {
    /// An error says that nothing of this turn was saved; it was answered so, and is the end.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        if let Err(error) = self.dispatcher.core.commit(self.dispatcher.now) {
            self.refuse();
            return Err(error);
        }
        for action in mem::take(&mut self.dispatcher.pending) {
            self.carry_out(action);
        }
        self.write();
        self.free();
        Ok(())
    }

    /// Nothing unsaved may be heard: whatever this turn was to answer is that it failed. No
    /// stream is pulled any further, as it might show what was not saved.
    fn refuse(&mut self) {
        for action in mem::take(&mut self.dispatcher.pending) {
            if let Action::Respond { conn, .. }
            | Action::Stream { conn, .. }
            | Action::Upgrade { conn } = action
            {
                let sorry = Response::error(503, "the database cannot be written");
                self.answer(conn, |client, date| client.respond(sorry, date));
            }
        }
        for (_, client) in self.clients.iter_mut() {
            client.cut_stream();
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Respond { conn, response } => {
                self.answer(conn, |client, date| client.respond(response, date));
            }
            Action::Stream { conn, head, body } => {
                self.answer(conn, |client, date| client.start_stream(head, body, date));
            }
            Action::Upgrade { conn } => {
                self.answer(conn, |client, date| client.upgrade(date));
            }
            Action::Wake { conn } => {
                if let Some(client) = self.clients.get_mut(conn)
                    && client.wake()
                {
                    queue(&mut self.woken, conn, &mut client.woken);
                }
            }
            Action::Spawn { job, command } => self.start(job, command),
            Action::Kill { job } => self.kill(job),
        }
    }

    /// Into its buffer; to a client that is gone nothing is said.
    fn answer(&mut self, conn: Key, say: impl FnOnce(&mut Client, &str)) {
        if let Some(client) = self.clients.get_mut(conn) {
            say(client, &self.date);
            queue(&mut self.touched, conn, &mut client.touched);
        }
    }

    pub(super) fn touch(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key) {
            queue(&mut self.touched, key, &mut client.touched);
        }
    }

    fn start(&mut self, job: JobId, command: Command) {
        if let Err(why) = self.try_start(job, command) {
            self.deferred.push(DeferredEvent::NotStarted(job, why));
        }
    }

    fn try_start(&mut self, job: JobId, command: Command) -> Result<(), String> {
        if self.processes.is_full() {
            return Err(format!("there are {PROCESSES_LIMIT} children already"));
        }
        let process = Process::start(job, command)?;
        // There is room: that was the first question.
        let Some(key) = self.processes.insert(process) else {
            return Ok(());
        };
        let registry = self.poll.registry();
        let process = self.processes.get(key);
        let registered = process.map_or(Ok(()), |process| process.register(registry, key));
        registered.map_err(|error| {
            if let Some(process) = self.processes.remove(key) {
                process.abandon();
            }
            format!("cannot poll a child: {error}")
        })
    }

    fn kill(&mut self, job: JobId) {
        let mut processes = self.processes.iter_mut();
        let found = processes.find(|(_, process)| process.job == job);
        if let Some((key, process)) = found {
            process.kill(self.poll.registry());
            if process.is_over() {
                queue(&mut self.ready_processes, key, &mut process.queued);
            }
        }
    }

    fn write(&mut self) {
        for &key in &self.touched {
            if let Some(client) = self.clients.get_mut(key) {
                client.write(key, self.dispatcher.core, &mut self.pulled);
            }
        }
    }

    /// Looks at everything that was touched: it is over, has more to do, or waits until a time.
    fn free(&mut self) {
        let now_ms = self.dispatcher.now.mono_ms;
        for key in mem::take(&mut self.touched) {
            let Some(client) = self.clients.get_mut(key) else {
                continue;
            };
            client.touched = false;
            let limit_ms = client.settle(now_ms);
            if client.is_over() {
                self.free_client(key);
                continue;
            }
            self.timeouts.note(key, &mut client.timeout_entry, limit_ms);
            if client.may_be_read() {
                queue(&mut self.ready_clients, key, &mut client.queued);
            } else if client.can_send() {
                queue(&mut self.woken, key, &mut client.woken);
            }
        }
        let before = self.processes.len();
        let processes = &mut self.processes;
        self.ready_processes.retain(|&key| {
            let over = processes.get(key).is_none_or(Process::is_over);
            if over {
                processes.remove(key);
            }
            !over
        });
        if self.processes.len() < before {
            self.resume();
        }
    }

    fn free_client(&mut self, key: Key) {
        if let Some(mut client) = self.clients.remove(key) {
            self.timeouts.forget(key, &mut client.timeout_entry);
            self.limiter.leave(client.addr);
            if client.is_with_app() {
                self.deferred.push(DeferredEvent::Aborted(key));
            }
            client.into_source().close(self.poll.registry());
            self.resume();
        }
    }

    /// Descriptors were freed: there may be one for who waits at the door.
    fn resume(&mut self) {
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.resume();
        }
    }

    /// For the engine's clients that are left. Their containers go on: they belong to the engine.
    pub(super) fn end_children(&mut self) {
        let keys: Vec<Key> = self.processes.keys().collect();
        for key in keys {
            if let Some(process) = self.processes.remove(key) {
                process.abandon();
            }
        }
    }

    /// Sends what is left, as far as clients take it in time. Nothing is read or told any more.
    pub(super) fn drain_and_close(&mut self) {
        let until_ms = self.clock.now().mono_ms + DRAIN_LIMIT_MS;
        for (_, client) in self.clients.iter_mut() {
            client.drain_and_close(&self.date);
        }
        loop {
            self.touched = self.clients.keys().collect();
            self.write();
            let (mut left, mut busy) = (false, false);
            for (_, client) in self.clients.iter().filter(|(_, client)| !client.is_over()) {
                left |= client.has_output();
                busy |= client.can_send();
            }
            let sleep_ms = until_ms.saturating_sub(self.clock.now().mono_ms);
            if !left || sleep_ms == 0 {
                return;
            }
            let timeout = Duration::from_millis(if busy { 0 } else { sleep_ms });
            if self.wait(Some(timeout)).is_err() {
                return;
            }
        }
    }
}
