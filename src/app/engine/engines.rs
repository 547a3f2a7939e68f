//! The engines that the server needs: that of this machine, and that of the node or those of the cluster if builds run
//! there.
//!
//! Each has its own state machine. The server works while all of them are ready: an engine that is away is away
//! wherever it is, and its reason names the machine.

use std::collections::HashMap;

use crate::app::engine::commands::Answer;
use crate::app::engine::engine::{Engine, EngineAction};
use crate::app::engine::kind::EngineKind;
use crate::app::engine::limits::SPARE_SLOTS_SHARE;
use crate::app::engine::listings::Image;
use crate::app::engine::nodes::Listing;
use crate::app::engine::routing::{Place, Routing};

#[derive(Debug)]
pub struct Engines {
    here: Engine,
    /// Where builds run, if that is not this machine.
    there: Option<(Place, Engine)>,
    /// The ids under which rows of the database have toolchains that had no recipe at first, by their names.
    first_ids: HashMap<String, String>,
}

impl Engines {
    /// `needs_probe`: fetches have a dedicated network.
    pub fn new(needs_probe: bool, routing: &Routing) -> Engines {
        let place = routing.of_builds();
        let there = match place {
            Place::Here => None,
            Place::Node => routing.node().map(Engine::on_node),
            Place::Cluster => routing.cluster().map(Engine::of_cluster),
        };
        Engines {
            here: Engine::new(needs_probe),
            there: there.map(|there| (place, there)),
            first_ids: HashMap::new(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Engine> {
        let there = self.there.as_ref().map(|(_, engine)| engine);
        std::iter::once(&self.here).chain(there)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Engine> {
        let there = self.there.as_mut().map(|(_, engine)| engine);
        std::iter::once(&mut self.here).chain(there)
    }

    /// The engine at that place; that of this machine if there is no such place.
    pub fn at(&self, place: Place) -> &Engine {
        match &self.there {
            Some((at, engine)) if *at == place => engine,
            _ => &self.here,
        }
    }

    fn at_mut(&mut self, place: Place) -> &mut Engine {
        match &mut self.there {
            Some((at, engine)) if *at == place => engine,
            _ => &mut self.here,
        }
    }

    /// What the scheduler of the cluster said last, if builds run on one.
    pub fn listing(&self) -> Option<&Listing> {
        let (_, engine) = self.there.as_ref()?;
        engine.listing()
    }

    /// How many tasks may run at once, `most` at most. In a cluster these are some more than its nodes hold: fetches
    /// run on this machine, and the build that is next has asked for a slot when one comes free.
    pub fn slots(&self, most: usize) -> usize {
        self.listing().map_or(most, |listing| {
            let slots = listing.slots();
            most.min(slots + (slots / SPARE_SLOTS_SHARE).max(1))
        })
    }

    /// True while containers may be started.
    pub fn is_ready(&self) -> bool {
        self.all().all(Engine::is_ready)
    }

    /// True while the latest answers are recent enough to rely on. Else call `refresh` and wait.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        self.all().all(|engine| engine.is_fresh(now_ms))
    }

    /// The latest answers, however old: why an engine is unavailable, if one is.
    pub fn latest(&self) -> Result<(), &str> {
        self.all().try_for_each(Engine::latest)
    }

    /// Why an engine did not answer when it was last asked; none if all did, or were not asked yet.
    pub fn absence(&self) -> Option<&str> {
        self.all().find_map(Engine::absence)
    }

    /// True once each engine has answered.
    pub fn has_answered(&self) -> bool {
        self.all().all(|engine| engine.has_answered)
    }

    /// The image that builds of a version are started in, as of the latest answers. In a cluster that is an image of
    /// the recipe that this machine has; nodes with another one count as nodes without. None as well where this machine
    /// has no image to fetch dependencies in.
    fn build_image(&self, zig_version: &str) -> Option<&Image> {
        let here = self.here.image(zig_version)?;
        match &self.there {
            Some((Place::Cluster, cluster)) => cluster.image(here.tag().unwrap_or(zig_version)),
            Some((_, engine)) => engine.image(zig_version),
            None => Some(here),
        }
    }

    /// The image that a toolchain is known by: that of its builds, or this machine's for a cluster, whose nodes have
    /// no ids in common.
    fn known(&self, zig_version: &str) -> Option<&Image> {
        let image = self.build_image(zig_version)?;
        match &self.there {
            Some((Place::Cluster, _)) => self.here.image(zig_version),
            _ => Some(image),
        }
    }

    /// The toolchain of a version, as rows of the database have it: its recipe, or the id of an image. Two images of
    /// one recipe are one toolchain, whatever their ids are.
    pub fn toolchain(&self, zig_version: &str) -> Option<&str> {
        let name = &self.known(zig_version)?.name;
        Some(self.first_ids.get(name).unwrap_or(name))
    }

    /// The toolchain of a version that builds can run in now: not one whose image only nodes out of service have.
    pub fn served_toolchain(&self, zig_version: &str) -> Option<&str> {
        let tag = self.here.image(zig_version)?.tag();
        let listing = self.listing();
        let is_served = listing.is_none_or(|nodes| nodes.serves(tag.unwrap_or(zig_version)));
        self.toolchain(zig_version).filter(|_| is_served)
    }

    /// The image of a version whose recipe is not known to be that of an id.
    pub fn newly_named(&self, zig_version: &str) -> Option<&Image> {
        let image = self.known(zig_version)?;
        let is_new = image.name != image.id && !self.first_ids.contains_key(&image.name);
        is_new.then_some(image)
    }

    /// From now on rows with this id are of the toolchain of that name.
    pub fn set_first_id(&mut self, name: String, id: String) {
        self.first_ids.insert(name, id);
    }

    /// What builds and fetches of a toolchain are started in.
    pub fn images(&self, zig_version: &str) -> Option<(String, String)> {
        let image = self.build_image(zig_version)?;
        let fetch_image = self.here.image(zig_version)?;
        Some((image.name.clone(), fetch_image.name.clone()))
    }

    /// The name of any image of this machine; empty if there is none.
    pub fn any_image(&self) -> &str {
        self.here.any_image()
    }

    /// True if a probe has confirmed that the fetch network reaches only public addresses.
    pub fn is_guarded(&self) -> bool {
        self.here.is_guarded()
    }

    /// The versions that an engine has no image of, as of the latest answers.
    pub fn missing<'v>(&self, zig_versions: &'v [String]) -> impl Iterator<Item = &'v String> {
        let versions = zig_versions.iter();
        versions.filter(|version| self.known(version).is_none())
    }

    /// True while an answer is awaited.
    pub fn is_asking(&self) -> bool {
        self.all().any(Engine::is_asking)
    }

    /// Asks each engine anew, unless its answer is awaited already.
    pub fn refresh(&mut self) -> Vec<(Place, EngineAction)> {
        let here = self.here.refresh().map(|action| (Place::Here, action));
        let there = self.there.as_mut();
        let there = there.and_then(|(place, engine)| Some((*place, engine.refresh()?)));
        here.into_iter().chain(there).collect()
    }

    /// What the engine at that place is; none while it is absent.
    pub fn kind(&self, place: Place) -> Option<EngineKind> {
        self.at(place).kind()
    }

    /// Why the server must not start on these engines.
    pub fn refused(&self) -> Option<&str> {
        self.all().find_map(Engine::refused)
    }

    /// When waiting tasks should ask an absent engine again.
    pub fn retry_ms(&self) -> Option<u64> {
        self.all().filter_map(Engine::retry_ms).min()
    }

    /// Schedules an extra cleanup: a client was killed that may have asked for a container.
    pub fn schedule_cleanup(&mut self, now_ms: u64) {
        self.all_mut()
            .for_each(|engine| engine.schedule_cleanup(now_ms));
    }

    /// The time of the next `take_due_cleanup`.
    pub fn cleanup_ms(&self) -> Option<u64> {
        self.all().filter_map(Engine::cleanup_ms).min()
    }

    /// True if containers may be left over since an engine answered last.
    pub fn cleanup_due(&self) -> bool {
        self.all().any(Engine::cleanup_due)
    }

    /// True if an extra cleanup is due; the caller then refreshes the engines.
    pub fn take_due_cleanup(&mut self, now_ms: u64) -> bool {
        let mut due = false;
        for engine in self.all_mut() {
            due |= engine.take_due_cleanup(now_ms);
        }
        due
    }

    /// A task needs an image that is missing: all images are listed at that time at the latest.
    pub fn want_images(&mut self, at_ms: u64) {
        self.all_mut().for_each(|engine| engine.want_images(at_ms));
    }

    /// A build asks for a slot of the cluster, or has got one: its nodes are listed at that time at the latest.
    pub fn want_nodes(&mut self, at_ms: u64) {
        if let Some((Place::Cluster, cluster)) = &mut self.there {
            cluster.want_images(at_ms);
        }
    }

    /// Somebody looks at the nodes: they are listed now, unless the latest answer is recent.
    pub fn want_fresh_nodes(&mut self, now_ms: u64) {
        if let Some((Place::Cluster, cluster)) = &mut self.there
            && !cluster.is_fresh(now_ms)
        {
            cluster.want_images(now_ms);
        }
    }

    /// The time of the next `refresh_due`.
    pub fn images_wanted_ms(&self) -> Option<u64> {
        self.all().filter_map(Engine::images_wanted_ms).min()
    }

    /// Asks those engines anew whose images are to be listed by now.
    pub fn refresh_due(&mut self, now_ms: u64) -> Vec<(Place, EngineAction)> {
        let there = self.there.as_mut().map(|(place, engine)| (*place, engine));
        let all = std::iter::once((Place::Here, &mut self.here)).chain(there);
        let due = all.filter_map(|(place, engine)| {
            let is_due = engine.take_due_images(now_ms);
            let action = if is_due { engine.refresh() } else { None };
            action.map(|action| (place, action))
        });
        due.collect()
    }

    /// Forgets that the engine at that place is ready: a job met an error of it.
    pub fn invalidate(&mut self, place: Place) {
        self.at_mut(place).invalidate();
    }

    /// Takes the answer to the latest action of an engine and returns its next action.
    pub fn answer(&mut self, place: Place, answer: Answer, now_ms: u64) -> Option<EngineAction> {
        self.at_mut(place).answer(answer, now_ms)
    }
}
