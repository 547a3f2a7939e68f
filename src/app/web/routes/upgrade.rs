//! Calls for what holds packages back under a Zig version.

use crate::app::web::routes::read::ReadCall;
use crate::app::web::routes::route::{Route, RouteRequest, check_name, get};
use crate::interface::message::Response;

pub const fn routes<C: From<ReadCall>>() -> [Route<C>; 2] {
    [
        get("/api/packages/*/upgrade/*", |request| {
            let (package, zig_version) = package_and_version(request)?;
            Ok(C::from(ReadCall::Upgrade {
                package,
                zig_version,
            }))
        }),
        get("/api/upgrade/*", |request| {
            Ok(C::from(ReadCall::Blockers {
                zig_version: request.parameter.to_string(),
                page: request.query.page()?,
            }))
        }),
    ]
}

/// A version that is unknown is found out later.
pub fn package_and_version(request: &RouteRequest) -> Result<(String, String), Response> {
    let both = request.parameter.rsplit_once('/');
    let (name, version) = both.unwrap_or((request.parameter, ""));
    Ok((check_name("name", name.to_string())?, version.to_string()))
}
