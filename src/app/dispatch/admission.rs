//! Submissions and pushes against the limits: before their body is read, when they arrive, and piece by piece.

use crate::app::dispatch::admitted::Admitted;
use crate::app::dispatch::dispatch::App;
use crate::app::state::ProxyHeaders;
use crate::app::web::access;
use crate::app::web::answer::{Answer, Error};
use crate::app::web::client_id;
use crate::app::web::handlers::forms;
use crate::app::web::handlers::hooks;
use crate::app::web::handlers::pages;
use crate::app::web::handlers::submit::{self, Submitted};
use crate::app::web::request;
use crate::app::web::routes::forms::FormCall;
use crate::app::web::routes::hooks::HookCall;
use crate::app::web::routes::submit::{SubmitCall, UploadOptions};
use crate::app::web::routes::table;
use crate::app::web::upload::Sender;
use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::config::limits::SOURCE_LIMIT_BYTES;
use crate::interface::event::Now;
use crate::interface::message::{Admission, Head, Response};
use crate::interface::peer::Peer;

/// The length of the body, where the head has it. A longer one than is allowed counts as the longest: it is refused for
/// its length later.
fn content_length(head: &Head) -> Option<u64> {
    let length = head.header("content-length")?.parse::<u64>().ok()?;
    Some(length.min(SOURCE_LIMIT_BYTES))
}

impl App {
    /// What becomes of the body of a request; the answer in its place where the request would be refused whatever its
    /// body is.
    pub(crate) fn check_head(
        &mut self,
        from: Peer,
        head: &Head,
        now: Now,
    ) -> Result<(Admission, Admitted), Response> {
        let checked = self.check_head_of(from, head, now);
        checked.map_err(|response| pages::refusal(&self.state, head, response))
    }

    fn check_head_of(
        &mut self,
        from: Peer,
        head: &Head,
        now: Now,
    ) -> Result<(Admission, Admitted), Response> {
        let routed = table::find(head)?;
        let (access, state) = (routed.access(), &self.state);
        let admin = access::check(access, from, head, &state.settings, &state.tokens)?;
        let admission = routed.admission(head, &self.state.settings)?;
        let client = self.identify(from, head);
        if routed.is_hook() || routed.is_limited() {
            self.rate_limits.set_quotas(&self.state.quotas);
            self.rate_limits.check_ban(client, now)?;
        }
        if routed.is_hook() && self.state.settings.hook_secret.is_none() {
            self.rate_limits.peek_hook(client, now)?;
        }
        if routed.is_limited() {
            let is_upload = matches!(admission, Admission::Spool { .. });
            let upload_bytes = is_upload.then(|| content_length(head).unwrap_or_default());
            self.check_limits(client, upload_bytes, now)?;
        }
        let admitted = Admitted {
            routed,
            client,
            admin,
        };
        Ok((admission, admitted))
    }

    /// The limits of the client come first: it learns of the server's only within its own.
    fn check_limits(
        &self,
        client: Option<ClientAddr>,
        upload_bytes: Option<u64>,
        now: Now,
    ) -> Result<(), Response> {
        if upload_bytes.is_some() {
            self.uploads.check_limits(client)?;
        }
        let bytes = upload_bytes.unwrap_or_default();
        self.rate_limits.peek(client, bytes, now)?;
        match self.state.disk.refusal() {
            Some(response) => Err(response),
            None => submit::check_queue(&self.state, 1),
        }
    }

    /// Begins to receive an upload, which was admitted in the same turn.
    pub(crate) fn begin_upload(
        &mut self,
        conn: Key,
        client: Option<ClientAddr>,
        head: &Head,
        options: UploadOptions,
    ) -> Result<Answer, Error> {
        let length = content_length(head);
        let now = self.state.now();
        self.rate_limits
            .submit(client, length.unwrap_or_default(), now)?;
        let sender = Sender {
            client,
            is_charged: length.is_some(),
            is_form: request::is_form(head),
        };
        self.uploads.begin(conn, sender, options)?;
        Ok(Answer::Later)
    }

    /// Takes a piece of an upload; an error ends the upload.
    pub(crate) fn take_piece(&mut self, conn: Key, bytes: &[u8]) -> Result<(), Error> {
        let client = self.uploads.client_to_charge(conn);
        let now = self.state.now();
        if let Err(response) = self.rate_limits.upload(client, bytes.len() as u64, now) {
            self.uploads.abort(conn);
            return Err(response.into());
        }
        self.uploads.body(conn, bytes)
    }

    /// While the disk is low, ends all uploads: their files give space back, and none of them could be accepted.
    pub(crate) fn end_uploads_if_disk_low(&mut self) {
        if self.state.services.feed.logs.take_full() {
            self.state.disk.note_full(self.state.now().mono_ms);
        }
        if let Some(response) = self.state.disk.refusal() {
            for conn in self.uploads.end_all() {
                self.send(conn, false, Ok(response.clone().into()));
            }
        }
    }

    /// The client of a request. Without limits are the clients of a proxy on this machine that is not in
    /// `--trusted-proxies`; the log says so once.
    fn identify(&mut self, from: Peer, head: &Head) -> Option<ClientAddr> {
        if from.is_admin() {
            return None;
        }
        let from = from.address();
        let client = client_id::identify(from, head, &self.state.settings.trusted_proxies);
        if head.header("x-forwarded-for").is_none() {
            return client;
        }
        if self.state.settings.trusted_proxies.trust(from) {
            self.state.proxy_headers = self.state.proxy_headers.max(ProxyHeaders::Trusted);
        } else if client.is_none() && self.state.proxy_headers != ProxyHeaders::Untrusted {
            // Anybody else may send the header; on this machine it is a proxy.
            self.state.proxy_headers = ProxyHeaders::Untrusted;
            log::warn!(
                "a proxy that is not in --trusted-proxies sends X-Forwarded-For: its clients have no limits"
            );
        }
        client
    }

    /// A submission without a tree. `is_limited`: it counts for the rate limit of the client.
    pub(crate) fn submit(
        &mut self,
        client: Option<ClientAddr>,
        is_limited: bool,
        call: SubmitCall,
    ) -> Result<Submitted, Error> {
        if is_limited {
            self.rate_limits.submit(client, 0, self.state.now())?;
        }
        self.retention.wake();
        self.refresh_stale_engine();
        let tenant = client_id::tenant(client);
        submit::submit(&mut self.state, call, &tenant)
    }

    /// A push, as a forge describes it. A hook whose secret was checked counts for no limit: a forge has few addresses.
    pub(crate) fn hook(
        &mut self,
        client: Option<ClientAddr>,
        call: &HookCall,
    ) -> Result<Answer, Error> {
        if self.state.settings.hook_secret.is_none() {
            self.rate_limits.hook(client, self.state.now())?;
        }
        self.retention.wake();
        self.refresh_stale_engine();
        Ok(hooks::answer(&mut self.state, call)?.into())
    }

    /// A submission by a form: the page that the browser goes on to, or the form with what is wrong.
    pub(crate) fn submit_form(
        &mut self,
        client: Option<ClientAddr>,
        form: FormCall,
    ) -> Result<Answer, Error> {
        let call = form.call.clone();
        let submitted = call.map_err(Error::Refused);
        let submitted = submitted.and_then(|call| self.submit(client, true, call));
        let page = submitted.map(|submitted| submitted.page);
        Ok(forms::answer(&self.state, form, page)?.into())
    }
}
