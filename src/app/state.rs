//! The state that requests read and change: the handlers of `web` take it, the dispatcher above them owns it.

use crate::app::builds::recovery;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::disk_space::DiskSpace;
use crate::app::domain::limits::VIEWS_WRITTEN_LIMIT;
use crate::app::domain::popularity::Views;
use crate::app::store::allowed_hosts::{self, AllowedHostRow};
use crate::app::store::packages;
use crate::app::store::quotas::{self, QuotaRow};
use crate::app::store::store::{self, Store};
use crate::app::store::tokens::{self, TokenRow};
use crate::config::settings::{Hosts, Settings};
use crate::interface::counters::ShellCounters;
use crate::interface::event::Now;

pub struct State {
    pub settings: Settings,
    pub scheduler: Scheduler,
    pub services: Services,
    pub disk: DiskSpace,
    pub views: Views,
    pub lifecycle: Lifecycle,
    pub proxy_headers: ProxyHeaders,
    /// The rows of the table: each call of an admin is compared with them.
    pub tokens: Vec<TokenRow>,
    /// The rows of the table: each submission is compared with them.
    pub quotas: Vec<QuotaRow>,
    /// The hosts of `--allow-hosts`, and those of the table. `settings` has both.
    pub named_hosts: Hosts,
    pub allowed_hosts: Vec<AllowedHostRow>,
    pub started_unix_ms: i64,
    /// Answers since the start, by the first digit of their status: from 1 to 5.
    pub answered: [u64; 5],
    /// What the shell has counted up to the end of the last turn.
    pub shell: ShellCounters,
}

/// Whether a proxy has named its clients since the start of the server. The last one that applies counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyHeaders {
    None,
    /// One of `--trusted-proxies` has.
    Trusted,
    /// Another one on this machine has: its clients have no limits.
    Untrusted,
}

impl ProxyHeaders {
    pub fn as_str(self) -> &'static str {
        match self {
            ProxyHeaders::None => "none",
            ProxyHeaders::Trusted => "trusted",
            ProxyHeaders::Untrusted => "untrusted",
        }
    }
}

/// How far the server is from its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifecycle {
    Running,
    /// Nothing new is started; the server ends once nothing runs.
    Draining,
    /// The server ends once its engine commands have ended, at the latest then. Containers go on, and the next run
    /// of the server adopts them.
    Stopping {
        until_ms: u64,
    },
    /// The turn at hand cannot be committed, and is the last.
    Broken(Fatal),
}

/// Why the server ends at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fatal {
    /// The database failed, perhaps between two writes that belong together.
    Database(String),
    /// The engine may not run anything. A restart does not help.
    UnfitEngine(String),
}

impl Fatal {
    pub fn sentence(&self) -> &str {
        match self {
            Fatal::Database(sentence) | Fatal::UnfitEngine(sentence) => sentence,
        }
    }
}

impl State {
    /// Stores counted views in a turn that writes anyway: a view alone is not worth a commit.
    pub fn write_views(&mut self) -> store::Result<()> {
        if !self.services.store.is_writing() {
            return Ok(());
        }
        let views = self.views.take(VIEWS_WRITTEN_LIMIT);
        packages::add_views(&mut self.services.store, &views)
    }

    /// The state of a server on that database, with what an earlier run has left there.
    pub fn open(settings: Settings, store: Store, now: Now) -> Result<State, String> {
        let in_words = |error: rusqlite::Error| error.to_string();
        let mut services = Services::open(&settings, store, now).map_err(in_words)?;
        let scheduler = recovery::open(&settings, &mut services).map_err(in_words)?;
        services.store.commit().map_err(in_words)?;
        let tokens = tokens::all(&services.store).map_err(in_words)?;
        let quotas = quotas::all(&services.store).map_err(in_words)?;
        let allowed_hosts = allowed_hosts::all(&services.store).map_err(in_words)?;
        let mut state = State {
            disk: DiskSpace::new(settings.disk_floor_bytes),
            named_hosts: settings.allow_hosts.clone(),
            allowed_hosts,
            settings,
            scheduler,
            services,
            tokens,
            quotas,
            views: Views::default(),
            lifecycle: Lifecycle::Running,
            proxy_headers: ProxyHeaders::None,
            started_unix_ms: now.unix_ms,
            answered: [0; 5],
            shell: ShellCounters::default(),
        };
        state.apply_hosts();
        Ok(state)
    }

    /// Allows the hosts of the settings and of the table from the next submission and the next fetch on.
    pub fn apply_hosts(&mut self) {
        if let Hosts::These(named) = &self.named_hosts {
            let added = self.allowed_hosts.iter().map(|row| row.host.clone());
            let all = named.iter().cloned().chain(added).collect();
            self.settings.allow_hosts = Hosts::These(all);
        }
        self.services.docker.set_hosts(&self.settings.allow_hosts);
    }

    /// The clocks as of the event at hand.
    pub fn now(&self) -> Now {
        self.services.now
    }

    /// Counts an answer by its status.
    pub fn count_answer(&mut self, status: u16) {
        let digit = usize::from(status / 100);
        if let Some(count) = digit
            .checked_sub(1)
            .and_then(|at| self.answered.get_mut(at))
        {
            *count += 1;
        }
    }

    pub fn uptime_seconds(&self) -> i64 {
        (self.now().unix_ms - self.started_unix_ms).max(0) / 1_000
    }

    /// Ends the server: nothing of this turn is committed or sent.
    pub fn break_down(&mut self, error: &rusqlite::Error) {
        self.lifecycle = Lifecycle::Broken(Fatal::Database(cannot_write(error)));
    }

    pub fn is_draining(&self) -> bool {
        self.lifecycle == Lifecycle::Draining
    }

    pub fn is_stopping(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Stopping { .. })
    }

    /// Stops: engine commands get `grace_ms` to end.
    pub fn stop(&mut self, grace_ms: u64) {
        if matches!(self.lifecycle, Lifecycle::Running | Lifecycle::Draining) {
            let until_ms = self.services.now.mono_ms + grace_ms;
            self.lifecycle = Lifecycle::Stopping { until_ms };
        }
    }

    pub fn drain(&mut self) {
        if self.lifecycle == Lifecycle::Running {
            self.lifecycle = Lifecycle::Draining;
        }
    }

    /// How far the images are, while some are missing, as of the engine's latest answer: "2 of 4 images are made".
    pub fn images_made(&self) -> Option<String> {
        let (engine, versions) = (&self.services.engine, &self.settings.zig_versions);
        let missing = engine.missing(versions).count();
        let made = versions.len() - missing;
        let is_known = engine.has_answered() && missing > 0;
        is_known.then(|| format!("{made} of {} images are made", versions.len()))
    }

    /// Takes a drain back.
    pub fn undrain(&mut self) {
        if self.lifecycle == Lifecycle::Draining {
            self.lifecycle = Lifecycle::Running;
        }
    }

    /// What fetches can reach: "closed" where a probe has found that they reach public addresses alone.
    pub fn fetch_network(&self) -> &'static str {
        let is_guarded = self.services.engine.is_guarded();
        match (self.settings.guards_fetches(), is_guarded) {
            (false, _) => "open",
            (true, true) => "closed",
            (true, false) => "unknown",
        }
    }
}

pub fn cannot_write(error: &rusqlite::Error) -> String {
    format!("the database cannot be written: {error}")
}
