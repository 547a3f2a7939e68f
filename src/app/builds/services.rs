//! What builds need of the rest of the server: the store, the engine, the watchers, and the actions of this turn.

use crate::app::builds::times::BuildTimes;
use crate::app::domain::ids::BuildId;
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::State;
use crate::app::engine::commands::{EngineCommands, Purpose};
use crate::app::engine::docker::Docker;
use crate::app::engine::engines::Engines;
use crate::app::live::feed::Feed;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::store::{self, Store};
use crate::app::store::toolchains;
use crate::config::settings::Settings;
use crate::interface::event::{Command, Now};
use crate::interface::outbox::Outbox;

pub struct Services {
    pub store: Store,
    pub docker: Docker,
    pub engine: Engines,
    pub commands: EngineCommands,
    pub feed: Feed,
    pub out: Outbox,
    pub times: BuildTimes,
    /// The clocks as of the event at hand; set once for each event.
    pub now: Now,
}

impl Services {
    pub fn open(settings: &Settings, store: Store, now: Now) -> store::Result<Services> {
        let docker = Docker::new(settings, &store.identity.data_id, &store.identity.secret);
        let mut engine = Engines::new(settings.guards_fetches(), docker.routing());
        for (recipe, id) in toolchains::first_ids(&store)? {
            engine.set_first_id(recipe, id);
        }
        Ok(Services {
            engine,
            docker,
            commands: EngineCommands::default(),
            feed: Feed::new(settings, &store)?,
            out: Outbox::default(),
            times: BuildTimes::default(),
            store,
            now,
        })
    }

    /// Starts a short engine command, whose answer comes with its purpose.
    pub fn start(&mut self, command: Command, purpose: Purpose) {
        let now_ms = self.now.mono_ms;
        self.commands.start(command, purpose, &mut self.out, now_ms);
    }

    pub fn kill_container(&mut self, name: &str) {
        let kill = self.docker.kill(name);
        self.start(kill, Purpose::Nothing);
    }

    /// Stores the state of a build and publishes an event if that changed it.
    pub fn set_state(&mut self, build: BuildId, state: State, attempt: u32) -> store::Result<()> {
        match builds::set_state(&mut self.store, build, state, attempt)? {
            true => self.publish(build),
            false => Ok(()),
        }
    }

    /// Publishes the row of a build as an event.
    pub fn publish(&mut self, build: BuildId) -> store::Result<()> {
        let row = builds::by_id(&self.store, build)?.expect("it was just written");
        self.publish_row(&row, None)
    }

    /// Publishes the state of a build, or what its verdict changes.
    pub fn publish_row(
        &mut self,
        row: &BuildRow,
        transition: Option<Transition>,
    ) -> store::Result<()> {
        let at = self.now.unix_ms;
        let (store, out) = (&mut self.store, &mut self.out);
        self.feed.publish(store, (row, transition), at, out)
    }
}
