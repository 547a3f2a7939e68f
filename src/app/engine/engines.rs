//! The engines that the server needs: that of this machine, and that of the node if builds run on one.
//!
//! Each has its own state machine. The server works while all of them are ready: an engine that is away is away
//! wherever it is, and its reason names the machine.

use crate::app::engine::commands::Answer;
use crate::app::engine::engine::{Engine, EngineAction};
use crate::app::engine::kind::EngineKind;
use crate::app::engine::routing::Place;

#[derive(Debug)]
pub struct Engines {
    here: Engine,
    node: Option<Engine>,
}

impl Engines {
    /// `needs_probe`: fetches have a dedicated network; `node`: the name of the machine that builds run on.
    pub fn new(needs_probe: bool, node: Option<&str>) -> Engines {
        Engines {
            here: Engine::new(needs_probe),
            node: node.map(Engine::on_node),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Engine> {
        std::iter::once(&self.here).chain(&self.node)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Engine> {
        std::iter::once(&mut self.here).chain(&mut self.node)
    }

    /// The engine at that place; that of this machine if there is no node.
    pub fn at(&self, place: Place) -> &Engine {
        match (place, &self.node) {
            (Place::Node, Some(node)) => node,
            _ => &self.here,
        }
    }

    fn of_builds(&self) -> &Engine {
        self.at(Place::Node)
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

    /// The image id that builds of a toolchain run in, as of the latest answers. None as well where this machine has no
    /// image to fetch their dependencies in.
    pub fn image(&self, zig_version: &str) -> Option<&str> {
        self.fetch_image(zig_version)?;
        self.of_builds().image(zig_version)
    }

    /// The image id that fetches for a toolchain run in. Images made on two machines have two ids.
    pub fn fetch_image(&self, zig_version: &str) -> Option<&str> {
        self.here.image(zig_version)
    }

    /// The ids of both.
    pub fn images(&self, zig_version: &str) -> Option<(String, String)> {
        let both = self.image(zig_version).zip(self.fetch_image(zig_version));
        both.map(|(image, fetch_image)| (image.to_string(), fetch_image.to_string()))
    }

    /// The id of any image of this machine; empty if there is none.
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
        versions.filter(|version| self.image(version).is_none())
    }

    /// True while an answer is awaited.
    pub fn is_asking(&self) -> bool {
        self.all().any(Engine::is_asking)
    }

    /// Asks each engine anew, unless its answer is awaited already.
    pub fn refresh(&mut self) -> Vec<(Place, EngineAction)> {
        let here = self.here.refresh().map(|action| (Place::Here, action));
        let node = self.node.as_mut().and_then(Engine::refresh);
        let node = node.map(|action| (Place::Node, action));
        here.into_iter().chain(node).collect()
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

    /// A task needs an image that is missing: the images are listed at that time, or at one that is known already.
    pub fn want_images(&mut self, at_ms: u64) {
        self.here.want_images(at_ms);
    }

    /// The time of the next `take_due_images`.
    pub fn images_wanted_ms(&self) -> Option<u64> {
        self.here.images_wanted_ms()
    }

    /// True if the images are to be listed now; the caller then refreshes the engines.
    pub fn take_due_images(&mut self, now_ms: u64) -> bool {
        self.here.take_due_images(now_ms)
    }

    /// Forgets that the engines are ready: a job met an error of one.
    pub fn invalidate(&mut self) {
        self.all_mut().for_each(Engine::invalidate);
    }

    /// Takes the answer to the latest action of an engine and returns its next action.
    pub fn answer(&mut self, place: Place, answer: Answer, now_ms: u64) -> Option<EngineAction> {
        match (place, &mut self.node) {
            (Place::Node, Some(node)) => node.answer(answer, now_ms),
            _ => self.here.answer(answer, now_ms),
        }
    }
}
