//! Admin calls: the token, and what each call names.

use crate::app::domain::ids::BuildId;
use crate::app::web::routes::route::{Access, Body, Route, RouteRequest, row};
use crate::config::settings::Settings;
use crate::interface::message::{Head, Response, values};

/// Needs the admin token.
#[derive(Debug, Clone, PartialEq)]
pub enum AdminCall {
    /// Ends a build, whatever its state.
    CancelBuild { id: BuildId },
    /// Makes the recheck of all packages due now.
    CheckBuilds,
    /// The state of the server in numbers.
    Status,
}

pub const fn routes<C: From<AdminCall>>() -> [Route<C>; 3] {
    use Access::Admin;
    use Body::Ignored;
    [
        row("DELETE", "/api/builds/*", Admin, Ignored, cancel_build),
        row("POST", "/admin/check-builds", Admin, Ignored, |_| {
            Ok(AdminCall::CheckBuilds.into())
        }),
        row("GET", "/admin/status", Admin, Ignored, |_| {
            Ok(AdminCall::Status.into())
        }),
    ]
}

fn cancel_build<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    let id = BuildId(request.id()?);
    Ok(AdminCall::CancelBuild { id }.into())
}

/// 401 or 403 unless the request carries the admin token.
pub fn check_token(head: &Head, settings: &Settings) -> Result<(), Response> {
    let Some(token) = &settings.admin_token else {
        let sentence = "admin calls are disabled: start the server with --admin-token-file";
        return Err(Response::error(403, sentence));
    };
    match bearer(head) {
        Some(given) if token.is(given) => Ok(()),
        Some(_) => Err(Response::error(403, "wrong admin token")),
        None => {
            let sentence = "an admin call needs the header Authorization: Bearer TOKEN";
            Err(Response::error(401, sentence).with("WWW-Authenticate", "Bearer"))
        }
    }
}

/// The bearer token of a request; none where two headers contradict each other.
fn bearer(head: &Head) -> Option<&str> {
    let values = values(&head.headers, "authorization");
    let [value] = values[..] else { return None };
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
