//! All children: they are started, stepped while they have work, and removed once they are over.

use mio::Registry;
use mio::event::Event;

use crate::base::key_queue::KeyQueue;
use crate::base::slab::{Key, Slab};
use crate::interface::event::{Command, Dispatcher, JobId, Worker};
use crate::shell::child::Process;
use crate::shell::limits::{CHILD_FILES, OTHER_CHILDREN_LIMIT, TASK_CHILDREN};
use crate::shell::pollable::Kind;

/// Most children of a core with so many tasks at once.
pub fn children_limit(tasks: usize) -> usize {
    OTHER_CHILDREN_LIMIT + TASK_CHILDREN * tasks
}

/// Open files that are kept for them, out of those that clients may have.
pub fn reserved_files(tasks: usize) -> usize {
    CHILD_FILES * children_limit(tasks)
}

pub struct Processes {
    slab: Slab<Process>,
    /// Children that have work without another event, and those that are over, until `remove_finished`.
    ready: KeyQueue,
}

impl Processes {
    pub fn new(limit: usize) -> Processes {
        Processes {
            slab: Slab::new(limit),
            ready: KeyQueue::default(),
        }
    }

    /// True where a child has work without another event.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Records an event of one of a child's descriptors.
    pub fn note(&mut self, kind: Kind, key: Key, event: &Event) {
        let process = self.slab.get_mut(key);
        if let Some(pollable) = process.and_then(|process| process.pollable(kind)) {
            pollable.note(event);
            self.ready.push(key);
        }
    }

    /// Starts and registers a child. An error says in words why there is none.
    pub fn start(
        &mut self,
        job: JobId,
        command: Command,
        registry: &Registry,
    ) -> Result<(), String> {
        let children = self.slab.len();
        let full = || format!("there are {children} children already");
        if self.slab.is_full() {
            return Err(full());
        }
        let process = Process::start(job, command)?;
        let key = self.slab.insert(process).ok_or_else(full)?;
        let process = self.slab.get(key);
        let registered = process.map_or(Ok(()), |process| process.register(registry, key));
        registered.map_err(|error| {
            if let Some(process) = self.slab.remove(key) {
                process.abandon();
            }
            format!("cannot poll a child: {error}")
        })
    }

    /// Kills the child of `job`. The pipes of a child that has exited already are closed instead.
    pub fn kill(&mut self, job: JobId, registry: &Registry) {
        let mut processes = self.slab.iter_mut();
        if let Some((key, process)) = processes.find(|(_, process)| process.job == job) {
            process.kill(registry);
            if process.is_over() {
                self.ready.push(key);
            }
        }
    }

    /// Steps each ready child once, within its budget, and dispatches what it did.
    pub fn step<C: Worker>(
        &mut self,
        registry: &Registry,
        buffer: &mut [u8],
        dispatcher: &mut Dispatcher<'_, C>,
    ) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop() else { return };
            let Some(process) = self.slab.get_mut(key) else {
                continue;
            };
            process.step(registry, buffer, dispatcher);
            if process.has_work() || process.is_over() {
                self.ready.push(key);
            }
        }
    }

    /// Removes children that are over. True where there was one: its descriptors are free.
    pub fn remove_finished(&mut self) -> bool {
        let before = self.slab.len();
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop() else { break };
            match self.slab.get(key) {
                Some(process) if process.is_over() => drop(self.slab.remove(key)),
                Some(_) => self.ready.push(key),
                None => {}
            }
        }
        self.slab.len() < before
    }

    /// Kills all children. A container goes on without its client: it belongs to the engine.
    pub fn abandon_all(&mut self) {
        let keys: Vec<Key> = self.slab.keys().collect();
        for process in keys.into_iter().filter_map(|key| self.slab.remove(key)) {
            process.abandon();
        }
    }
}
