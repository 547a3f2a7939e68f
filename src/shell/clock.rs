//! Both clocks, read in one place.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{Timespec, poll};

use crate::interface::event::Now;

/// Started once, so that `mono_ms` before the reactor and within it agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn start() -> Clock {
        let start = Instant::now();
        Clock { start }
    }

    /// Microseconds of the clock of `mono_ms`: how long a turn takes.
    pub fn mono_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    pub fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            mono_ms: self.start.elapsed().as_millis() as u64,
            unix_ms: since_1970.map_or(0, |time| time.as_millis() as i64),
        }
    }
}

/// Does nothing for so long: for a program that has no reactor.
pub fn pause(seconds: u64) {
    let pause = Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    // An interrupted pause is a shorter one.
    let _ = poll(&mut [], Some(&pause));
}

/// The time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(now: Now) -> String {
    let seconds = u64::try_from(now.unix_ms / 1_000).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}
