//! Admin calls: who may make them, and what they name.

use serde_json::Value;

use crate::app::web::query::bad;
use crate::app::web::routes::submit::{fields, text};
use crate::app::web::routes::{Call, NAME, PackageRef, Request_, is_name};
use crate::config::settings::Settings;
use crate::interface::message::{Head, Response, values};

/// Lets pass who knows the token.
pub fn check(head: &Head, settings: &Settings) -> Result<(), Response> {
    let Some(token) = &settings.admin_token else {
        let sentence =
            "there are no admin calls: the server was started without --admin-token-file";
        return Err(Response::error(403, sentence));
    };
    match bearer(head) {
        Some(said) if token.is(said) => Ok(()),
        Some(_) => Err(Response::error(403, "this is not the admin token")),
        None => {
            let sentence = "an admin call needs the header Authorization: Bearer TOKEN";
            Err(Response::error(401, sentence).with("WWW-Authenticate", "Bearer"))
        }
    }
}

/// The bearer token of a request. Of two headers nobody can say which one counts.
fn bearer(head: &Head) -> Option<&str> {
    let values = values(&head.headers, "authorization");
    let [value] = values[..] else { return None };
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// A new check of a known package.
pub fn trigger_build(asked: &Request_) -> Result<Call, Response> {
    let fields = fields(asked)?;
    let id = match fields.get("package_id") {
        None | Some(Value::Null) => None,
        Some(id) => {
            let id = id.as_i64().filter(|id| *id > 0);
            Some(id.ok_or_else(|| bad("package_id: must be a whole number from 1"))?)
        }
    };
    let name = text(&fields, "package_name", 1_000)?;
    let package = match (id, name) {
        (Some(id), None) => PackageRef::Id(id),
        (None, Some(name)) if is_name(&name) => PackageRef::Name(name),
        (None, Some(_)) => return Err(bad(&format!("package_name: {NAME}"))),
        (None, None) => return Err(bad("package_id or package_name: one of them is needed")),
        (Some(_), Some(_)) => {
            return Err(bad(
                "package_id and package_name: only one of them is taken",
            ));
        }
    };
    Ok(Call::TriggerBuild { package })
}
