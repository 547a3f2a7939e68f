//! The state of the container engine: whether it answers, whether it is fit, and which toolchains it has.
//!
//! ```text
//!   (to a node: Connecting)
//!     |
//!     v      fit            images, not cleaned up           removed             closed
//!   Checking ---> Listing -----------------------> Cleaning ---------> Probing ---------> Ready
//!     ^  |         ^  |   images                                         |                 |
//!     |  |         |  '--------> straight to Ready where all that is done|                 | an engine error, or
//!     |  | not fit '-----------------------------------------------------|-----------------' the answer is old
//!     |  v                                                               | open              and somebody asks
//!   Absent <-------------------------------------------------------------'
//!     from any state: no answer
//! ```
//!
//! Connecting: the engine of a node is reached through a connection that ssh holds. It is opened before the engine is
//! asked what it is, and that changes nothing if it is open.
//!
//! The engines of a cluster are one such machine: its scheduler answers for all of them, begins with the images that
//! they have, and calls their containers by its allocations. What each engine is fit for is its node's concern.
//!
//! Cleaning is two states: `ListingContainers`, then, where some are left over, `Removing`. A container may go by
//! itself meanwhile, and the engine then refuses to remove it: containers are listed once more. Only the last error of
//! a removal is known, and others may have stayed.
//!
//! Probing: with a dedicated fetch network the engine counts as unavailable until a probe container on that network
//! has confirmed that private addresses are unreachable.
//!
//! The engine is not polled. It is asked when a request, a waiting task or a recheck needs to know. While it is
//! absent and tasks wait, or containers may be left over, it is asked again after growing pauses.
//!
//! Cleanup: before the first container of this run starts, and when the engine comes back, the containers of this data
//! directory that belong to no attempt in progress are removed. The client of a killed `docker run` may have left the
//! engine a container to create: where that is possible, another cleanup follows after `CLEANUP_DELAY_MS`.

use std::collections::HashMap;

use crate::app::engine::capabilities::{Capabilities, list_missing, read_capabilities};
use crate::app::engine::commands::Answer;
use crate::app::engine::docker;
use crate::app::engine::kind::EngineKind;
use crate::app::engine::limits::{CLEANUP_DELAY_MS, ENGINE_RETRY_MS};
use crate::app::engine::listings::{self, Image};
use crate::app::engine::nodes::Listing;
use crate::app::engine::slurm::Cluster;
use crate::config::limits::ENGINE_FRESH_MS;

/// What an administrator does about a missing image.
pub const MAKE_IMAGES: &str = "make docker-build makes it, and so does the service zigcheck-images";

/// The end of what the engine says about a container that it removes already.
const REMOVED_BY_ITSELF: &str = "is already in progress";

/// The command to run next on the engine's behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAction {
    /// Connect this machine with the engine's.
    Connect,
    /// Ask the engine for its capabilities.
    ReadInfo,
    ListImages,
    ListContainers,
    /// Remove these containers, except those of attempts in progress.
    Remove(Vec<String>),
    /// Ask a container on the fetch network what it reaches: `docker::CLOSED`, or a description.
    ProbeNetwork,
}

#[derive(Debug)]
enum State {
    /// Not asked yet, or an error came since.
    Unknown,
    Connecting,
    Checking,
    ListingImages,
    ListingContainers {
        is_second: bool,
    },
    Removing {
        is_second: bool,
    },
    Probing,
    Ready {
        since_ms: u64,
    },
    Absent {
        why: String,
        retry_ms: u64,
    },
}

/// Where an engine is.
#[derive(Debug)]
enum Whereabouts {
    Here,
    /// On the node of that name, over ssh.
    Node(String),
    /// On the nodes of a cluster.
    Cluster {
        cluster: Cluster,
        listing: Listing,
    },
}

#[derive(Debug)]
pub struct Engine {
    state: State,
    whereabouts: Whereabouts,
    /// Read when the engine came; none while it is absent.
    capabilities: Option<Capabilities>,
    /// The latest answer about capabilities lacked a required one.
    is_unfit: bool,
    pub has_answered: bool,
    /// Why it did not answer when it was last asked, until it does.
    absence: Option<String>,
    cleaned_up: bool,
    /// The fetch network has been probed, or need not be.
    probed: bool,
    needs_probe: bool,
    /// The time of the next extra cleanup.
    cleanup_ms: Option<u64>,
    /// The time of the last extra cleanup that was scheduled.
    last_cleanup_ms: u64,
    /// Images by Zig version.
    images: HashMap<String, Image>,
    /// When they are listed again for a task that waits.
    images_wanted_ms: Option<u64>,
    pause_ms: u64,
}

impl Engine {
    /// `needs_probe`: fetches have a dedicated network, which must be probed.
    pub fn new(needs_probe: bool) -> Engine {
        Engine {
            state: State::Unknown,
            whereabouts: Whereabouts::Here,
            capabilities: None,
            is_unfit: false,
            has_answered: false,
            absence: None,
            cleaned_up: false,
            probed: !needs_probe,
            needs_probe,
            cleanup_ms: None,
            last_cleanup_ms: 0,
            images: HashMap::new(),
            images_wanted_ms: None,
            pause_ms: ENGINE_RETRY_MS.0,
        }
    }

    /// The engine of the machine that builds run on.
    pub fn on_node(name: &str) -> Engine {
        Engine {
            whereabouts: Whereabouts::Node(name.to_string()),
            ..Engine::new(false)
        }
    }

    /// The engines of a cluster.
    pub fn of_cluster(cluster: &Cluster) -> Engine {
        let (cluster, listing) = (cluster.clone(), Listing::default());
        Engine {
            whereabouts: Whereabouts::Cluster { cluster, listing },
            ..Engine::new(false)
        }
    }

    /// The machine it is on, if it is a certain other one.
    pub fn node(&self) -> Option<&str> {
        match &self.whereabouts {
            Whereabouts::Node(name) => Some(name),
            Whereabouts::Here | Whereabouts::Cluster { .. } => None,
        }
    }

    /// What its scheduler said last, if it is a cluster.
    pub fn listing(&self) -> Option<&Listing> {
        match &self.whereabouts {
            Whereabouts::Cluster { listing, .. } => Some(listing),
            Whereabouts::Here | Whereabouts::Node(_) => None,
        }
    }

    /// True while containers may be started.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// True while the latest answer is recent enough to rely on. Else call `refresh` and wait.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        match self.state {
            State::Ready { since_ms } => now_ms < since_ms + ENGINE_FRESH_MS,
            _ => false,
        }
    }

    /// The latest answer, however old: why the engine is unavailable, if it is.
    pub fn latest(&self) -> Result<(), &str> {
        match &self.state {
            State::Ready { .. } => Ok(()),
            State::Absent { why, .. } => Err(why),
            _ => Err("the engine has not answered yet"),
        }
    }

    /// Why the engine did not answer when it was last asked; none if it did, or was not asked yet. While it is being
    /// asked, this is what was known before.
    pub fn absence(&self) -> Option<&str> {
        self.absence.as_deref()
    }

    /// The image of a toolchain, as of the latest answer.
    pub fn image(&self, zig_version: &str) -> Option<&Image> {
        self.images.get(zig_version)
    }

    /// True if a probe has confirmed that the fetch network reaches only public addresses.
    pub fn is_guarded(&self) -> bool {
        self.needs_probe && self.probed
    }

    /// The name of any image, always the same one; empty if there is none.
    pub fn any_image(&self) -> &str {
        let names = self.images.values().map(|image| image.name.as_str());
        names.min().unwrap_or_default()
    }

    /// True while an answer is awaited.
    pub fn is_asking(&self) -> bool {
        matches!(
            self.state,
            State::Connecting
                | State::Checking
                | State::ListingImages
                | State::ListingContainers { .. }
                | State::Removing { .. }
                | State::Probing
        )
    }

    /// Asks the engine anew, unless an answer is awaited already.
    pub fn refresh(&mut self) -> Option<EngineAction> {
        if self.is_asking() {
            return None;
        }
        let is_known = self.capabilities.is_some();
        let (state, action) = match &self.whereabouts {
            Whereabouts::Node(_) if !is_known => (State::Connecting, EngineAction::Connect),
            Whereabouts::Here if !is_known => (State::Checking, EngineAction::ReadInfo),
            _ => (State::ListingImages, EngineAction::ListImages),
        };
        self.state = state;
        Some(action)
    }

    /// The recommended capabilities that the engine lacks; empty while it is absent.
    pub fn recommended(&self) -> &[&'static str] {
        let capabilities = self.capabilities.as_ref();
        capabilities.map_or(&[], |capabilities| &capabilities.recommended)
    }

    /// What the engine is; none while it is absent.
    pub fn kind(&self) -> Option<EngineKind> {
        self.capabilities.as_ref().map(|c| c.kind)
    }

    /// True while the engine is asked for its capabilities.
    pub fn is_checking(&self) -> bool {
        matches!(self.state, State::Checking)
    }

    /// Why the server must not start on this engine. A server that has run builds goes on when an unfit engine replaces
    /// the first one: it treats that as an absent engine.
    pub fn refused(&self) -> Option<&str> {
        match &self.state {
            State::Absent { why, .. } if self.is_unfit && !self.has_answered => Some(why),
            _ => None,
        }
    }

    /// When waiting tasks should ask an absent engine again.
    pub fn retry_ms(&self) -> Option<u64> {
        match &self.state {
            State::Unknown => Some(0),
            State::Absent { retry_ms, .. } => Some(*retry_ms),
            _ => None,
        }
    }

    /// Schedules an extra cleanup: a client was killed that may have asked for a container.
    pub fn schedule_cleanup(&mut self, now_ms: u64) {
        self.last_cleanup_ms = now_ms + CLEANUP_DELAY_MS;
        self.cleanup_ms.get_or_insert(self.last_cleanup_ms);
    }

    /// The time of the next `take_due_cleanup`. None while an answer is awaited: it may be older than the need.
    pub fn cleanup_ms(&self) -> Option<u64> {
        self.cleanup_ms.filter(|_| !self.is_asking())
    }

    /// True if containers may be left over since the engine answered last.
    pub fn cleanup_due(&self) -> bool {
        !self.cleaned_up
    }

    /// True if an extra cleanup is due; the caller then refreshes the engine.
    pub fn take_due_cleanup(&mut self, now_ms: u64) -> bool {
        if self.is_asking() {
            return false;
        }
        let due = self.cleanup_ms.take_if(|at| *at <= now_ms).is_some();
        if due {
            self.cleaned_up = false;
            // Another client was killed after the first: its container may be created after this cleanup.
            self.cleanup_ms = Some(self.last_cleanup_ms).filter(|at| *at > now_ms);
        }
        due
    }

    /// A task needs an image that is missing, or a slot of the cluster: images and nodes are listed at that time, or at
    /// an earlier one that is known already.
    pub fn want_images(&mut self, at_ms: u64) {
        let earlier = self.images_wanted_ms.map_or(at_ms, |at| at.min(at_ms));
        self.images_wanted_ms = Some(earlier);
    }

    /// The time of the next `take_due_images`.
    pub fn images_wanted_ms(&self) -> Option<u64> {
        self.images_wanted_ms
    }

    /// True if the images are to be listed now; the caller then refreshes the engine.
    pub fn take_due_images(&mut self, now_ms: u64) -> bool {
        let due = self.images_wanted_ms.take_if(|at| *at <= now_ms);
        due.is_some()
    }

    /// Forgets that the engine is ready: a job met an error of it.
    pub fn invalidate(&mut self) {
        if self.is_ready() {
            self.state = State::Unknown;
        }
    }

    /// Takes the answer to the latest action and returns the next action. Ignores an answer that nobody awaits.
    pub fn answer(&mut self, answer: Answer, now_ms: u64) -> Option<EngineAction> {
        if !self.is_asking() {
            return None;
        }
        let text = match answer {
            Ok(text) => text,
            Err(why) if matches!(self.state, State::Probing) => {
                // The usual reason is that there is no such network.
                return self.become_absent(
                    format!("{why}; `make fetch-network` as root makes it"),
                    now_ms,
                );
            }
            Err(why)
                if matches!(self.state, State::Removing { is_second: false })
                    && why.contains(REMOVED_BY_ITSELF) =>
            {
                return self.list_containers(true);
            }
            Err(why) => return self.become_absent(why, now_ms),
        };
        match self.state {
            State::Connecting => {
                self.state = State::Checking;
                Some(EngineAction::ReadInfo)
            }
            State::Checking => self.take_info(&text, now_ms),
            State::ListingImages => self.take_images(&text, now_ms),
            State::ListingContainers { is_second } => {
                let names = match &self.whereabouts {
                    Whereabouts::Cluster { cluster, .. } => cluster.own_allocations(&text),
                    _ => listings::containers(&text),
                };
                if names.is_empty() {
                    return self.cleanup_done(now_ms);
                }
                self.state = State::Removing { is_second };
                Some(EngineAction::Remove(names))
            }
            State::Removing { .. } => self.cleanup_done(now_ms),
            State::Probing if text.trim() == docker::CLOSED => {
                self.probed = true;
                self.cleanup_done(now_ms)
            }
            State::Probing => self.become_absent(text.trim().to_string(), now_ms),
            State::Unknown | State::Ready { .. } | State::Absent { .. } => None,
        }
    }

    fn list_containers(&mut self, is_second: bool) -> Option<EngineAction> {
        self.state = State::ListingContainers { is_second };
        Some(EngineAction::ListContainers)
    }

    fn take_info(&mut self, text: &str, now_ms: u64) -> Option<EngineAction> {
        let capabilities = match read_capabilities(text) {
            Ok(capabilities) => capabilities,
            Err(why) => return self.become_absent(why, now_ms),
        };
        self.is_unfit = !capabilities.missing.is_empty();
        if self.is_unfit {
            let why = format!("it has {}", list_missing(&capabilities.missing));
            return self.become_absent(why, now_ms);
        }
        self.capabilities = Some(capabilities);
        self.state = State::ListingImages;
        Some(EngineAction::ListImages)
    }

    fn take_images(&mut self, text: &str, now_ms: u64) -> Option<EngineAction> {
        let images = match &mut self.whereabouts {
            Whereabouts::Cluster { cluster, listing } => {
                *listing = Listing::read(text, cluster);
                listing.images()
            }
            _ => Ok(listings::images(text)),
        };
        self.images = match images {
            Ok(images) => images,
            Err(why) => return self.become_absent(why, now_ms),
        };
        if self.cleaned_up {
            return self.cleanup_done(now_ms);
        }
        self.list_containers(false)
    }

    fn become_absent(&mut self, why: String, now_ms: u64) -> Option<EngineAction> {
        // Its containers may have lost their clients, and another engine may come back: start from the beginning.
        self.cleaned_up = false;
        self.capabilities = None;
        self.probed = !self.needs_probe;
        let why = match self.state {
            State::Probing => format!("the fetch network: {why}"),
            _ => why,
        };
        let why = match &self.whereabouts {
            Whereabouts::Here => why,
            Whereabouts::Node(node) => format!("node {node}: {why}"),
            Whereabouts::Cluster { .. } => format!("the cluster: {why}"),
        };
        self.absence = Some(why.clone());
        self.state = State::Absent {
            why,
            retry_ms: now_ms + self.pause_ms,
        };
        self.pause_ms = (self.pause_ms * 2).min(ENGINE_RETRY_MS.1);
        None
    }

    fn cleanup_done(&mut self, now_ms: u64) -> Option<EngineAction> {
        self.cleaned_up = true;
        // The probe runs in an image; without one no fetch can run either.
        if !self.probed && !self.images.is_empty() {
            self.state = State::Probing;
            return Some(EngineAction::ProbeNetwork);
        }
        self.has_answered = true;
        self.absence = None;
        self.pause_ms = ENGINE_RETRY_MS.0;
        self.state = State::Ready { since_ms: now_ms };
        None
    }
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new(false)
    }
}
