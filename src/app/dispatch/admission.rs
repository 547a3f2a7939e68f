//! Submissions at the door: whether one more of that client is taken, before anything of it is done.

use std::net::IpAddr;

use crate::app::dispatch::dispatch::{App, Held};
use crate::app::web::routes::{self, Call};
use crate::app::web::{client_id, handlers};
use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::config::limits::SOURCE_LIMIT_BYTES;
use crate::interface::event::Now;
use crate::interface::message::{Admission, Head, Response};

/// How long the body of that request is, where it says so.
fn length(head: &Head) -> Option<u64> {
    let length = head.header("content-length")?.parse::<u64>().ok()?;
    // A longer one is none of ours to judge: it is refused for its length.
    Some(length.min(SOURCE_LIMIT_BYTES))
}

impl App {
    /// What becomes of a body whose head is in order: what speaks against the request already is
    /// said before the body is sent.
    pub(crate) fn at_the_door(
        &self,
        from: Option<IpAddr>,
        head: &Head,
        admission: Admission,
        now: Now,
    ) -> Admission {
        if matches!(admission, Admission::Refuse(_)) || !routes::submits(head) {
            return admission;
        }
        let client = client_id::identify(from, head, &self.state.settings.trusted_proxies);
        let spooled = matches!(admission, Admission::Spool { .. });
        let may = match spooled {
            true => self.may_upload(client, head, now),
            false => self.rate_limits.peek(client, 0, now),
        };
        // Whoever may ask hears whether there is room.
        let full = || {
            self.state
                .disk
                .refusal()
                .or_else(|| handlers::queue_full(&self.state, 1))
        };
        match may.err().or_else(full) {
            Some(response) => Admission::Refuse(response),
            None => admission,
        }
    }

    fn may_upload(
        &self,
        client: Option<ClientAddr>,
        head: &Head,
        now: Now,
    ) -> Result<(), Response> {
        self.uploads.has_room(client)?;
        self.rate_limits
            .peek(client, length(head).unwrap_or_default(), now)
    }

    /// Begins to take an upload in; the answer where not.
    pub(crate) fn begin_upload(
        &mut self,
        conn: Key,
        client: Option<ClientAddr>,
        head: &Head,
        call: Call,
    ) -> Result<(), Response> {
        let Call::SubmitTree {
            name,
            zig_versions,
            follow,
        } = call
        else {
            unreachable!("{call:?} brings no tree")
        };
        self.uploads.has_room(client)?;
        if let Some(response) = self.state.disk.refusal() {
            return Err(response);
        }
        let length = length(head);
        self.rate_limits
            .submit(client, length.unwrap_or_default(), self.state.now())?;
        let from = (client, length.is_some());
        self.uploads.begin(conn, from, name, zig_versions, follow)
    }

    /// A piece of an upload; the answer where it ends it.
    pub(crate) fn take_piece(&mut self, conn: Key, bytes: &[u8]) -> Result<(), Response> {
        let client = self.uploads.unallowed(conn);
        if let Err(response) = self
            .rate_limits
            .upload(client, bytes.len() as u64, self.state.now())
        {
            self.uploads.gone(conn);
            return Err(response);
        }
        self.uploads.body(conn, bytes)
    }

    /// Whose request that is. Where a proxy on this machine is not named, all of its clients are
    /// nobody, and have no limits: that is said once.
    pub(crate) fn asker(&mut self, from: Option<IpAddr>, head: &Head) -> Option<ClientAddr> {
        let client = client_id::identify(from, head, &self.state.settings.trusted_proxies);
        let unnamed = client.is_none() && head.header("x-forwarded-for").is_some();
        if unnamed && !std::mem::replace(&mut self.warned, true) {
            log::warn!(
                "a proxy says for whom it asks, and is not in --trusted-proxies: its clients have no limits"
            );
        }
        client
    }

    /// A submission without a tree.
    pub(crate) fn submit(&mut self, conn: Key, client: Option<ClientAddr>, call: Call) {
        match self.rate_limits.submit(client, 0, self.state.now()) {
            Ok(()) => self.when_known(conn, Held::Call(call, client_id::tenant(client))),
            Err(response) => self.state.services.out.respond(conn, response),
        }
    }
}
