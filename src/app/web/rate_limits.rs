//! Rate limits of each client: submissions, bytes of uploads, and push hooks.

use crate::app::web::limits::{BURSTS_PER_HOUR, HOOKS_PER_HOUR};
use crate::base::client_addr::ClientAddr;
use crate::base::token_bucket::{Buckets, Rate};
use crate::config::limits::{ADDRESSES_LIMIT, SOURCE_LIMIT_BYTES};
use crate::config::settings::Settings;
use crate::interface::event::Now;
use crate::interface::message::Response;

/// One limit; without buckets there is none.
#[derive(Debug)]
struct RateLimit {
    buckets: Option<Buckets>,
    /// The error of a client over the limit.
    sentence: String,
}

#[derive(Debug)]
pub struct RateLimits {
    submissions: RateLimit,
    bytes: RateLimit,
    hooks: RateLimit,
}

impl RateLimits {
    pub fn new(settings: &Settings) -> RateLimits {
        let (submissions, bytes) = (settings.submit_rate, settings.upload_rate_bytes);
        let mib = bytes >> 20;
        RateLimits {
            submissions: RateLimit::new(submissions, 1, format!("{submissions} submissions")),
            // The largest upload fits into a full bucket.
            bytes: RateLimit::new(bytes, SOURCE_LIMIT_BYTES, format!("{mib} MiB of uploads")),
            hooks: RateLimit::new(HOOKS_PER_HOUR, 1, format!("{HOOKS_PER_HOUR} push hooks")),
        }
    }

    /// 429 where a submission with an upload of so many bytes is over a limit; charges nothing.
    pub fn peek(&self, client: Option<ClientAddr>, bytes: u64, now: Now) -> Result<(), Response> {
        self.submissions.peek(client, 1, now)?;
        self.bytes.peek(client, bytes, now)
    }

    /// Charges a submission, with the bytes of its upload where they are known.
    pub fn submit(
        &mut self,
        client: Option<ClientAddr>,
        bytes: u64,
        now: Now,
    ) -> Result<(), Response> {
        self.peek(client, bytes, now)?;
        self.submissions.take(client, 1, now)?;
        self.bytes.take(client, bytes, now)
    }

    /// 429 where a push hook is over the limit; charges nothing.
    pub fn peek_hook(&self, client: Option<ClientAddr>, now: Now) -> Result<(), Response> {
        self.hooks.peek(client, 1, now)
    }

    /// Charges a push hook.
    pub fn hook(&mut self, client: Option<ClientAddr>, now: Now) -> Result<(), Response> {
        self.hooks.take(client, 1, now)
    }

    /// Charges a piece of an upload whose length was unknown.
    pub fn upload(
        &mut self,
        client: Option<ClientAddr>,
        bytes: u64,
        now: Now,
    ) -> Result<(), Response> {
        self.bytes.take(client, bytes, now)
    }
}

impl RateLimit {
    /// No limit where `per_hour` is 0. At least `least` may be used at once. `most` names what an hour allows.
    fn new(per_hour: u64, least: u64, most: String) -> RateLimit {
        let burst = (per_hour / BURSTS_PER_HOUR).max(least);
        let rate = Rate { burst, per_hour };
        RateLimit {
            buckets: (per_hour > 0).then(|| Buckets::new(rate, ADDRESSES_LIMIT)),
            sentence: format!("too much from your address: at most {most} an hour"),
        }
    }

    fn peek(&self, client: Option<ClientAddr>, count: u64, now: Now) -> Result<(), Response> {
        let (Some(buckets), Some(client)) = (&self.buckets, client) else {
            return Ok(());
        };
        match buckets.wait_ms(client, count, now.mono_ms) {
            0 => Ok(()),
            wait_ms => Err(Response::later(429, &self.sentence, wait_ms)),
        }
    }

    fn take(&mut self, client: Option<ClientAddr>, count: u64, now: Now) -> Result<(), Response> {
        let (Some(buckets), Some(client), 1..) = (&mut self.buckets, client, count) else {
            return Ok(());
        };
        let taken = buckets.take(client, count, now.mono_ms);
        taken.map_err(|wait_ms| Response::later(429, &self.sentence, wait_ms))
    }
}
