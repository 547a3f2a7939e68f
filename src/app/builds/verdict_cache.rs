//! Known verdicts by key, and single-flight: while a build runs, others of the same key wait for its verdict.

use std::collections::{HashMap, VecDeque};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::app::builds::judge::RUNNER_VERSION;
use crate::app::domain::ids::BuildId;
use crate::app::domain::verdict::ResourceLimits;
use crate::app::engine::engines::Engines;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::CheckRow;
use crate::app::store::store::{self, Store};
use crate::config::limits::{WAITERS_LIMIT, WORK_TMPFS_BYTES};

#[derive(Debug)]
pub struct VerdictCache {
    limits: ResourceLimits,
    /// The running build of each key.
    leaders: HashMap<String, BuildId>,
    /// Builds that have ended while others waited for their verdict.
    finished_leaders: VecDeque<BuildId>,
}

impl VerdictCache {
    pub fn open(limits: ResourceLimits, store: &Store) -> store::Result<VerdictCache> {
        Ok(VerdictCache {
            limits,
            leaders: HashMap::new(),
            finished_leaders: builds::finished_leaders(store)?.into(),
        })
    }

    /// A hash of all that the verdict of a build depends on; none while its source or its toolchain is unknown.
    pub fn key(&self, check: &CheckRow, zig_version: &str, engine: &Engines) -> Option<String> {
        let source = &check.source.as_ref()?.hash;
        let image = engine.toolchain(zig_version)?;
        let limits = format!(
            "{} {} {} {WORK_TMPFS_BYTES}",
            self.limits.memory_bytes, self.limits.build_timeout_ms, self.limits.silence_timeout_ms
        );
        let dir = check.dir.as_deref().unwrap_or("");
        let text = format!("{source}\n{image}\n{limits}\n{RUNNER_VERSION}\n{dir}\n");
        let digest = Sha256::digest(text.as_bytes());
        Some(HEXLOWER.encode(&digest))
    }

    /// The running build of that key.
    pub fn leader(&self, key: Option<&str>) -> Option<BuildId> {
        self.leaders.get(key?).copied()
    }

    /// A build starts: others of its key wait for it from now on. A fresh one may run beside the leader of its key,
    /// and leads only where there is none.
    pub fn lead(&mut self, key: Option<&str>, build: BuildId, is_fresh: bool) {
        let Some(key) = key else { return };
        if !is_fresh || !self.leaders.contains_key(key) {
            self.leaders.insert(key.to_string(), build);
        }
    }

    /// A build goes back to the queue: the next one of its key runs. Its own waiters go on waiting.
    pub fn step_down(&mut self, build: BuildId) {
        self.leaders.retain(|_, leader| *leader != build);
    }

    /// A build has ended, with or without a verdict: `take_waiters` returns those that waited for it.
    pub fn finish(&mut self, build: BuildId, store: &Store) -> store::Result<()> {
        self.step_down(build);
        if !builds::waiters(store, build, 1)?.is_empty() {
            self.finished_leaders.push_back(build);
        }
        Ok(())
    }

    /// True if `take_waiters` has more to return.
    pub fn has_waiters(&self) -> bool {
        !self.finished_leaders.is_empty()
    }

    /// Ends the wait of up to `WAITERS_LIMIT` builds whose leader has ended, and returns them.
    pub fn take_waiters(&mut self, store: &mut Store) -> store::Result<Vec<BuildRow>> {
        let Some(&leader) = self.finished_leaders.front() else {
            return Ok(Vec::new());
        };
        let waiters = builds::waiters(store, leader, WAITERS_LIMIT)?;
        if waiters.len() < WAITERS_LIMIT {
            self.finished_leaders.pop_front();
        }
        for waiter in &waiters {
            builds::stop_waiting(store, waiter.id)?;
        }
        Ok(waiters)
    }
}
