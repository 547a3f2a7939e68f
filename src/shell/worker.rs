//! A loop for a core that has children and no clients: wait, dispatch, commit once, act.

use std::io::ErrorKind;
use std::mem;
use std::time::Duration;

use mio::{Events, Interest, Poll};

use crate::interface::event::{Action, Dispatcher, Event, Exit, JobId, Worker};
use crate::shell::clock::Clock;
use crate::shell::limits::{EVENTS_LIMIT, OTHER_CHILDREN_LIMIT, TURN_LIMIT_BYTES};
use crate::shell::pollable::{IoResult, Kind, Pollable, decode_token, token_of_one};
use crate::shell::processes::Processes;
use crate::shell::signal::SignalPipes;

/// Runs the core until it has stopped. An error ends the program: one line.
pub fn run<C: Worker>(core: &mut C, signals: SignalPipes, clock: Clock) -> Result<(), String> {
    let named = |error: std::io::Error| format!("cannot poll: {error}");
    let mut turns = Turns::new(core, signals, clock).map_err(named)?;
    let result = turns.run();
    turns.processes.abandon_all();
    result
}

struct Turns<'a, C: Worker> {
    poll: Poll,
    events: Events,
    clock: Clock,
    dispatcher: Dispatcher<'a, C>,
    stop_signals: Pollable,
    processes: Processes,
    /// Children that could not be started. The next turn says so, and comes at once.
    not_started: Vec<(JobId, String)>,
    buffer: Vec<u8>,
}

impl<'a, C: Worker> Turns<'a, C> {
    fn new(core: &'a mut C, signals: SignalPipes, clock: Clock) -> std::io::Result<Turns<'a, C>> {
        let poll = Poll::new()?;
        let stop_signals = Pollable::new(signals.stop)?;
        stop_signals.register(
            poll.registry(),
            token_of_one(Kind::Stop),
            Interest::READABLE,
        )?;
        Ok(Turns {
            poll,
            events: Events::with_capacity(EVENTS_LIMIT),
            clock,
            dispatcher: Dispatcher::new(core, clock.now()),
            stop_signals,
            processes: Processes::new(OTHER_CHILDREN_LIMIT),
            not_started: Vec::new(),
            buffer: vec![0; TURN_LIMIT_BYTES],
        })
    }

    fn run(&mut self) -> Result<(), String> {
        // What is due already starts without an event.
        self.dispatcher.dispatch(Event::Time);
        self.settle()?;
        while !self.dispatcher.core.stopped() {
            self.wait()?;
            self.turn()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), String> {
        let now_ms = self.dispatcher.now.mono_ms;
        let timeout = match self.processes.has_ready() || !self.not_started.is_empty() {
            true => Some(Duration::ZERO),
            false => {
                let deadline = self.dispatcher.core.deadline();
                deadline.map(|at| Duration::from_millis(at.saturating_sub(now_ms)))
            }
        };
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            // A signal handler ran. The next turn has the events.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot poll: {error}")),
        }
        self.dispatcher.now = self.clock.now();
        for event in &self.events {
            match decode_token(event.token()) {
                (Kind::Stop, _) => self.stop_signals.note(event),
                (kind, key) => self.processes.note(kind, key, event),
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), String> {
        for (job, why) in mem::take(&mut self.not_started) {
            let exit = Exit::NotStarted(why);
            self.dispatcher.dispatch(Event::Exited { job, exit });
        }
        let (buffer, dispatcher) = (&mut self.buffer, &mut self.dispatcher);
        self.processes
            .step(self.poll.registry(), buffer, dispatcher);
        let mut bytes = [0; 16];
        while self.stop_signals.readable()
            && let IoResult::Bytes(_) = self.stop_signals.read(&mut bytes)
        {
            self.dispatcher.dispatch(Event::Stop);
        }
        let deadline_ms = self.dispatcher.core.deadline();
        if deadline_ms.is_some_and(|at| at <= self.dispatcher.now.mono_ms) {
            self.dispatcher.dispatch(Event::Time);
        }
        self.settle()
    }

    /// Commits, then acts: nobody is asked for something that is not on the disk.
    fn settle(&mut self) -> Result<(), String> {
        self.dispatcher.core.commit(self.dispatcher.now)?;
        let registry = self.poll.registry();
        for action in mem::take(&mut self.dispatcher.pending) {
            match action {
                Action::Spawn { job, command } => {
                    if let Err(why) = self.processes.start(job, command, registry) {
                        self.not_started.push((job, why));
                    }
                }
                Action::Kill { job } => self.processes.kill(job, registry),
                // A core without clients answers none.
                Action::Respond { .. }
                | Action::Stream { .. }
                | Action::Upgrade { .. }
                | Action::Wake { .. } => {}
            }
        }
        self.processes.remove_finished();
        Ok(())
    }
}
