//! What each client may ask for in an hour: submissions, and bytes of uploads.

use crate::base::client_addr::Home;
use crate::base::token_bucket::{Buckets, Rate};
use crate::config::{ADDRESSES_LIMIT, BURSTS_PER_HOUR, SOURCE_LIMIT_BYTES, Settings};
use crate::interface::event::Now;
use crate::interface::message::Response;

/// Of one kind; without buckets as much as anybody likes.
#[derive(Debug)]
struct Allowance {
    buckets: Option<Buckets>,
    /// What who has used it up is told.
    sentence: String,
}

#[derive(Debug)]
pub struct Allowances {
    submissions: Allowance,
    bytes: Allowance,
}

impl Allowances {
    pub fn new(settings: &Settings) -> Allowances {
        let (submissions, bytes) = (settings.submit_rate, settings.upload_rate_bytes);
        let no_more = |what: String| format!("too much from your address: at most {what} an hour");
        Allowances {
            submissions: Allowance::new(
                submissions,
                1,
                no_more(format!("{submissions} submissions")),
            ),
            bytes: Allowance::new(
                bytes,
                // One that may be sent at all must come through.
                SOURCE_LIMIT_BYTES,
                no_more(format!("{} MiB of uploads", bytes >> 20)),
            ),
        }
    }

    /// Whether a submission with an upload of so many bytes would be taken; nothing is taken by that.
    pub fn look(&self, home: Option<Home>, bytes: u64, now: Now) -> Result<(), Response> {
        self.submissions.look(home, 1, now)?;
        self.bytes.look(home, bytes, now)
    }

    /// A submission, with an upload of so many bytes, as far as that is known.
    pub fn submit(&mut self, home: Option<Home>, bytes: u64, now: Now) -> Result<(), Response> {
        self.look(home, bytes, now)?;
        self.submissions.take(home, 1, now)?;
        self.bytes.take(home, bytes, now)
    }

    /// A piece of an upload of which it was not known how long it is.
    pub fn upload(&mut self, home: Option<Home>, bytes: u64, now: Now) -> Result<(), Response> {
        self.bytes.take(home, bytes, now)
    }
}

impl Allowance {
    fn new(per_hour: u64, least: u64, sentence: String) -> Allowance {
        let burst = (per_hour / BURSTS_PER_HOUR).max(least);
        let rate = Rate { burst, per_hour };
        Allowance {
            buckets: (per_hour > 0).then(|| Buckets::new(rate, ADDRESSES_LIMIT)),
            sentence,
        }
    }

    fn look(&self, home: Option<Home>, count: u64, now: Now) -> Result<(), Response> {
        let (Some(buckets), Some(home)) = (&self.buckets, home) else {
            return Ok(());
        };
        match buckets.wait_ms(home, count, now.mono_ms) {
            0 => Ok(()),
            wait_ms => Err(Response::later(429, &self.sentence, wait_ms)),
        }
    }

    fn take(&mut self, home: Option<Home>, count: u64, now: Now) -> Result<(), Response> {
        let (Some(buckets), Some(home), 1..) = (&mut self.buckets, home, count) else {
            return Ok(());
        };
        let taken = buckets.take(home, count, now.mono_ms);
        taken.map_err(|wait_ms| Response::later(429, &self.sentence, wait_ms))
    }
}
