//! Rate limits of each client: submissions, bytes of uploads, and push hooks; and the quotas that admins have set.

use crate::app::store::quotas::QuotaRow;
use crate::app::web::limits::{BURSTS_PER_HOUR, HOOKS_PER_HOUR, QUOTA_CLIENTS_LIMIT};
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
    quotas: Vec<Quota>,
}

/// The limit of submissions for the clients of a network, in place of that for all.
#[derive(Debug)]
struct Quota {
    row: QuotaRow,
    submissions: RateLimit,
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
            quotas: Vec::new(),
        }
    }

    /// Takes over the quotas. What was counted under one that stays is kept.
    pub fn set_quotas(&mut self, rows: &[QuotaRow]) {
        let is_same = |quota: &Quota, row: &QuotaRow| quota.row == *row;
        let known = self.quotas.iter();
        if self.quotas.len() == rows.len()
            && known.zip(rows).all(|(quota, row)| is_same(quota, row))
        {
            return;
        }
        let mut old = std::mem::take(&mut self.quotas);
        for row in rows {
            let place = old.iter().position(|quota| is_same(quota, row));
            let kept = place.map(|place| old.swap_remove(place));
            self.quotas.push(kept.unwrap_or_else(|| Quota::new(row)));
        }
    }

    /// 403 where the client may submit nothing.
    pub fn check_ban(&self, client: Option<ClientAddr>, now: Now) -> Result<(), Response> {
        match self.quota(client, now).map(|nth| &self.quotas[nth].row) {
            Some(row) if row.per_hour == 0 => Err(refusal(&row.reason)),
            _ => Ok(()),
        }
    }

    /// The quota that holds for a client: that of the nearest network.
    fn quota(&self, client: Option<ClientAddr>, now: Now) -> Option<usize> {
        let client = client?;
        let quotas = self.quotas.iter().enumerate();
        let holding = quotas.filter(|(_, quota)| {
            quota.row.network.contains(client) && quota.row.holds(now.unix_ms)
        });
        let nearest = holding.max_by_key(|(_, quota)| quota.row.network.bits());
        nearest.map(|(nth, _)| nth)
    }

    /// 429 where a submission with an upload of so many bytes is over a limit; charges nothing.
    pub fn peek(&self, client: Option<ClientAddr>, bytes: u64, now: Now) -> Result<(), Response> {
        self.check_ban(client, now)?;
        match self.quota(client, now) {
            Some(nth) => self.quotas[nth].submissions.peek(client, 1, now)?,
            None => self.submissions.peek(client, 1, now)?,
        }
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
        match self.quota(client, now) {
            Some(nth) => self.quotas[nth].submissions.take(client, 1, now)?,
            None => self.submissions.take(client, 1, now)?,
        }
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

impl Quota {
    fn new(row: &QuotaRow) -> Quota {
        let per_hour = row.per_hour.max(0) as u64;
        let most = format!("{per_hour} submissions");
        Quota {
            submissions: RateLimit::of(per_hour, 1, most, QUOTA_CLIENTS_LIMIT),
            row: row.clone(),
        }
    }
}

fn refusal(reason: &str) -> Response {
    let sentence = "your address may submit nothing here";
    match reason {
        "" => Response::error(403, sentence),
        reason => Response::error(403, &format!("{sentence}: {reason}")),
    }
}

impl RateLimit {
    /// No limit where `per_hour` is 0. At least `least` may be used at once. `most` names what an hour allows.
    fn new(per_hour: u64, least: u64, most: String) -> RateLimit {
        RateLimit::of(per_hour, least, most, ADDRESSES_LIMIT)
    }

    /// The same for so many clients at once.
    fn of(per_hour: u64, least: u64, most: String, clients: usize) -> RateLimit {
        let burst = (per_hour / BURSTS_PER_HOUR).max(least);
        let rate = Rate { burst, per_hour };
        RateLimit {
            buckets: (per_hour > 0).then(|| Buckets::new(rate, clients)),
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
