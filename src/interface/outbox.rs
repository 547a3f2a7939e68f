//! The actions of a turn, in the order in which the shell performs them, and the ids of new jobs.

use std::collections::VecDeque;

use crate::base::slab::Key;
use crate::interface::event::{Action, Command, JobId};
use crate::interface::message::Response;

#[derive(Debug, Default)]
pub struct Outbox {
    actions: VecDeque<Action>,
    jobs: u64,
}

impl Outbox {
    pub fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub fn respond(&mut self, conn: Key, response: Response) {
        self.push(Action::Respond { conn, response });
    }

    /// Queues the start of a child process; its id.
    pub fn spawn(&mut self, command: Command) -> JobId {
        self.jobs += 1;
        let job = JobId(self.jobs);
        self.push(Action::Spawn { job, command });
        job
    }

    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    pub fn take(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
