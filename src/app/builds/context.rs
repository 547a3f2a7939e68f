//! The rest of the server, as far as builds need it.

use crate::app::domain::verdict::State;
use crate::app::engine::Engine;
use crate::app::engine::commands::EngineCommands;
use crate::app::engine::docker::Docker;
use crate::app::live::feed::Feed;
use crate::app::store::{self, Store};
use crate::interface::event::Now;
use crate::interface::outbox::Outbox;

/// The rest of the server, as far as work needs it.
pub struct Context<'a> {
    pub store: &'a mut Store,
    pub docker: &'a Docker,
    pub engine: &'a mut Engine,
    pub commands: &'a mut EngineCommands,
    pub feed: &'a mut Feed,
    pub out: &'a mut Outbox,
    pub now: Now,
}

impl Context<'_> {
    /// Writes where a build is, and lets the world know.
    pub fn set_state(&mut self, build: i64, state: State, attempt: u32) -> store::Result<()> {
        match self.store.set_state(build, state, attempt)? {
            true => self.tell(build),
            false => Ok(()),
        }
    }

    pub fn tell(&mut self, build: i64) -> store::Result<()> {
        let row = self.store.build(build)?.expect("it was just written");
        let at = self.now.unix_ms;
        self.feed.changed(self.store, &row, at, self.out)
    }
}
