//! Admin calls: the token, and what each call names.

use serde_json::Value;

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::web::call::{AdminCall, Call, PackageRef, SubmitCall};
use crate::app::web::query::bad;
use crate::app::web::routes::route_request::{NAME, RouteRequest, is_name, text};
use crate::config::settings::Settings;
use crate::interface::message::{Head, Response, values};

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

pub fn cancel_build(request: &RouteRequest) -> Result<Call, Response> {
    let id = BuildId(request.id()?);
    Ok(Call::Admin(AdminCall::CancelBuild { id }))
}

pub fn trigger_build(request: &RouteRequest) -> Result<Call, Response> {
    let fields = request.fields()?;
    let id = match fields.get("package_id") {
        None | Some(Value::Null) => None,
        Some(id) => {
            let id = id.as_i64().filter(|id| *id > 0);
            Some(id.ok_or_else(|| bad("package_id: must be a whole number from 1"))?)
        }
    };
    let name = text(&fields, "package_name", 1_000)?;
    let package = match (id, name) {
        (Some(id), None) => PackageRef::Id(PackageId(id)),
        (None, Some(name)) if is_name(&name) => PackageRef::Name(name),
        (None, Some(_)) => return Err(bad(&format!("package_name: {NAME}"))),
        (None, None) => return Err(bad("package_id or package_name: one of them is needed")),
        (Some(_), Some(_)) => {
            let sentence = "package_id and package_name: only one of them is allowed";
            return Err(bad(sentence));
        }
    };
    Ok(Call::Submit(SubmitCall::Trigger { package }))
}

pub fn check_builds(_request: &RouteRequest) -> Result<Call, Response> {
    Ok(Call::Admin(AdminCall::CheckBuilds))
}

pub fn status(_request: &RouteRequest) -> Result<Call, Response> {
    Ok(Call::Admin(AdminCall::Status))
}
