//! Notifications to the service manager: ready, status, watchdog, stopping.

use sd_notify::NotifyState;

use crate::interface::event::Load;
use crate::shell::limits::STATUS_STEP_MS;

/// Sends nothing, and wakes the reactor for nothing, where no service manager listens.
pub struct Service {
    enabled: bool,
    /// Where a watchdog is on: the longest time between two of its notifications.
    watchdog_ms: Option<u64>,
    watchdog_sent_ms: u64,
    status: Option<Load>,
    status_sent_ms: u64,
    stopping: bool,
}

impl Service {
    /// Reads what the service manager left in the environment.
    pub fn detect() -> Service {
        // Half of its limit, as sd_watchdog_enabled(3) recommends.
        let watchdog = sd_notify::watchdog_enabled();
        let watchdog_ms = watchdog.map(|limit| (limit.as_millis() / 2) as u64);
        Service {
            enabled: std::env::var_os("NOTIFY_SOCKET").is_some(),
            watchdog_ms: watchdog_ms.filter(|ms| *ms > 0),
            watchdog_sent_ms: 0,
            status: None,
            status_sent_ms: 0,
            stopping: false,
        }
    }

    /// Connections are answered from now on.
    pub fn ready(&mut self, load: Load, now_ms: u64) {
        let status = describe(load);
        self.notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = Some(load);
        (self.status_sent_ms, self.watchdog_sent_ms) = (now_ms, now_ms);
    }

    /// A turn was completed. Only this feeds the watchdog.
    pub fn turn_done(&mut self, load: impl FnOnce() -> Load, now_ms: u64) {
        if self.watchdog_due_ms().is_some_and(|at| at <= now_ms) {
            self.watchdog_sent_ms = now_ms;
            self.notify(&[NotifyState::Watchdog]);
        }
        if !self.enabled || self.stopping || now_ms < self.status_sent_ms + STATUS_STEP_MS {
            return;
        }
        let load = load();
        if self.status.replace(load) != Some(load) {
            self.status_sent_ms = now_ms;
            self.notify(&[NotifyState::Status(&describe(load))]);
        }
    }

    /// When the next turn must be completed at the latest, in `mono_ms`.
    pub fn watchdog_due_ms(&self) -> Option<u64> {
        self.watchdog_ms.map(|ms| self.watchdog_sent_ms + ms)
    }

    /// The end is certain. From here on the service manager allows `TimeoutStopSec`.
    pub fn stopping(&mut self) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.notify(&[NotifyState::Stopping]);
        }
    }

    fn notify(&self, states: &[NotifyState<'_>]) {
        if self.enabled
            && let Err(error) = sd_notify::notify(states)
        {
            log::warn!("cannot notify the service manager: {error}");
        }
    }
}

/// The status line: `2 builds run, 1 waits`.
fn describe(load: Load) -> String {
    let Load { running, waiting } = load;
    let run = match running {
        1 => "build runs",
        _ => "builds run",
    };
    let wait = match waiting {
        1 => "waits",
        _ => "wait",
    };
    format!("{running} {run}, {waiting} {wait}")
}
