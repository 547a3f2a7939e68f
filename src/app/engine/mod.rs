//! Is there an engine, and which toolchains does it have?
//!
//! ```text
//!           fit            answers, not swept             names gone              closed
//!   Checking ---> Asking ----------------------> Listing -----------> Probing ---------> Ready
//!     ^  |         ^  |                                                  |                 |
//!     |  |         |  '--- answers, swept and probed: straight to Ready  |                 | an engine error,
//!     |  | not fit '-----------------------------------------------------|-----------------' or the answer grew
//!     |  v                                                               | open              old and somebody asks
//!   Absent <-------------------------------------------------------------'
//!     from anywhere: no answer
//! ```
//!
//! Probing: where fetches have a network of their own, a container of it has to find that nothing can
//! be reached which is not public. An engine without such a network is as good as none.
//!
//! Nothing is asked of it regularly: only when a request, waiting work or a look at a remote needs to
//! know. While it is absent and work waits, or containers may be there that nobody knows, it is asked
//! again after growing pauses.
//!
//! Sweeping: before the first container of this run starts, and when the engine comes back, those
//! of the same data directory that no attempt under way knows are removed. A client that was killed may
//! have left the engine a container to make: where that is possible, they are swept once more.

pub mod capabilities;
pub mod commands;
pub mod docker;
pub mod job;
pub mod limits;

use std::collections::HashMap;

use crate::app::engine::capabilities::{Capabilities, listed, read_capabilities};
use crate::app::engine::limits::{CLEANUP_DELAY_MS, ENGINE_RETRY_MS};
use crate::config::limits::ENGINE_FRESH_MS;

/// What is to be run for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// What it says of itself.
    Info,
    Images,
    Containers,
    Remove(Vec<String>),
    /// What the network of fetches reaches: `docker::CLOSED`, or else in words.
    Probe,
}

/// What a short engine command gave: its standard output, or why there is none.
pub type Answer = Result<String, String>;

#[derive(Debug)]
enum State {
    /// Never asked, or an error since.
    Unknown,
    Checking,
    Asking,
    Listing,
    Removing,
    Probing,
    Ready {
        since_ms: u64,
    },
    Absent {
        why: String,
        retry_ms: u64,
    },
}

#[derive(Debug)]
pub struct Engine {
    state: State,
    /// What the engine there is has not, as it said when it came.
    capabilities: Option<Capabilities>,
    /// The last that said it may not run anything.
    is_unfit: bool,
    was_ready: bool,
    cleaned_up: bool,
    /// The network of fetches is what it should be, or nobody cares.
    probed: bool,
    probes: bool,
    /// When to sweep again.
    cleanup_ms: Option<u64>,
    /// When the last sweep is due that was asked for.
    last_cleanup_ms: u64,
    images: HashMap<String, String>,
    pause_ms: u64,
}

impl Engine {
    /// One whose network of fetches is looked at, if it is to be guarded.
    pub fn new(probes: bool) -> Engine {
        Engine {
            state: State::Unknown,
            capabilities: None,
            is_unfit: false,
            was_ready: false,
            cleaned_up: false,
            probed: !probes,
            probes,
            cleanup_ms: None,
            last_cleanup_ms: 0,
            images: HashMap::new(),
            pause_ms: ENGINE_RETRY_MS.0,
        }
    }

    /// Containers may be started.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// True while the last answer is young enough to be used as it is; else call `refresh` and wait.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        matches!(self.state, State::Ready { since_ms } if now_ms < since_ms + ENGINE_FRESH_MS)
    }

    /// What the last answer was, however old.
    pub fn latest(&self) -> Result<(), &str> {
        match &self.state {
            State::Ready { .. } => Ok(()),
            State::Absent { why, .. } => Err(why),
            _ => Err("the engine has not answered yet"),
        }
    }

    /// The image id of that toolchain, as of the latest answer.
    pub fn image(&self, zig_version: &str) -> Option<&str> {
        self.images.get(zig_version).map(String::as_str)
    }

    /// The network of fetches was found to reach public addresses alone.
    pub fn is_guarded(&self) -> bool {
        self.probes && self.probed
    }

    /// The id of some image there is.
    pub fn any_image(&self) -> &str {
        self.images.values().min().map_or("", String::as_str)
    }

    /// Those of the toolchains that have no image, as of the latest answer.
    pub fn missing<'v>(&self, zig_versions: &'v [String]) -> impl Iterator<Item = &'v String> {
        let versions = zig_versions.iter();
        versions.filter(|version| self.image(version).is_none())
    }

    /// An answer is under way.
    pub fn is_asking(&self) -> bool {
        matches!(
            self.state,
            State::Checking | State::Asking | State::Listing | State::Removing | State::Probing
        )
    }

    /// Somebody needs to know: asks, unless that is under way.
    pub fn refresh(&mut self) -> Option<Ask> {
        if self.is_asking() {
            return None;
        }
        if self.capabilities.is_none() {
            self.state = State::Checking;
            return Some(Ask::Info);
        }
        self.state = State::Asking;
        Some(Ask::Images)
    }

    /// What it would be better to have; none where it does not answer.
    pub fn recommended(&self) -> &[&'static str] {
        let capabilities = self.capabilities.as_ref();
        capabilities.map_or(&[], |capabilities| &capabilities.recommended)
    }

    /// It is being asked what it is.
    pub fn is_checking(&self) -> bool {
        matches!(self.state, State::Checking)
    }

    /// Why a server should not start on it. One that has run builds does not end because another
    /// engine has come: to that one, the engine is away.
    pub fn refused(&self) -> Option<&str> {
        match &self.state {
            State::Absent { why, .. } if self.is_unfit && !self.was_ready => Some(why),
            _ => None,
        }
    }

    /// When work that waits should wake an absent engine.
    pub fn retry_ms(&self) -> Option<u64> {
        match &self.state {
            State::Unknown => Some(0),
            State::Absent { retry_ms, .. } => Some(*retry_ms),
            _ => None,
        }
    }

    /// A client was killed that may have asked for a container: to be swept a little later.
    pub fn schedule_cleanup(&mut self, now_ms: u64) {
        self.last_cleanup_ms = now_ms + CLEANUP_DELAY_MS;
        self.cleanup_ms.get_or_insert(self.last_cleanup_ms);
    }

    /// When `take_due_cleanup` is to be asked; not while an answer is under way, which may be older.
    pub fn cleanup_ms(&self) -> Option<u64> {
        self.cleanup_ms.filter(|_| !self.is_asking())
    }

    /// There may be containers that nobody knows, and it has not answered since.
    pub fn cleanup_due(&self) -> bool {
        !self.cleaned_up
    }

    /// True if it is time to sweep again: wake it, then.
    pub fn take_due_cleanup(&mut self, now_ms: u64) -> bool {
        if self.is_asking() {
            return false;
        }
        let due = self.cleanup_ms.take_if(|at| *at <= now_ms).is_some();
        if due {
            self.cleaned_up = false;
            // Another client was killed since the first: its container may come after this sweep.
            self.cleanup_ms = Some(self.last_cleanup_ms).filter(|at| *at > now_ms);
        }
        due
    }

    /// A job met an error of the engine: what was known of it is worth nothing.
    pub fn invalidate(&mut self) {
        if self.is_ready() {
            self.state = State::Unknown;
        }
    }

    /// Takes the answer to what was asked last, and says what to ask next. Where nothing was
    /// asked, an answer says nothing.
    pub fn answer(&mut self, answer: Answer, now_ms: u64) -> Option<Ask> {
        if !self.is_asking() {
            return None;
        }
        let text = match answer {
            Ok(text) => text,
            Err(why) => return self.absent(why, now_ms),
        };
        match self.state {
            State::Checking => {
                let capabilities = match read_capabilities(&text) {
                    Ok(capabilities) => capabilities,
                    Err(why) => return self.absent(why, now_ms),
                };
                if !capabilities.missing.is_empty() {
                    let why = format!("it has {}", listed(&capabilities.missing));
                    self.is_unfit = true;
                    return self.absent(why, now_ms);
                }
                self.is_unfit = false;
                self.capabilities = Some(capabilities);
                self.state = State::Asking;
                Some(Ask::Images)
            }
            State::Asking => {
                self.images = docker::images(&text);
                if self.cleaned_up {
                    return self.ready(now_ms);
                }
                self.state = State::Listing;
                Some(Ask::Containers)
            }
            State::Listing => {
                let names = docker::containers(&text);
                if names.is_empty() {
                    return self.ready(now_ms);
                }
                self.state = State::Removing;
                Some(Ask::Remove(names))
            }
            State::Removing => self.ready(now_ms),
            State::Probing if text.trim() == docker::CLOSED => {
                self.probed = true;
                self.ready(now_ms)
            }
            State::Probing => self.absent(text.trim().to_string(), now_ms),
            State::Unknown | State::Ready { .. } | State::Absent { .. } => None,
        }
    }

    fn absent(&mut self, why: String, now_ms: u64) -> Option<Ask> {
        // Whatever it was running may have been cut loose: it is swept again. And another engine may
        // come back.
        self.cleaned_up = false;
        self.capabilities = None;
        self.probed = !self.probes;
        let why = match self.state {
            State::Probing => format!("the network of fetches: {why}"),
            _ => why,
        };
        self.state = State::Absent {
            why,
            retry_ms: now_ms + self.pause_ms,
        };
        self.pause_ms = (self.pause_ms * 2).min(ENGINE_RETRY_MS.1);
        None
    }

    fn ready(&mut self, now_ms: u64) -> Option<Ask> {
        self.cleaned_up = true;
        // Without an image there is nothing to look from, and nothing to fetch with.
        if !self.probed && !self.images.is_empty() {
            self.state = State::Probing;
            return Some(Ask::Probe);
        }
        self.was_ready = true;
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
