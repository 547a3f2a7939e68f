//! The hook that forges call on a push: who may call it, and what was pushed.

use serde_json::Value;

use crate::app::domain::push::{EXPECTED, Push};
use crate::app::web::query::bad;
use crate::app::web::request;
use crate::app::web::routes::admin::bearer;
use crate::app::web::routes::route::{Access, Body, Route, RouteRequest, row};
use crate::config::hook_secret::HookSecret;
use crate::interface::message::{Head, Response};

#[derive(Debug, Clone, PartialEq)]
pub enum HookCall {
    Push(Push),
    /// A ping, or another event: there is nothing to do.
    NoPush,
}

pub const fn routes<C: From<HookCall>>() -> [Route<C>; 1] {
    [row("POST", "/hooks/push", Access::Hook, Body::Hook, push)]
}

fn push<C: From<HookCall>>(request: &RouteRequest) -> Result<C, Response> {
    if let Some(secret) = &request.settings.hook_secret {
        check_secret(request.head, request.body, secret)?;
    }
    if names_other_event(request.head) {
        return Ok(C::from(HookCall::NoPush));
    }
    let url = request.query.get("url");
    let push = Push::read(&payload(request)?, url);
    let push = push.ok_or_else(|| bad(EXPECTED))?;
    Ok(C::from(HookCall::Push(push)))
}

/// 401 unless the hook proves in the way of its forge that it knows the secret. Each proof it sends must be right.
fn check_secret(head: &Head, body: &[u8], secret: &HookSecret) -> Result<(), Response> {
    let signed = |name: &str, prefix: &str| {
        let value = head.header(name)?;
        let signature = value.strip_prefix(prefix).unwrap_or("");
        Some(secret.has_signed(body, signature))
    };
    let proofs = [
        signed("x-hub-signature-256", "sha256="),
        signed("x-forgejo-signature", ""),
        signed("x-gitea-signature", ""),
        head.header("x-gitlab-token").map(|token| secret.is(token)),
        bearer(head).map(|token| secret.is(token)),
    ];
    let proofs: Vec<bool> = proofs.into_iter().flatten().collect();
    let sentence = match proofs[..] {
        [] => {
            "the hook must be signed with this server's secret: X-Hub-Signature-256, X-Forgejo-Signature, \
             X-Gitea-Signature, X-Gitlab-Token or Authorization: Bearer"
        }
        _ if proofs.iter().all(|is_right| *is_right) => return Ok(()),
        _ => "the hook is signed with another secret than this server's",
    };
    Err(Response::error(401, sentence).with("WWW-Authenticate", "Bearer"))
}

/// True where a header names the event, and it is no push.
fn names_other_event(head: &Head) -> bool {
    let names = [
        "x-forgejo-event",
        "x-gitea-event",
        "x-github-event",
        "x-gitlab-event",
        "x-webhook-event",
    ];
    let pushes = [
        "push",
        "Push Hook",
        "Tag Push Hook",
        "GIT_POST_RECEIVE",
        "repo:post-update",
    ];
    let event = names.iter().find_map(|name| head.header(name));
    event.is_some_and(|event| !pushes.contains(&event))
}

/// The body as JSON. GitHub can send it as a field of a form.
fn payload(request: &RouteRequest) -> Result<Value, Response> {
    let form = request::is_form(request.head).then(|| {
        let mut fields = form_urlencoded::parse(request.body);
        fields.find(|(name, _)| name == "payload")
    });
    let json = match form.flatten() {
        Some((_, payload)) => serde_json::from_str(&payload),
        None => serde_json::from_slice(request.body),
    };
    json.map_err(|error| bad(&format!("the body is not JSON: {error}")))
}
