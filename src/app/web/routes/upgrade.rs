//! Calls for what holds packages back under a Zig version.

use crate::app::web::routes::read::ReadCall;
use crate::app::web::routes::route::{Route, RouteRequest, check_name, check_repository, get};
use crate::interface::message::Response;

pub const fn routes<C: From<ReadCall>>() -> [Route<C>; 3] {
    [
        get("/api/packages/*/upgrade/*", |request| {
            Ok(call(package_and_version(request)?))
        }),
        get("/api/packages/**/upgrade/*", |request| {
            Ok(call(repository_and_version(request)?))
        }),
        get("/api/upgrade/*", |request| {
            Ok(C::from(ReadCall::Blockers {
                zig_version: request.parameter.to_string(),
                page: request.query.page()?,
            }))
        }),
    ]
}

fn call<C: From<ReadCall>>((package, zig_version): (String, String)) -> C {
    C::from(ReadCall::Upgrade {
        package,
        zig_version,
    })
}

/// The name of a package and a version. A version that is unknown is found out later.
pub fn package_and_version(request: &RouteRequest) -> Result<(String, String), Response> {
    let (name, version) = with_last_part(request);
    Ok((check_name("name", name.to_string())?, version.to_string()))
}

/// The same by the path of its repository.
pub fn repository_and_version(request: &RouteRequest) -> Result<(String, String), Response> {
    let (path, version) = with_last_part(request);
    Ok((check_repository(path)?, version.to_string()))
}

/// The parameter without its last part, and that part.
fn with_last_part<'r>(request: &RouteRequest<'r>) -> (&'r str, &'r str) {
    let both = request.parameter.rsplit_once('/');
    both.unwrap_or((request.parameter, ""))
}
