//! What the service manager is told, where there is one: ready, how it stands, alive, stopping.

use sd_notify::NotifyState;

use crate::interface::event::Load;
use crate::shell::limits::STATUS_STEP_MS;

/// Nothing is told, and nobody is kept awake, where nobody listens.
pub struct Service {
    is_there: bool,
    /// Where a watchdog is on: the longest time between two signs of life.
    beat_ms: Option<u64>,
    beat_at_ms: u64,
    told: Option<Load>,
    told_at_ms: u64,
    stopping: bool,
}

impl Service {
    pub fn find() -> Service {
        // Half of its patience, as sd_watchdog_enabled(3) recommends.
        let watchdog = sd_notify::watchdog_enabled();
        let beat_ms = watchdog.map(|patience| (patience.as_millis() / 2) as u64);
        Service {
            is_there: std::env::var_os("NOTIFY_SOCKET").is_some(),
            beat_ms: beat_ms.filter(|ms| *ms > 0),
            beat_at_ms: 0,
            told: None,
            told_at_ms: 0,
            stopping: false,
        }
    }

    /// Whoever connects now is answered.
    pub fn ready(&mut self, load: Load, now_ms: u64) {
        let status = status(load);
        self.notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.told = Some(load);
        (self.told_at_ms, self.beat_at_ms) = (now_ms, now_ms);
    }

    /// A turn was completed: the only sign of life there is.
    pub fn turned(&mut self, load: impl FnOnce() -> Load, now_ms: u64) {
        if self.keepalive_by_ms().is_some_and(|at| at <= now_ms) {
            self.beat_at_ms = now_ms;
            self.notify(&[NotifyState::Watchdog]);
        }
        if !self.is_there || self.stopping || now_ms < self.told_at_ms + STATUS_STEP_MS {
            return;
        }
        let load = Some(load());
        if self.told != load {
            self.told = load;
            self.told_at_ms = now_ms;
            let status = load.map(status).unwrap_or_default();
            self.notify(&[NotifyState::Status(&status)]);
        }
    }

    /// When the next turn must be completed at the latest, in `mono_ms`.
    pub fn keepalive_by_ms(&self) -> Option<u64> {
        self.beat_ms.map(|ms| self.beat_at_ms + ms)
    }

    /// To be told once the end is certain: from here on it is given `TimeoutStopSec`.
    pub fn stopping(&mut self) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.notify(&[NotifyState::Stopping]);
        }
    }

    fn notify(&mut self, states: &[NotifyState<'_>]) {
        if self.is_there
            && let Err(error) = sd_notify::notify(states)
        {
            log::warn!("cannot tell the service manager: {error}");
        }
    }
}

fn status(load: Load) -> String {
    let Load { running, waiting } = load;
    let runs = match running {
        1 => "build runs",
        _ => "builds run",
    };
    let waits = match waiting {
        1 => "waits",
        _ => "wait",
    };
    format!("{running} {runs}, {waiting} {waits}")
}
